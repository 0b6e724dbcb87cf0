// SPDX-License-Identifier: Apache-2.0
// What a Python program made wrong, one thing at a time, is refused.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct SecureRefusalsGoldenTests {
    private let fixture: GoldenFixture

    init() throws { fixture = try GoldenFixture() }

    /// These are good in themselves; what a site did before excludes them, which its state machine tests.
    private static let refusedByState: Set = ["second manifest", "second proposal", "void after release"]

    @Test func everyBadObjectIsRefused() throws {
        #expect(fixture.file.negative.count >= 75)
        // A sparse graph of twelve sites is for reading only: up to 100 sites the graph is complete.
        for one in fixture.file.negative where !Self.refusedByState.contains(one.name) && one.graph != "small" {
            do {
                if try accepts(one) { Issue.record("accepted: \(one.name)") }
            } catch is SecureSumError {
                continue
            } catch is SharingError {
                continue
            }
        }
    }

    /// False where somebody is blamed; throws where the object is refused.
    private func accepts(_ one: GoldenRound.Negative) throws -> Bool {
        let bytes = try golden(one.bytes)
        switch one.object {
        case "roster": try SecureRoster(bytes: bytes).check()
        case "task": _ = try SecureTask(bytes: bytes)
        case "header": try fixture.rules.checkHeader(DealHeader(bytes: bytes), from: 1)
        case "ack": _ = try DealAcknowledgement(bytes: bytes, rosterCount: 7)
        case "manifest":
            let manifest = try Manifest(bytes: bytes, rosterCount: 7)
            try fixture.rules.check(manifest)
            return try (1...7).allSatisfy { try manifest.header(of: $0) == fixture.header($0).hash }
        case "input": return try InputStatement(bytes: bytes).manifest == fixture.manifest.hash
        case "proposal":
            let proposal = try SetProposal(bytes: bytes, rosterCount: 7)
            let manifest = try one.manifest.map { try Manifest(bytes: golden($0), rosterCount: 7) } ?? fixture.manifest
            try fixture.rules.check(
                proposal, inputs: fixture.inputs(proposal.set.survivors.positions), boundTo: manifest, verifier: nil)
        case "certificate": try fixture.rules.check(SetCertificate(bytes: bytes, rosterCount: 7))
        case "void certificate":
            let certificate = try VoidCertificate(bytes: bytes, rosterCount: 7)
            if certificate.signatures.count < fixture.rules.parameters.quorum { throw SecureSumError.noQuorum }
        case "shares":
            return try fixture.rules.check(
                ShareRelease(bytes: bytes), for: fixture.set, plan: fixture.plan, headers: fixture.headers) == nil
        case "result": _ = try RoundResult(bytes: bytes)
        case "rebuild":
            let shares = try #require(one.shares).map { (try #require(Int($0.key)), try golden($0.value)) }
            let interpolation = ShareInterpolation(positions: shares.map(\.0))
            _ = try interpolation.secret(from: shares.map(\.1))
        case "plaintext", "envelope": return try acceptsSealed(one, bytes)
        case "set bitmap":
            let row = fixture.file.graph.defaultRow
            return NeighbourGraph.ring(order: row.order, neighbours: row.k).isAdmissible(
                try #require(PositionSet(rosterCount: row.order.count, bitmap: bytes)),
                parameters: try .standard(row.order.count))
        default: Issue.record("an object of another kind: \(one.object)")
        }
        return true
    }

    private func acceptsSealed(_ one: GoldenRound.Negative, _ bytes: [UInt8]) throws -> Bool {
        let dealer = try #require(one.dealer)
        let holder = try #require(one.holder)
        let content: EnvelopeContent
        if one.object == "plaintext" {
            content = try EnvelopeContent(bytes: bytes, shareCount: 8 - dealer, hasPairSeed: dealer < holder)
        } else {
            content = try Envelope.open(
                bytes, with: fixture.envelopeKey(#require(one.key)), context: fixture.rules.context, dealer: dealer,
                holder: holder,
                shareCount: 8 - dealer)
        }
        return content.shares.allSatisfy { ShareItem.elements(of: $0) != nil }
    }
}
