// SPDX-License-Identifier: Apache-2.0
// A whole round of objects between sites with fixed keys, for tests that change one thing in it.

import Federation
import SecureAggregation
import Testing

/// Sites with keys, deals, a manifest and a set.
struct TestRound {
    let rules: RoundRules
    let statementKeys: [StatementKey]
    let aggregator: StatementKey
    let envelopeKeys: [EnvelopePrivateKey]
    let seeds: [DealtSeeds]
    let deals: [Deal]
    let manifest: Manifest
    let set: SurvivorSet
    let plan: UnmaskingPlan

    /// - Parameter survivors: U; everybody dealt.
    init(count: Int = 5, survivors: [Position] = [1, 2, 4, 5], seeds: [DealtSeeds]? = nil) throws {
        var random = RandomObjects(seed: 41, count: count)
        let context = random.digest()
        statementKeys = try (1...count).map { _ in try random.key() }
        aggregator = try random.key()
        envelopeKeys = try (1...count).map { _ in try EnvelopePrivateKey(seed: random.bytes(32)) }
        let parameters = try SumParameters.complete(count)
        let rules = RoundRules(
            context: context, parameters: parameters, graph: .complete(count), terms: .standard(parameters),
            statementKeys: statementKeys.map(\.publicKey), aggregatorKey: aggregator.publicKey)
        self.rules = rules
        var dealt: [DealtSeeds] = []
        for dealer in 1...count {
            let secrets = DealSecrets(
                root: SecretBytes(copying: random.bytes(32)), context: context,
                partners: Array(dealer..<count).map { $0 + 1 })
            dealt.append(try rules.seeds(of: dealer, from: secrets))
        }
        self.seeds = seeds ?? dealt
        let envelopeKeys = envelopeKeys
        let statementKeys = statementKeys
        deals = try zip(1..., self.seeds).map { dealer, seeds in
            try rules.makeDeal(
                seeds, dealer: dealer, envelopeKeys: envelopeKeys.map(\.publicKey),
                signedBy: statementKeys[dealer - 1])
        }
        let dealers = PositionSet.full(count)
        manifest = try Manifest(
            context: context, dealers: dealers, headers: deals.map(\.header.hash), signedBy: aggregator)
        set = SurvivorSet(
            context: context, manifest: manifest.hash, survivors: PositionSet(rosterCount: count, survivors),
            inputs: random.digest())
        plan = UnmaskingPlan(graph: rules.graph, dealers: dealers, survivors: set.survivors)
    }

    func header(_ dealer: Position) -> DealHeader { deals[dealer - 1].header }

    var headers: [Position: DealHeader] {
        Dictionary(uniqueKeysWithValues: deals.map { ($0.header.dealer, $0.header) })
    }

    func envelope(from dealer: Position, to holder: Position) throws -> [UInt8] {
        try #require(deals[dealer - 1].envelopes[holder])
    }

    /// What leg R1 gives `holder` of `dealer`.
    func receive(
        _ header: DealHeader? = nil, envelope: [UInt8]? = nil, from dealer: Position = 2, to holder: Position = 4,
        key: EnvelopePrivateKey? = nil
    ) throws -> ReceivedDeal {
        try rules.checkDeal(
            header ?? self.header(dealer), envelope: envelope ?? self.envelope(from: dealer, to: holder), from: dealer,
            to: holder, with: key ?? envelopeKeys[holder - 1])
    }

    /// What `holder` has: its own items and those of all dealers.
    func held(by holder: Position) -> [Position: [[UInt8]]] {
        Dictionary(uniqueKeysWithValues: zip(1..., seeds).map { ($0, $1.items[holder] ?? []) })
    }

    func release(of holder: Position) throws -> ShareRelease {
        try rules.release(
            for: set, plan: plan, holder: holder, held: held(by: holder), signedBy: statementKeys[holder - 1])
    }

    func judge(_ release: ShareRelease) throws -> Blame? {
        try rules.check(release, for: set, plan: plan, headers: headers)
    }
}
