// SPDX-License-Identifier: Apache-2.0
// Members that take more than their share, over real TLS: the others are served all the same.

import AggregatorService
import Enrolment
import Federation
import PeerTransport
import SiteService
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(2)), .serialized)
struct FloodTests {
    /// Whether the other end closes; what it says before is dropped.
    private func ends(_ connection: any PeerConnection) async -> Bool {
        while let frame = try? await connection.nextFrame() { _ = frame }
        return true
    }

    @Test func aSiteThatConnectsAgainAndAgainIsServedOnceAndOthersToo() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            try await federation.join("b")
            let other = RawSite(over: try await federation.connect("b"))
            try await other.say(.hello(versions: [1], software: "test"))
            _ = try await other.hear { if case .welcome = $0 { true } else { false } }
            var flood: [any PeerConnection] = []
            for _ in 0..<60 {
                let connection = try await federation.connect("a")
                #expect(await federation.isWelcome(connection))
                flood.append(connection)
            }
            for connection in flood.dropLast() { #expect(await ends(connection)) }
            // Neither the last of the one nor the only one of the other was touched.
            let last = RawSite(over: try #require(flood.last))
            for site in [last, other] {
                try await site.say(.blobRequest(.blob([1]), offset: 0, stream: 1))
                let answer = try await site.hear { if case .blobUnavailable = $0 { true } else { false } }
                #expect(answer == .blobUnavailable(.blob([1]), stream: 1))
            }
        }
    }

    @Test func anAuditorThatKeepsConnectionsOpenHasEightAndNoMore() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("north", .auditor)
            try await federation.join("a")
            func list(_ connection: any PeerConnection) async throws -> ControlReply? {
                try await connection.send(Frame(controlBytes: ControlRequest.membership(.list).encoded()))
                guard let frame = try await connection.nextFrame() else { return nil }
                return try ControlReply(decoding: frame.controlBytes)
            }
            func isServed(_ connection: any PeerConnection) async -> Bool {
                guard case .membership? = try? await list(connection) else { return false }
                return true
            }
            var open: [any PeerConnection] = []
            for _ in 0..<8 {
                let connection = try await federation.connect("north")
                #expect(await isServed(connection))
                open.append(connection)
            }
            for _ in 0..<20 {
                let connection = try await federation.connect("north")
                #expect(await !isServed(connection))
            }
            #expect(await isServed(open[0]), "the first ones stay")
            #expect(await federation.isWelcome(try await federation.connect("a")))
            await open.removeLast().close()
            try await eventually("a place is free again") {
                let connection = try await federation.connect("north")
                let isServed = await isServed(connection)
                await connection.close()
                return isServed
            }
        }
    }
}
