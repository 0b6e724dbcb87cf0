// SPDX-License-Identifier: Apache-2.0
// Hashes that the review of the protocol states for the round of seven sites in secagg.json.

import Federation
import SecureAggregation
import Testing

@Suite struct ReviewAnswersGoldenTests {
    private let round: SevenSites

    init() throws { round = try SevenSites.load() }

    @Test func contextIsOfRosterInputsTaskAndRound() throws {
        #expect(
            Digest.roundContext(
                roster: try round.digest(round.rosterHash), inputs: try round.digest(round.modelHash),
                task: try round.digest(round.taskHash), round: round.roundNumber) == (try round.digest(round.context)))
    }

    @Test func commitmentsAreAsPublished() throws {
        let context = try round.digest(round.context)
        let own = try #require(round.selfSeeds["1"].flatMap { [UInt8](hex: $0) })
        #expect(
            Digest.commitment(to: own, context: context).hex
                == "0b1097dd5f1e376af600177775769b8064b2cedb9a7dbf0fd04a2dc104b97fd4")
        let pair = try #require(round.pairSeeds["1-2"].flatMap { [UInt8](hex: $0) })
        #expect(
            Digest.commitment(to: pair, context: context).hex
                == "ef465e0b055d203e9b3dc4faa425546327e31f2397711b2925db6b4ae116fde4")
    }

    @Test func shareLeafIsAsPublished() throws {
        let share = try #require(round.sharesSent["self-1"]?["2"].flatMap { [UInt8](hex: $0) })
        let leaf = ShareTree.leaf(
            item: share, of: SecretID(dealer: 1, index: 0), context: try round.digest(round.context), holder: 2)
        #expect(leaf.hex == "2e09a173b758b7fc9a424c8d77b9e701ef7fb6d7ffdc38170b832f71eecb325d")
    }

    @Test func bitmapsAndVoidStatementAreAsPublished() throws {
        #expect(PositionSet.full(7).bitmap == [0x7f])
        #expect(PositionSet(rosterCount: 7, [1, 2, 4, 5, 6, 7]).bitmap == [0x7b])
        let statement = VoidCertificate.statement(try round.digest(round.context))
        #expect(
            Digest(of: statement, domain: "").hex
                == "7d69f0bb6d595681f02b11e8f145ead689fb8957a0b4af64472a6676026d1748")
    }
}

/// The part of `secagg/secagg.json` that objects are made of.
struct SevenSites: Decodable {
    let rosterHash: String
    let modelHash: String
    let taskHash: String
    let roundNumber: UInt64
    let context: String
    let selfSeeds: [String: String]
    let pairSeeds: [String: String]
    let sharesSent: [String: [String: String]]

    private struct File: Decodable {
        let round: SevenSites
    }

    static func load() throws -> SevenSites {
        try GoldenVectors.decode(File.self, from: "secagg/secagg.json").round
    }

    func digest(_ hex: String) throws -> Digest { try #require(Digest(hex: hex)) }
}
