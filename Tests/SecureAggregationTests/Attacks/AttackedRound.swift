// SPDX-License-Identifier: Apache-2.0
// The signed objects of one context as a hostile aggregator would make them, and honest machines to show them to.

import Federation
import SecureAggregation
import Testing

/// One context with all keys in the attacker's test's hands. Honest parties sign what they would; the aggregator signs
/// whatever a test wants.
struct AttackedRound {
    let rules: RoundRules
    let keys: [StatementKey]
    let aggregator: StatementKey

    /// - Parameters:
    ///   - terms: the floors; by default two honest parts are enough, so that sets may lose a site.
    ///   - context: another text is another context with the same members.
    init(
        _ count: Int, parameters: SumParameters? = nil, graph: NeighbourGraph? = nil, terms: RoundTerms? = nil,
        context: String = "attacked"
    ) throws {
        let parameters = try parameters ?? .complete(count)
        func key(_ number: Int) throws -> StatementKey {
            try #require(StatementKey(seed: Digest(of: [UInt8(number)], domain: "attacked key").bytes))
        }
        keys = try (1...count).map(key)
        aggregator = try key(0)
        rules = RoundRules(
            context: Digest(of: Array(context.utf8), domain: "attacked"), parameters: parameters,
            graph: graph ?? .complete(count),
            terms: terms
                ?? RoundTerms(
                    minimumSurvivors: parameters.quorum, minimumHonest: 2, colluders: parameters.colluders,
                    logging: .notAwaited),
            statementKeys: keys.map(\.publicKey), aggregatorKey: aggregator.publicKey)
    }

    var count: Int { rules.count }

    // MARK: Objects

    func header(_ dealer: Position, _ variant: UInt8 = 0) -> Digest {
        Digest(of: [UInt8(dealer), variant] + rules.context.bytes, domain: "attacked header")
    }

    func manifest(of dealers: [Position]? = nil, variants: [Position: UInt8] = [:]) throws -> Manifest {
        let dealers = dealers ?? Array(1...count)
        return try Manifest(
            context: rules.context, dealers: PositionSet(rosterCount: count, dealers),
            headers: dealers.map { header($0, variants[$0, default: 0]) }, signedBy: aggregator)
    }

    /// - Parameter variant: another number is another masked vector.
    func input(_ site: Position, under manifest: Manifest, variant: UInt8 = 0) throws -> InputStatement {
        try InputStatement(
            context: manifest.context, manifest: manifest.hash, site: site, entries: 8,
            root: Digest(of: [UInt8(site), variant], domain: "attacked root"), signedBy: keys[site - 1])
    }

    func inputs(of sites: [Position], under manifest: Manifest) throws -> [InputStatement] {
        try sites.map { try input($0, under: manifest) }
    }

    func set(under manifest: Manifest, inputs: [InputStatement]) -> SurvivorSet {
        SurvivorSet(
            context: rules.context, manifest: manifest.hash,
            survivors: PositionSet(rosterCount: count, inputs.map(\.site)), inputs: SurvivorSet.hash(of: inputs))
    }

    func proposal(under manifest: Manifest, inputs: [InputStatement]) throws -> SetProposal {
        try SetProposal(set: set(under: manifest, inputs: inputs), signedBy: aggregator)
    }

    func signature(_ position: Position, of message: [UInt8]) throws -> PositionSignature {
        PositionSignature(position: position, signature: try keys[position - 1].sign(message, domain: ""))
    }

    func certificate(_ set: SurvivorSet, by signers: [Position]? = nil) throws -> SetCertificate {
        SetCertificate(
            set: set, signatures: try (signers ?? set.survivors.positions).map { try signature($0, of: set.bytes) })
    }

    func voidCertificate(by signers: [Position]) throws -> VoidCertificate {
        VoidCertificate(
            context: rules.context,
            signatures: try signers.map { try signature($0, of: VoidCertificate.statement(rules.context)) })
    }

    // MARK: Honest sites

    /// A site that dealt and accepted the deals of `dealers`; of all its neighbours by default.
    func acknowledged(_ position: Position, accepting dealers: [Position]? = nil) throws -> AttackedSite {
        var site = AttackedSite(round: self, position: position)
        try site.take { try $0.dealt(header: header(position)) }
        for dealer in dealers ?? rules.graph.neighbours(of: position) where dealer != position {
            try site.machine.accept(dealer: dealer, header: header(dealer))
        }
        try site.take { try $0.acknowledge() }
        return site
    }

    func bound(_ position: Position, to manifest: Manifest) throws -> AttackedSite {
        var site = try acknowledged(position)
        try site.take { try $0.receive(manifest) }
        return site
    }

    /// A site that has uploaded.
    func exposed(_ position: Position, under manifest: Manifest) throws -> AttackedSite {
        var site = try bound(position, to: manifest)
        try site.take { try $0.inputReady(try input(position, under: manifest)) }
        return site
    }
}

/// A machine with its disk.
struct AttackedSite {
    var machine: SiteRoundStateMachine
    private(set) var records: [SiteRoundStateMachine.Record] = []
    /// The update that it stored, as its own life sees it.
    private(set) var update = UpdateLife()

    init(round: AttackedRound, position: Position) {
        machine = SiteRoundStateMachine(rules: round.rules, position: position)
    }

    var state: SiteRoundStateMachine.State { machine.state }

    @discardableResult
    mutating func take(
        _ event: (inout SiteRoundStateMachine) throws -> [SiteRoundStateMachine.Action]
    ) throws -> [SiteRoundStateMachine.Action] {
        let actions = try event(&machine)
        for action in actions {
            if case .record(let record) = action { records.append(record) }
            if case .update(let change) = action { try update.receive(change.event(in: machine.rules.context)) }
        }
        return actions
    }

    /// The site after a crash: what it has is what was on disk.
    var restarted: AttackedSite {
        var site = self
        site.machine = SiteRoundStateMachine(rules: machine.rules, position: machine.position, replaying: records)
        return site
    }
}
