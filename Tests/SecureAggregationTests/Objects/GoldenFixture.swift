// SPDX-License-Identifier: Apache-2.0
// The golden round of seven sites with the rules and keys that follow from it.

import Federation
import SecureAggregation
import Testing

/// The round of `secagg/objects.json` with the rules and keys that follow from it.
struct GoldenFixture {
    let file: GoldenRound
    let deals: [String: GoldenRound.Deal]
    let smallDeal: GoldenRound.Deal
    let rules: RoundRules
    let statementKeys: [StatementKey]
    let aggregator: StatementKey

    var round: GoldenRound.Round { file.round }

    init() throws {
        let file = try GoldenRound.load()
        self.file = file
        (deals, smallDeal) = try GoldenRound.deals()
        statementKeys = try (1...7).map {
            try #require(StatementKey(seed: golden(file.keys.sites["\($0)"]?.statementSeed)))
        }
        aggregator = try #require(StatementKey(seed: golden(file.keys.aggregator.seed)))
        let task = try SecureTask(bytes: golden(file.round.task.bytes))
        let parameters = try SumParameters(checking: task.numbers)
        rules = RoundRules(
            context: try goldenDigest(file.round.context), parameters: parameters, graph: .complete(7),
            terms: RoundTerms(task: task), statementKeys: statementKeys.map(\.publicKey),
            aggregatorKey: aggregator.publicKey)
    }

    func site(_ position: Position) throws -> GoldenRound.Site { try #require(round.sites["\(position)"]) }
    func deal(_ position: Position) throws -> GoldenRound.Deal { try #require(deals["\(position)"]) }
    func envelopeKey(_ position: Position) throws -> EnvelopePrivateKey {
        try EnvelopePrivateKey(seed: golden(file.keys.sites["\(position)"]?.xwingSeed))
    }

    var manifest: Manifest { get throws { try Manifest(bytes: golden(round.manifest), rosterCount: 7) } }
    var set: SurvivorSet { get throws { try SurvivorSet(bytes: golden(round.set), rosterCount: 7) } }
    var plan: UnmaskingPlan {
        get throws { UnmaskingPlan(graph: .complete(7), dealers: try manifest.dealers, survivors: try set.survivors) }
    }
    func header(_ dealer: Position) throws -> DealHeader { try DealHeader(bytes: golden(deal(dealer).header)) }
    var headers: [Position: DealHeader] {
        get throws { Dictionary(uniqueKeysWithValues: try (1...7).map { ($0, try header($0)) }) }
    }
    func inputs(_ positions: [Position]) throws -> [InputStatement] {
        try positions.map { try InputStatement(bytes: golden(site($0).input)) }
    }
}
