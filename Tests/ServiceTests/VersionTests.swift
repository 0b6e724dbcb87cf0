// SPDX-License-Identifier: Apache-2.0
// Programs of two neighbouring releases in one federation: which version they speak, and that they refuse by word.

import Federation
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct VersionTests {
    private static func answer(to versions: [UInt32], in federation: TestFederation) async throws -> AggregatorMessage?
    {
        let site = try await RawSite("guest", in: federation)
        try await site.say(.hello(versions: versions, software: "another release"))
        return try await site.hear()
    }

    @Test func anAggregatorSpeaksWithThePresentAndTheNextReleaseAndRefusesOthersByWord() async throws {
        try await TestFederation.run(
            TestStudy.make(rounds: 1), ["a", "b", "c"].map { SitePlan($0) }, guests: ["guest"]
        ) { federation in
            for versions in [[1], [1, 2], [2, 1], [7, 1, 2]] as [[UInt32]] {
                guard case .welcome(let version, _, _)? = try await Self.answer(to: versions, in: federation) else {
                    Issue.record("\(versions) is not welcome")
                    continue
                }
                #expect(version == 1)
            }
            for versions in [[2], [2, 3], [0]] as [[UInt32]] {
                #expect(try await Self.answer(to: versions, in: federation) == .refusal(.version))
            }
            let last = try await RawSite("guest", in: federation)
            try await last.say(.hello(versions: [1], software: "test"))
            try await last.say(.decision(study: federation.hash, .declined(.notApproved)))
            #expect(try await federation.finish(deliveries: 3).outcome == "completed")
        }
    }

    /// A site of this release leaves an aggregator that chose a version it never offered, and comes back.
    @Test func aSiteLeavesAnAggregatorThatSpeaksAnotherVersion() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.connection()
            _ = try await server.hear { if case .hello = $0 { true } else { false } }
            // Field 1 of `FromAggregator` is `welcome`; its field 1 is the version.
            try await server.say(bytes: [0x0A, 0x02, 0x08, 0x02])
            _ = try await lies.welcomed()
            #expect(lies.offers == 0)
        }
    }
}
