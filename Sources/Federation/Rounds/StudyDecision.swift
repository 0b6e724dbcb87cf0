// SPDX-License-Identifier: Apache-2.0
// A site's answer to a study, and why a connection is refused: the closed lists of words that cross the wire.

/// Why a site declines a study.
package enum DeclineReason: String, CaseIterable, Hashable, Sendable {
    /// Neither an officer nor a standing approval of the site covers the study.
    case notApproved
    /// The site's policy does not allow what the study asks for.
    case refusedByPolicy
    /// An officer of the site has refused the study, or ended the site's part.
    case withdrawn
    /// The bytes are not a valid study, or name a layer or task that this version does not know.
    case notUnderstood
    /// The site has registered no data set for the study, or its mapping lacks a column.
    case noDataset
    /// The data set breaks the contract.
    case dataRefused
    /// The data set has no row that could train.
    case noUsableRows

    /// Whether people at the site have said so, rather than the state of its data.
    package var isDecision: Bool { [.notApproved, .refusedByPolicy, .withdrawn].contains(self) }

    /// A sentence part for people.
    package var explanation: String {
        switch self {
        case .notApproved: "nobody at the site has approved it"
        case .refusedByPolicy: "the site's policy does not allow it"
        case .withdrawn: "an officer of the site has refused it or withdrawn"
        case .notUnderstood: "the site's version does not understand it"
        case .noDataset: "the site has no data set for it"
        case .dataRefused: "the site's data breaks the contract"
        case .noUsableRows: "the site has no usable rows"
        }
    }
}

/// A site's answer to a study.
package enum StudyDecision: Hashable, Sendable {
    case accepted
    case declined(DeclineReason)
}

/// Why the aggregator refuses a connection; it closes after saying so.
package enum RefusalCode: String, CaseIterable, Hashable, Sendable {
    /// No protocol version in common.
    case version
    /// The certificate names no site, or one that is no member.
    case notMember
    /// Another connection of the same site is open and alive.
    case alreadyConnected
    /// A message that is malformed, out of order or over its limit.
    case protocolViolation
    /// Too many messages in a short time.
    case rateLimit
    /// The aggregator stops or cannot store anything; the site tries again later.
    case unavailable

    package var explanation: String {
        switch self {
        case .version: "the aggregator speaks no protocol version of this program"
        case .notMember: "the certificate names no member of the federation"
        case .alreadyConnected: "another connection of this site is open"
        case .protocolViolation: "the aggregator received a malformed or unexpected message"
        case .rateLimit: "too many messages in a short time"
        case .unavailable: "the aggregator stops or cannot store anything at the moment"
        }
    }
}
