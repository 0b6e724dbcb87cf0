// SPDX-License-Identifier: Apache-2.0
// What the aggregator says to a site, as checked values.

package import Federation
import Foundation
import SwiftProtobuf

/// A control message from the aggregator.
package enum AggregatorMessage: Hashable, Sendable {
    case welcome(version: UInt32, federation: String, software: String)
    case refusal(RefusalCode)
    /// Canonical bytes; whether they are a valid study is for the site to find out.
    case studyOffer([UInt8])
    case roundOpen(RoundTask)
    case uploadReady(task: Digest, offset: UInt64)
    /// Whether the vector is complete, checked and durable; nil means accepted.
    case uploadResult(task: Digest, refused: RefusalReason?)
    case roundEnded(task: Digest, RoundEnding)
    case studyEnded(study: Digest, StudyEnding, model: BlobReference?)
    case blobUnavailable(Digest, stream: UInt32)
    case ping
    /// Bytes of a reply to a renewal.
    case renewed([UInt8])
    case rosterPart(RosterPart)

    package enum RoundEnding: String, CaseIterable, Hashable, Sendable {
        case closed
        case abandoned
    }

    package enum StudyEnding: String, CaseIterable, Hashable, Sendable {
        case completed
        case degraded
        case stopped
    }
}

extension AggregatorMessage {
    /// The bytes of the message.
    package func encoded() throws -> [UInt8] {
        var message = WireFromAggregator()
        switch self {
        case .welcome(let version, let federation, let software):
            message.welcome = .with {
                $0.version = version
                $0.federation = federation
                $0.software = software
            }
        case .refusal(let code): message.refusal = .with { $0.code = code.rawValue }
        case .studyOffer(let bytes): message.studyOffer = .with { $0.study = Data(bytes) }
        case .roundOpen(let task): message.roundOpen = .with { $0.task = Data(task.canonicalBytes) }
        case .uploadReady(let task, let offset):
            message.uploadReady = .with {
                $0.task = task.data
                $0.offset = offset
            }
        case .uploadResult(let task, let refused):
            message.uploadResult = .with {
                $0.task = task.data
                $0.accepted = refused == nil
                $0.reason = refused?.rawValue ?? ""
            }
        case .roundEnded(let task, let ending):
            message.roundEnded = .with {
                $0.task = task.data
                $0.outcome = ending.rawValue
            }
        case .studyEnded(let study, let ending, let model):
            message.studyEnded = .with {
                $0.study = study.data
                $0.outcome = ending.rawValue
                if let model {
                    $0.model = model.digest.data
                    $0.modelBytes = UInt64(model.byteCount)
                }
            }
        case .blobUnavailable(let digest, let stream):
            message.blobUnavailable = .with {
                $0.digest = digest.data
                $0.stream = stream
            }
        case .ping: message.ping = WirePing()
        case .renewed(let reply): message.renewed = .with { $0.reply = Data(reply) }
        case .rosterPart(let part):
            message.rosterPart = .with {
                $0.data = Data(part.data)
                $0.offset = UInt32(part.offset)
                $0.rosterBytes = UInt32(part.rosterByteCount)
                $0.denyListBytes = UInt32(part.denyListByteCount)
            }
        }
        return try message.serializedBytes()
    }

    /// Reads and checks a message.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireFromAggregator
        do { message = try WireFromAggregator(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .welcome(let welcome):
            guard WireLimits.versions.contains(welcome.version) else { throw .invalidField("version") }
            self = .welcome(
                version: welcome.version, federation: try welcome.federation.checkedText("federation"),
                software: try welcome.software.checkedText("software"))
        case .refusal(let refusal): self = .refusal(try refusal.code.word("code"))
        case .studyOffer(let offer):
            guard offer.study.count <= WireLimits.studyBytes else { throw .invalidField("study") }
            self = .studyOffer(Array(offer.study))
        case .roundOpen(let open):
            do { self = .roundOpen(try RoundTask(canonicalBytes: Array(open.task))) } catch {
                throw .invalidField("task")
            }
        case .uploadReady(let ready):
            self = .uploadReady(task: try ready.task.digest("task"), offset: ready.offset)
        case .uploadResult(let result):
            self = .uploadResult(
                task: try result.task.digest("task"), refused: result.accepted ? nil : try result.reason.word("reason"))
        case .roundEnded(let ended):
            self = .roundEnded(task: try ended.task.digest("task"), try ended.outcome.word("outcome"))
        case .studyEnded(let ended):
            var model: BlobReference?
            if !ended.model.isEmpty {
                guard ended.modelBytes <= UInt64(WireLimits.blobBytes) else { throw .invalidField("model_bytes") }
                model = BlobReference(
                    name: "model", digest: try ended.model.digest("model"), byteCount: Int(ended.modelBytes))
            }
            self = .studyEnded(study: try ended.study.digest("study"), try ended.outcome.word("outcome"), model: model)
        case .blobUnavailable(let blob):
            self = .blobUnavailable(try blob.digest.digest("digest"), stream: blob.stream)
        case .ping: self = .ping
        case .renewed(let renewed):
            guard renewed.reply.count <= WireLimits.renewalBytes else { throw .invalidField("reply") }
            self = .renewed(Array(renewed.reply))
        case .rosterPart(let part): self = .rosterPart(try RosterPart(part))
        case nil: throw .unknownBody
        }
    }
}
