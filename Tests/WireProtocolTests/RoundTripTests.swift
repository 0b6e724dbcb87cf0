// SPDX-License-Identifier: Apache-2.0
// Every message reads back as it was written, and no two messages have the same bytes.

import Federation
import Testing
import WireProtocol

@Suite struct RoundTripTests {
    @Test func messagesOfSitesReadBack() throws {
        var encodings: Set<[UInt8]> = []
        for message in SampleMessages.fromSites {
            let bytes = try message.encoded()
            #expect(try SiteMessage(decoding: bytes) == message)
            #expect(encodings.insert(bytes).inserted, "\(message)")
        }
    }

    @Test func messagesOfAggregatorsReadBack() throws {
        var encodings: Set<[UInt8]> = []
        for message in SampleMessages.fromAggregators {
            let bytes = try message.encoded()
            #expect(try AggregatorMessage(decoding: bytes) == message)
            #expect(encodings.insert(bytes).inserted)
        }
    }

    @Test func controlMessagesReadBack() throws {
        for request in SampleMessages.requests { #expect(try ControlRequest(decoding: request.encoded()) == request) }
        for reply in SampleMessages.replies { #expect(try ControlReply(decoding: reply.encoded()) == reply) }
    }

    /// The example at the head of `messages.md`.
    @Test func theBytesAreThoseOfTheSpecification() throws {
        let hello = try SiteMessage.hello(versions: [1], software: "consilium-site 0.1.0").encoded()
        #expect(hello == [0x0A, 0x19, 0x0A, 0x01, 0x01, 0x12, 0x14] + Array("consilium-site 0.1.0".utf8))
        let progress = try SiteMessage.progress(task: SampleMessages.digest, .computing, count: 300).encoded()
        #expect(
            progress == [0x22, 0x30, 0x0A, 0x20] + SampleMessages.digest.bytes + [0x12, 0x09]
                + Array("computing".utf8) + [0x18, 0xAC, 0x02])
        #expect(try AggregatorMessage.ping.encoded() == [0x52, 0x00])
    }

    @Test func wordListsAreThoseOfTheSpecification() {
        #expect(
            DeclineReason.allCases.map(\.rawValue)
                == [
                    "notApproved", "refusedByPolicy", "withdrawn", "notUnderstood", "noDataset", "dataRefused",
                    "noUsableRows",
                ])
        #expect(
            WithholdReason.allCases.map(\.rawValue)
                == [
                    "nonFinite", "dataChanged", "noUsableRows", "taskMismatch", "stopped", "paused",
                    "outsideHours", "notPermitted", "localFailure", "restored", "answeredBefore",
                    "notEnoughMemory",
                ])
        #expect(
            SiteObstacle.allCases.map(\.rawValue)
                == ["noPolicy", "policyRefuses", "noDataset", "dataMissing", "diskFull"])
        #expect(AwaitedSite.Pace.allCases.map(\.rawValue) == ["working", "slow", "silent", "away"])
        #expect(RefusalReason.allCases.map(\.rawValue) == ["wrongLength", "wrongDigest", "malformedVector"])
        #expect(
            RefusalCode.allCases.map(\.rawValue) == [
                "version", "notMember", "alreadyConnected", "protocolViolation", "rateLimit", "unavailable",
            ])
        #expect(RoundStage.allCases.map(\.rawValue) == ["asked", "downloading", "computing", "uploading"])
        #expect(AggregatorMessage.RoundEnding.allCases.map(\.rawValue) == ["closed", "abandoned"])
        #expect(AggregatorMessage.StudyEnding.allCases.map(\.rawValue) == ["completed", "degraded", "stopped"])
        #expect(RoundKind.allCases.map(\.rawValue) == ["statistics", "training", "evaluation"])
    }

    @Test func everySmallMessageFitsAFrame() throws {
        for message in SampleMessages.fromAggregators { #expect(try message.encoded().count < 1 << 20) }
        for message in SampleMessages.fromSites { #expect(try message.encoded().count < 1_024) }
    }
}
