// SPDX-License-Identifier: Apache-2.0
// What the people's command says to a site's daemon on the same machine, and the answers.

package import Federation
import Foundation
import SwiftProtobuf

/// A request over the site's control socket.
package enum SiteControlRequest: Hashable, Sendable {
    case approve(SignedApproval)
    case decide(study: Digest, StudyAction)
    case status

    /// What a person does about a study that needs no signature: each makes the site do less, or what it did before.
    package enum StudyAction: String, CaseIterable, Hashable, Sendable {
        /// Refuse it for good.
        case decline
        /// End a part that has begun, for good.
        case withdraw
        case pause
        case resume
    }
}

/// An answer over the site's control socket.
package enum SiteControlReply: Hashable, Sendable {
    case error(message: String, hint: String)
    /// Where the study stands now.
    case decided(study: Digest, StudyDecision)
    case status(SiteStatus)
}

/// What a site's daemon knows about itself at one moment; the rest is in its store.
package struct SiteStatus: Hashable, Sendable {
    package var site: String
    package var isConnected: Bool
    /// In the aggregator's certificate; empty before the first connection.
    package var federation: String
    /// Why there is no connection, for people; empty when there is one.
    package var trouble: String
    /// Tasks being worked on.
    package var tasks: [Digest]

    package init(site: String, isConnected: Bool, federation: String, trouble: String, tasks: [Digest]) {
        self.site = site
        self.isConnected = isConnected
        self.federation = federation
        self.trouble = trouble
        self.tasks = tasks
    }
}

extension SiteControlRequest {
    package func encoded() throws -> [UInt8] {
        var message = WireSiteControlRequest()
        switch self {
        case .approve(let signed):
            message.approve = .with {
                $0.approval = Data(signed.approval.canonicalBytes)
                $0.signature = Data(signed.signature)
            }
        case .decide(let study, let action):
            message.decide = .with {
                $0.study = study.data
                $0.action = action.rawValue
            }
        case .status: message.status = WireSiteStatusQuery()
        }
        return try message.serializedBytes()
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireSiteControlRequest
        do { message = try WireSiteControlRequest(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .approve(let approve):
            guard let approval = try? Approval(canonicalBytes: Array(approve.approval)) else {
                throw .invalidField("approval")
            }
            guard approve.signature.count == 64 else { throw .invalidField("signature") }
            self = .approve(SignedApproval(approval: approval, signature: Array(approve.signature)))
        case .decide(let decide):
            self = .decide(study: try decide.study.digest("study"), try decide.action.word("action"))
        case .status: self = .status
        case nil: throw .unknownBody
        }
    }
}

extension SiteControlReply {
    private static let accepted = "accepted"

    package func encoded() throws -> [UInt8] {
        var message = WireSiteControlReply()
        switch self {
        case .error(let text, let hint):
            message.error = .with {
                $0.message = text
                $0.hint = hint
            }
        case .decided(let study, let decision):
            message.decided = .with {
                $0.study = study.data
                switch decision {
                case .accepted: $0.decision = Self.accepted
                case .declined(let reason): $0.decision = reason.rawValue
                }
            }
        case .status(let status):
            message.status = .with {
                $0.site = status.site
                $0.connected = status.isConnected
                $0.federation = status.federation
                $0.trouble = status.trouble
                $0.tasks = status.tasks.map(\.data)
            }
        }
        return try message.serializedBytes()
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireSiteControlReply
        do { message = try WireSiteControlReply(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .error(let error): self = .error(message: error.message, hint: error.hint)
        case .decided(let decided):
            let decision: StudyDecision =
                decided.decision == Self.accepted ? .accepted : .declined(try decided.decision.word("decision"))
            self = .decided(study: try decided.study.digest("study"), decision)
        case .status(let status):
            var tasks: [Digest] = []
            for task in status.tasks { tasks.append(try task.digest("tasks")) }
            self = .status(
                SiteStatus(
                    site: status.site, isConnected: status.connected, federation: status.federation,
                    trouble: status.trouble, tasks: tasks))
        case nil: throw .unknownBody
        }
    }
}
