// SPDX-License-Identifier: Apache-2.0
// Connects to a port for newcomers, who have no certificate yet and trust nobody but a pinned root.

package import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

extension PeerConnector {
    /// The certificates in DER that a server shows, its own first. Nothing is verified and nothing is sent.
    ///
    /// - Throws: ``TransportError``
    package static func presentedCertificates(
        host: String, port: Int, serverName: String? = nil, proxy: HTTPConnectProxy? = nil,
        limits: TransportLimits = TransportLimits(), group: any EventLoopGroup = TransportThreads.shared
    ) async throws -> [[UInt8]] {
        var configuration = TLSConfiguration.makeClientConfiguration()
        TLSIdentity.harden(&configuration, trusting: [], protocol: TLSIdentity.enrolmentProtocol)
        let context = try TLSIdentity.makeContext(configuration)
        let seen = Seen()
        do {
            let (channel, ready) = try await open(
                host: host, port: port, proxy: proxy, limits: limits, group: group, authentication: .none
            ) {
                // The handshake goes no further than the certificates.
                let look: NIOSSLCustomVerificationCallback = { chain, verdict in
                    seen.certificates.withLock { $0 = chain.compactMap { try? $0.toDERBytes() } }
                    verdict.succeed(.failed)
                }
                return try NIOSSLClientHandler(
                    context: context, serverHostname: serverName ?? nameOf(host), customVerificationCallback: look)
            }
            _ = try? await ready.get(closingOnCancellation: channel)
            try await channel.close().get()
        } catch {
            try Task.checkCancellation()
            // The handshake fails by our own verdict; what counts is whether anything was shown before.
            if seen.certificates.withLock({ $0.isEmpty }), !(error is ChannelError) {
                throw TransportError.classify(error)
            }
        }
        let certificates = seen.certificates.withLock { $0 }
        guard !certificates.isEmpty else {
            throw TransportError(
                .handshakeFailed, "the server showed no certificate", hint: "check that it is the enrolment port")
        }
        return certificates
    }

    /// Connects without a certificate of our own; the server must verify under `root` and be named `host`.
    ///
    /// - Parameter root: the one root certificate in DER.
    /// - Throws: ``TransportError``
    package static func connectToEnrol(
        host: String, port: Int, root: [UInt8], serverName: String? = nil, proxy: HTTPConnectProxy? = nil,
        gate: PeerGate, limits: TransportLimits = TransportLimits(), group: any EventLoopGroup = TransportThreads.shared
    ) async throws -> any PeerConnection {
        var configuration = TLSConfiguration.makeClientConfiguration()
        guard let root = try? NIOSSLCertificate(bytes: root, format: .der) else {
            throw TransportError(.identityUnreadable, "the root certificate cannot be read")
        }
        TLSIdentity.harden(&configuration, trusting: [root], protocol: TLSIdentity.enrolmentProtocol)
        configuration.certificateVerification = .fullVerification
        return try await connect(
            configuration, protocol: TLSIdentity.enrolmentProtocol, host: host, port: port, serverName: serverName,
            proxy: proxy, gate: gate, limits: limits, group: group)
    }
}

/// What a handshake showed; a reference for the callback and its caller.
private final class Seen: Sendable {
    let certificates = Mutex<[[UInt8]]>([])
}
