// SPDX-License-Identifier: Apache-2.0
// What went wrong with a connection, and what a person can do about it.

/// The error of everything in this module: a code for programs, a message and a hint for people.
///
/// Messages name files and addresses of our own configuration; they never repeat bytes or text of a peer.
package struct TransportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What happened; the raw value is stable and fit for logs.
    package enum Code: String, Sendable, CaseIterable {
        case addressInUse, addressUnavailable, nameNotFound, connectionRefused, connectTimedOut
        case proxyRefused, proxyAuthenticationRequired
        case handshakeFailed, handshakeTimedOut, peerNotTrusted, peerNameMismatch, refusedByPeer, wrongProtocol
        case protocolViolation, frameTooLarge
        case idleTimedOut, writeStalled, connectionLost, closed, concurrentRead
        case tooManyConnections, tooManyHandshakes, tooManyFromAddress
        case peerDenied, peerExpired, peerWrongRole
        case identityUnreadable, privateKeyExposed, certificateExpired
        case socketFileInUse, socketFileUnusable, peerUserMismatch
    }

    /// What happened.
    package let code: Code
    /// What failed and which input it concerns, lower case, one sentence.
    package let message: String
    /// What to do, lower case, one sentence; empty when there is nothing to advise.
    package let hint: String

    init(_ code: Code, _ message: String, hint: String = "") {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// `message (hint)`.
    package var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
}

extension TransportError {
    static let closed = TransportError(.closed, "the connection is closed")

    static let connectionLost = TransportError(
        .connectionLost, "the connection was lost", hint: "connect again; transfers resume where they stopped")

    static let concurrentRead = TransportError(.concurrentRead, "two tasks read from one connection")

    static let idleTimedOut = TransportError(
        .idleTimedOut, "the peer was silent for too long", hint: "check that the peer's process and network are alive")

    static let writeStalled = TransportError(
        .writeStalled, "the peer took no bytes for too long",
        hint: "check that the peer's process and network are alive")

    static let peerDenied = TransportError(
        .peerDenied, "the peer is not, or no longer, a member", hint: "its operator can invite it again")

    static let peerExpired = TransportError(
        .peerExpired, "the peer's certificate has expired",
        hint: "it is to be renewed; check the clocks of both machines")

    static let peerWrongRole = TransportError(
        .peerWrongRole, "the peer's certificate has another role than this connection needs",
        hint: "check host and port")

    static let handshakeTimedOut = TransportError(.handshakeTimedOut, "the TLS handshake was not finished in time")

    static let wrongProtocol = TransportError(
        .wrongProtocol, "the peer does not speak \(TLSIdentity.applicationProtocol)",
        hint: "check host and port, and that both ends run compatible versions")

    static func frameTooLarge(byteCount: Int, limit: Int) -> TransportError {
        TransportError(.frameTooLarge, "a frame of \(byteCount) payload bytes is above the limit of \(limit)")
    }

    static func protocolViolation(_ error: FrameError) -> TransportError {
        let detail =
            switch error {
            case .zeroLength: "a frame of length zero"
            case .unknownKind(let kind): "a frame of unknown kind \(kind)"
            case .payloadTooLarge(let byteCount, let limit): "a frame of \(byteCount) bytes, \(limit) are allowed"
            case .truncated(let byteCount): "a frame cut off after \(byteCount) bytes"
            }
        return TransportError(.protocolViolation, "the peer sent \(detail)")
    }
}
