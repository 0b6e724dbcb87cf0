// SPDX-License-Identifier: Apache-2.0
// Why enrolment refuses something; the words also go over the wire, without any detail of the other side.

/// A closed list of refusals.
package enum EnrolmentError: String, Error, CaseIterable, Hashable, Sendable {
    /// Bytes that are not what they should be.
    case malformed
    /// A token whose checksum is wrong: mistyped or cut short.
    case mistypedToken
    case unknownToken
    case expiredToken
    /// Five wrong proofs; the token is dead.
    case deadToken
    /// The proof that the sender knows the token's secret is wrong.
    case wrongProof
    /// The token was used with other keys.
    case usedToken
    case declined
    /// A key of the request is weak, or not of the one kind we use.
    case weakKey
    /// The certificate request names somebody else, or more than its owner.
    case wrongName
    /// A signature in the request is not by the key it names.
    case badSignature
    /// A key that another party, or an earlier certificate, has used.
    case knownKey
    case tooManyRequests
    case notMember
    case revoked
    /// The serial number has a successor already: somebody else renews this certificate.
    case replacedSerial
    /// Too long after expiry; a new token is needed.
    case tooLate
    /// Not yet, and not by this way.
    case notExpired
    /// The authority cannot write its records.
    case unavailable
    /// The server is not the one that the token, or the pinned facts, name.
    case wrongServer

    /// What happened and what to do, for people.
    package var explanation: String {
        switch self {
        case .malformed: "the request cannot be read; both sides need the same version"
        case .mistypedToken: "the token is mistyped or cut short; copy it whole"
        case .unknownToken: "the aggregator does not know this token; ask its operator for a new one"
        case .expiredToken: "the token has expired; ask the operator for a new one"
        case .deadToken: "the token was tried with wrong secrets and is dead; ask the operator for a new one"
        case .wrongProof: "the token's secret is wrong; copy the token whole"
        case .usedToken: "the token was used with other keys; call the operator, somebody else may hold it"
        case .declined: "the operator declined; call the operator"
        case .weakKey: "the certificate request has a key of the wrong kind; P-256 is needed"
        case .wrongName: "the certificate request names somebody else"
        case .badSignature: "a signature is not by the key it names"
        case .knownKey: "a key is not new; make new keys"
        case .tooManyRequests: "too many requests from one address; wait a minute"
        case .notMember: "this is no member of the federation"
        case .revoked: "the membership was revoked; call the operator"
        case .replacedSerial:
            "this certificate was renewed already, by somebody else or from a restored backup; call the operator"
        case .tooLate: "the certificate expired more than 30 days ago; ask the operator for a new token"
        case .notExpired: "the certificate is still valid; renew it over the usual connection"
        case .wrongServer:
            "the server is not the one the token names; check the address, and beware of a man in the middle"
        case .unavailable: "the aggregator cannot write its records; try again later"
        }
    }

    var code: UInt8 { UInt8(clamping: (Self.allCases.firstIndex(of: self) ?? 0) + 1) }

    init?(code: UInt8) {
        guard (1...Self.allCases.count).contains(Int(code)) else { return nil }
        self = Self.allCases[Int(code) - 1]
    }
}
