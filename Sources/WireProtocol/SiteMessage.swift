// SPDX-License-Identifier: Apache-2.0
// What a site says to the aggregator, as checked values; the generated types stay inside this module.

package import Federation
import Foundation
import SwiftProtobuf

/// A control message from a site.
package enum SiteMessage: Hashable, Sendable {
    case hello(versions: [UInt32], software: String)
    /// What keeps the site from computing; nothing when it is able to.
    case condition([SiteObstacle])
    case decision(study: Digest, StudyDecision)
    case blobRequest(Digest, offset: UInt64, stream: UInt32)
    case progress(task: Digest, RoundStage, count: UInt64)
    case uploadOffer(task: Digest, byteCount: UInt64, digest: Digest, stream: UInt32)
    case withheld(task: Digest, WithholdReason)
    case modelReceived(study: Digest, model: Digest)
    /// Bytes of a renewal request; what they say is for the authority to judge.
    case renewal([UInt8])
}

extension SiteMessage {
    /// The bytes of the message.
    package func encoded() throws -> [UInt8] {
        var message = WireFromSite()
        switch self {
        case .hello(let versions, let software):
            message.hello = .with {
                $0.versions = versions
                $0.software = software
            }
        case .condition(let obstacles):
            message.condition = .with { $0.obstacles = obstacles.map(\.rawValue) }
        case .decision(let study, let decision):
            message.decision = .with {
                $0.study = study.data
                switch decision {
                case .accepted: $0.accepted = true
                case .declined(let reason): $0.reason = reason.rawValue
                }
            }
        case .blobRequest(let digest, let offset, let stream):
            message.blobRequest = .with {
                $0.digest = digest.data
                $0.offset = offset
                $0.stream = stream
            }
        case .progress(let task, let stage, let count):
            message.progress = .with {
                $0.task = task.data
                $0.stage = stage.rawValue
                $0.count = count
            }
        case .uploadOffer(let task, let byteCount, let digest, let stream):
            message.uploadOffer = .with {
                $0.task = task.data
                $0.byteCount = byteCount
                $0.digest = digest.data
                $0.stream = stream
            }
        case .withheld(let task, let reason):
            message.withheld = .with {
                $0.task = task.data
                $0.reason = reason.rawValue
            }
        case .renewal(let bytes): message.renewal = .with { $0.request = Data(bytes) }
        case .modelReceived(let study, let model):
            message.modelReceived = .with {
                $0.study = study.data
                $0.digest = model.data
            }
        }
        return try message.serializedBytes()
    }

    /// Reads and checks a message.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireFromSite
        do { message = try WireFromSite(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .hello(let hello):
            guard (1...32).contains(hello.versions.count) else { throw .invalidField("versions") }
            self = .hello(versions: hello.versions, software: try hello.software.checkedText("software"))
        case .condition(let condition):
            guard condition.obstacles.count <= SiteObstacle.allCases.count else { throw .invalidField("obstacles") }
            var obstacles: [SiteObstacle] = []
            for word in condition.obstacles { obstacles.append(try word.word("obstacles")) }
            guard Set(obstacles).count == obstacles.count else { throw .invalidField("obstacles") }
            self = .condition(obstacles)
        case .decision(let decision):
            let study = try decision.study.digest("study")
            guard !decision.accepted else {
                self = .decision(study: study, .accepted)
                return
            }
            self = .decision(study: study, .declined(try decision.reason.word("reason")))
        case .blobRequest(let request):
            self = .blobRequest(try request.digest.digest("digest"), offset: request.offset, stream: request.stream)
        case .progress(let progress):
            self = .progress(
                task: try progress.task.digest("task"), try progress.stage.word("stage"), count: progress.count)
        case .uploadOffer(let offer):
            guard offer.byteCount <= UInt64(WireLimits.blobBytes) else { throw .invalidField("byte_count") }
            self = .uploadOffer(
                task: try offer.task.digest("task"), byteCount: offer.byteCount,
                digest: try offer.digest.digest("digest"), stream: offer.stream)
        case .withheld(let withheld):
            self = .withheld(task: try withheld.task.digest("task"), try withheld.reason.word("reason"))
        case .renewal(let renewal):
            guard renewal.request.count <= WireLimits.renewalBytes else { throw .invalidField("request") }
            self = .renewal(Array(renewal.request))
        case .modelReceived(let received):
            self = .modelReceived(
                study: try received.study.digest("study"), model: try received.digest.digest("digest"))
        case nil: throw .unknownBody
        }
    }
}
