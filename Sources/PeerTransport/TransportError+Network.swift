// SPDX-License-Identifier: Apache-2.0
// Turns errors of sockets, proxies and TLS into ours, keeping their cause and dropping the peer's text.

import Glibc
import NIOCore
import NIOExtras
import NIOPosix
import NIOSSL

extension TransportError {
    /// The error to report for one that NIO delivered on an established or a starting connection.
    static func classify(_ error: any Error) -> TransportError {
        switch error {
        case let error as TransportError: error
        case let error as FrameError: .protocolViolation(error)
        case let error as NIOSSLError: classify(error)
        case let error as BoringSSLError: classify(tls: String(describing: error))
        case let error as NIOSSLExtraError where error == .failedToValidateHostname: .peerNameMismatch
        case is NIOSSLExtraError: TransportError(.handshakeFailed, "the server's name cannot be checked by TLS")
        case is NIOSSLCloseTimedOutError: .connectionLost
        case let error as NIOHTTP1ProxyConnectHandler.Error: classify(error)
        case let error as NIOConnectionError: classify(error)
        case let error as IOError: classify(error)
        case ChannelError.connectTimeout: .connectTimedOut
        default: .connectionLost
        }
    }

    private static let peerNameMismatch = TransportError(
        .peerNameMismatch, "the server's certificate is not made out to the name we connect to",
        hint: "check the host name, or name the server as its certificate does")

    private static let peerNotTrusted = TransportError(
        .peerNotTrusted, "the peer's certificate does not verify under our trust roots",
        hint: "check its authority and validity, and the clocks of both machines")

    private static let connectTimedOut = TransportError(
        .connectTimedOut, "the connection was not established in time",
        hint: "check host, port and the firewalls on the way")

    private static func classify(_ error: NIOSSLError) -> TransportError {
        switch error {
        case .handshakeFailed(let cause): classify(tls: String(describing: cause))
        case .unableToValidateCertificate, .noCertificateToValidate: .peerNotTrusted
        default: .connectionLost
        }
    }

    /// BoringSSL tells reasons only as text; these are names of its source, not text of the peer.
    private static func classify(tls reasons: String) -> TransportError {
        if reasons.contains("CERTIFICATE_VERIFY_FAILED") { return .peerNotTrusted }
        if reasons.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") {
            return TransportError(.peerNotTrusted, "the peer presented no certificate")
        }
        if let alert = reasons.firstRange(of: "ALERT_") {
            let name = reasons[alert.upperBound...].prefix { $0.isUppercase || $0 == "_" }
            return TransportError(
                .refusedByPeer, "the peer refused our TLS handshake: \(name.lowercased())",
                hint: "check our certificate: its authority, its validity and the clocks of both machines")
        }
        if reasons.contains("EOF during") {
            return TransportError(.handshakeFailed, "the peer closed the connection during the TLS handshake")
        }
        return TransportError(
            .handshakeFailed, "the TLS handshake failed", hint: "both ends must speak TLS 1.3 with a common group")
    }

    private static func classify(_ error: NIOHTTP1ProxyConnectHandler.Error) -> TransportError {
        if error == .proxyAuthenticationRequired() {
            return TransportError(
                .proxyAuthenticationRequired, "the proxy asks for a user name and password",
                hint: "configure them, or correct them")
        }
        if error == .httpProxyHandshakeTimeout() {
            return TransportError(.connectTimedOut, "the proxy did not answer in time")
        }
        return TransportError(
            .proxyRefused, "the proxy did not open a tunnel", hint: "ask its operator to allow this host and port")
    }

    private static func classify(_ error: NIOConnectionError) -> TransportError {
        if let cause = error.connectionErrors.first?.error { return classify(cause) }
        return TransportError(.nameNotFound, "the host name \(error.host) was not found", hint: "check its spelling")
    }

    private static func classify(_ error: IOError) -> TransportError {
        switch error.errnoCode {
        case ECONNREFUSED, ENOENT:
            TransportError(.connectionRefused, "nobody listens there", hint: "check host, port and that the peer runs")
        case ETIMEDOUT: .connectTimedOut
        case ENETUNREACH, EHOSTUNREACH:
            TransportError(.addressUnavailable, "the host cannot be reached from here", hint: "check the network")
        default: .connectionLost
        }
    }

    /// The error for a listener that could not bind `place`.
    static func bindFailed(_ error: any Error, place: String) -> TransportError {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            TransportError(
                .addressInUse, "another process listens on \(place)", hint: "stop it, or configure another port")
        case EACCES:
            TransportError(
                .addressUnavailable, "not allowed to listen on \(place)", hint: "ports below 1024 need a privilege")
        default:
            TransportError(
                .addressUnavailable, "cannot listen on \(place)", hint: "the address must be one of this machine's")
        }
    }
}
