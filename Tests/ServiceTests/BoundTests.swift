// SPDX-License-Identifier: Apache-2.0
// What a peer can make the other side keep or hold without giving anything is bounded.

import Federation
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct BoundTests {
    @Test func endlessUnapprovedStudiesFillNoDisk() async throws {
        var plan = SitePlan("a")
        plan.approves = false
        try await LyingServer.run(plan: plan) { server in
            let aggregator = try await server.welcomed()
            for seed in 0..<80 {
                var study = TestStudy.make(rounds: seed + 1)
                study.title = "study \(seed)"
                try await aggregator.say(.studyOffer(study.canonicalBytes))
                let answer = try await aggregator.hear { if case .decision = $0 { true } else { false } }
                #expect(answer == .decision(study: study.hash, .declined(.notApproved)), "each offer is answered")
            }
            #expect(try await server.site.store.studies().count == 64)
        }
    }

    @Test func aPeerThatNeverSaysHelloLosesItsPlace() async throws {
        try await TestFederation.run(
            TestStudy.make(), ["a", "b", "c"].map { SitePlan($0) }, guests: ["mute"], isSubmitted: false,
            helloTimeout: .milliseconds(50)
        ) { federation in
            let mute = try await RawSite("mute", in: federation)
            while let frame = try? await mute.connection.nextFrame() { _ = frame }
            // The connection has ended; those who said hello in time are still there.
            try await eventually("the others are connected") {
                try await federation.status().connectedSites == ["a", "b", "c"]
            }
        }
    }
}
