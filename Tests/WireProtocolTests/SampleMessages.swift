// SPDX-License-Identifier: Apache-2.0
// Every message of the protocol, with every word of its lists and values at both ends of their ranges.

import Federation
import WireProtocol

enum SampleMessages {
    static let digest = Digest(of: [1], domain: "test\n")
    static let other = Digest(of: [2], domain: "test\n")
    static let model = BlobReference(name: "model", digest: digest, byteCount: 3_548)
    static let task = RoundTask(
        study: other, id: RoundID(kind: .training, round: 3, attempt: 2), sites: 4,
        inputs: [model, BlobReference(name: "controls", digest: other, byteCount: 0)])

    /// Of three pieces, the last of which holds one byte of it.
    static let roster = (0..<2 * WireLimits.rosterPartBytes + 1).map { UInt8(truncatingIfNeeded: $0 / 7) }

    static let fromSites: [SiteMessage] =
        [
            .hello(versions: [1], software: ""), .hello(versions: Array(0..<32), software: "consilium-site 1.0 – ü"),
            .condition([]), .condition(SiteObstacle.allCases), .condition([.diskFull]),
            .hello(versions: [.max], software: String(repeating: "x", count: 200)),
            .decision(study: digest, .accepted), .blobRequest(digest, offset: 0, stream: 0),
            .blobRequest(digest, offset: .max, stream: .max), .modelReceived(study: digest, model: other),
            .uploadOffer(task: digest, byteCount: 0, digest: other, stream: 0),
            .uploadOffer(task: digest, byteCount: UInt64(WireLimits.blobBytes), digest: other, stream: .max),
        ] + DeclineReason.allCases.map { .decision(study: digest, .declined($0)) }
        + WithholdReason.allCases.map { .withheld(task: digest, $0) }
        + RoundStage.allCases.flatMap { stage in
            [.progress(task: digest, stage, count: 0), .progress(task: digest, stage, count: .max)]
        }

    static let fromAggregators: [AggregatorMessage] =
        [
            .welcome(version: 1, federation: "cardio", software: "consilium-aggregator 1.0"), .ping,
            .studyOffer([]), .studyOffer([UInt8](repeating: 7, count: WireLimits.studyBytes)), .roundOpen(task),
            .roundOpen(
                RoundTask(study: digest, id: RoundID(kind: .statistics, round: 0, attempt: 1), sites: 1, inputs: [])),
            .uploadReady(task: digest, offset: 0), .uploadReady(task: digest, offset: .max),
            .uploadResult(task: digest, refused: nil), .blobUnavailable(digest, stream: 0),
            .blobUnavailable(digest, stream: .max), .studyEnded(study: digest, .completed, model: nil),
            .renewed([]), .renewed([UInt8](repeating: 1, count: WireLimits.renewalBytes)),
            .studyEnded(
                study: digest, .completed,
                model: BlobReference(name: "model", digest: other, byteCount: WireLimits.blobBytes)),
        ] + RosterPart.parts(roster: roster, denyList: [9]).map { .rosterPart($0) }
        + RefusalCode.allCases.map { .refusal($0) }
        + RefusalReason.allCases.map { .uploadResult(task: digest, refused: $0) }
        + AggregatorMessage.RoundEnding.allCases.map { .roundEnded(task: digest, $0) }
        + AggregatorMessage.StudyEnding.allCases.map { .studyEnded(study: digest, $0, model: model) }

    static let requests: [ControlRequest] = [
        .submit([]), .submit([1, 2, 3]), .status, .stop(study: digest), .metrics,
        .membership(.list), .membership(.renew([1, 2, 3])),
    ]

    static let replies: [ControlReply] = [
        .error(message: "no such study", hint: ""), .submitted(study: digest, wasKnown: false),
        .submitted(study: digest, wasKnown: true), .stopped(study: digest),
        .status(FederationStatus(federation: "cardio", connectedSites: [], studies: [], sites: [])),
        .status(
            FederationStatus(
                federation: "cardio", connectedSites: ["a", "b"],
                studies: [StudyStatus(study: other, name: "empty", phase: "gathering"), fullStatus],
                sites: [
                    MemberStatus(site: "a", isConnected: true, obstacles: []),
                    MemberStatus(site: "b", isConnected: true, obstacles: ["diskFull"]),
                    MemberStatus(site: "c", isConnected: false, obstacles: nil),
                ])),
    ]

    private static var fullStatus: StudyStatus {
        var status = StudyStatus(study: digest, name: "heart", phase: "collecting")
        status.explanation = "attempt 1 abandoned"
        status.roundKind = "training"
        status.round = 3
        status.rounds = 15
        status.attempt = 2
        status.acceptedSites = ["a", "b", "c"]
        status.pending = [
            .init(
                site: "a", stage: "computing", count: 17, isConnected: true, pace: "slow", idleSeconds: 0.25,
                remainingSeconds: 59.75),
            .init(
                site: "b", stage: "asked", count: .max, isConnected: false, pace: "away", idleSeconds: 1e9,
                remainingSeconds: 0),
        ]
        status.loss = 0
        status.accuracy = 0.5
        status.auc = -1e300
        status.bytesUp = .max
        status.bytesDown = 1
        status.examplesPerSecond = 1e6
        status.deliveries = 4
        return status
    }
}
