// SPDX-License-Identifier: Apache-2.0
// Compares every byte that really leaves a site during a whole study with the manifest that an officer is shown.

import Federation
import NIOCore
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct EgressTests {
    @Test(arguments: [Strategy.fedAvg, .scaffold(learningRate: 1)])
    func whatLeavesIsWhatTheManifestSays(_ strategy: Strategy) async throws {
        let study = TestStudy.make(strategy: strategy, rounds: 3, everyRounds: 2)
        let plans = [("a", 64), ("b", 80), ("c", 200)].map { SitePlan($0.0, rows: $0.1) }
        try await TestFederation.run(study, plans) { federation in
            try await federation.finish(deliveries: 3)
            let manifest = try EgressManifest(study, sites: 3...3)
            let rounds = Dictionary(
                uniqueKeysWithValues: try await federation.rounds().map { ($0.taskHash, $0.id.kind) })
            for site in federation.sites {
                var egress = Egress()
                for frame in site.line.sent { try egress.take(frame) }
                for (kind, sizes) in egress.messages {
                    let item = try #require(manifest[kind], "\(kind) is not in the manifest")
                    #expect(sizes.allSatisfy(item.bytes.contains), "\(kind): \(sizes) in \(item.bytes)")
                }
                var vectors: [RoundKind: Int] = [:]
                for (task, bytes) in egress.vectors {
                    let kind = try #require(rounds[task])
                    vectors[kind, default: 0] += 1
                    let item = try #require(manifest[Self.vector(of: kind)])
                    #expect(item.bytes.contains(bytes), "\(kind): \(bytes) in \(item.bytes)")
                }
                // One for each round, and nothing that belongs to no offer.
                #expect(vectors == [.statistics: 1, .training: 3, .evaluation: 2])
                #expect(manifest[.updateVector]?.occasion == .everyRound(3))
                #expect(manifest[.evaluationVector]?.occasion == .everyRound(2))
                #expect(egress.strayBytes == 0)
                #expect(egress.messages[.modelReceived]?.count == 1)
            }
        }
    }

    private static func vector(of kind: RoundKind) -> EgressManifest.Kind {
        switch kind {
        case .statistics: .statisticsVector
        case .training: .updateVector
        case .evaluation: .evaluationVector
        }
    }
}

/// The bytes of one site, by what they are.
private struct Egress {
    var messages: [EgressManifest.Kind: [Int]] = [:]
    /// Bytes of each task's vector.
    var vectors: [Digest: Int] = [:]
    var strayBytes = 0
    private var offers: [UInt32: Digest] = [:]

    mutating func take(_ frame: Frame) throws {
        guard frame.kind == .control else {
            var payload = frame.payload
            let header = try #require(ChunkHeader(readingFrom: &payload))
            if let task = offers[header.streamID] {
                vectors[task, default: 0] += payload.readableBytes
            } else {
                strayBytes += payload.readableBytes
            }
            return
        }
        let message = try SiteMessage(decoding: frame.controlBytes)
        // Nothing hides in fields that a reader would skip.
        #expect(try message.encoded() == frame.controlBytes)
        messages[kind(of: message), default: []].append(frame.controlBytes.count)
        if case .uploadOffer(let task, _, _, let stream) = message { offers[stream] = task }
    }

    private func kind(of message: SiteMessage) -> EgressManifest.Kind {
        switch message {
        case .hello: .hello
        case .condition: .condition
        case .decision: .decision
        case .blobRequest: .blobRequest
        case .progress: .progress
        case .uploadOffer: .uploadOffer
        case .withheld: .withheld
        case .modelReceived: .modelReceived
        case .renewal: .renewal
        }
    }
}
