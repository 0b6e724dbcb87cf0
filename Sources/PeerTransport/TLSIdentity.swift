// SPDX-License-Identifier: Apache-2.0
// Who we are towards peers: the files of our certificate and key, and of the authorities we trust.

import Glibc
import NIOCore
import NIOSSL

/// The PEM files one end of a connection needs. They are read at each connection, or watched by a listener, so a
/// renewed certificate is used without a restart.
package struct TLSIdentity: Sendable, Hashable {
    /// The protocol both ends must agree on in TLS (ALPN, RFC 7301).
    package static let applicationProtocol = "consilium/1"
    /// The protocol of the port for newcomers.
    package static let enrolmentProtocol = "consilium-enrol/1"

    /// Our certificate, then intermediate ones up to below the root.
    package let certificateChainPath: String
    /// Our private key; the file must be accessible to its owner only.
    package let privateKeyPath: String
    /// The root certificates under which peers must verify.
    package let trustRootsPath: String

    /// Names the files; nothing is read yet.
    package init(certificateChainPath: String, privateKeyPath: String, trustRootsPath: String) {
        self.certificateChainPath = certificateChainPath
        self.privateKeyPath = privateKeyPath
        self.trustRootsPath = trustRootsPath
    }
}

extension TLSIdentity {
    /// The settings of an end that connects: TLS 1.3 only, our certificate offered, the server's chain and name checked.
    ///
    /// - Throws: ``TransportError`` `identityUnreadable`, `privateKeyExposed` or `certificateExpired`.
    func clientConfiguration() throws -> TLSConfiguration {
        let files = try load()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = files.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(files.key)
        Self.harden(&configuration, trusting: files.roots, protocol: Self.applicationProtocol)
        configuration.certificateVerification = .fullVerification
        return configuration
    }

    /// The settings of an end that listens: TLS 1.3 only, and unless it is for newcomers a client certificate demanded
    /// and verified.
    ///
    /// - Throws: as ``clientConfiguration()``.
    func serverConfiguration(for clients: PeerListener.Clients) throws -> TLSConfiguration {
        let files = try load()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: files.chain.map { .certificate($0) }, privateKey: .privateKey(files.key))
        Self.harden(&configuration, trusting: files.roots, protocol: clients.applicationProtocol)
        switch clients {
        case .members:
            // Clients have no host name to check; their name is read from the certificate and checked above us.
            configuration.certificateVerification = .noHostnameVerification
            configuration.sendCANameList = true
        case .newcomers: configuration.certificateVerification = .none
        }
        return configuration
    }

    /// A context for one connection.
    ///
    /// Never shared between connections: the library issues session tickets and cannot be told not to. Tickets are
    /// sealed with a key of the context, so with one context each no ticket is ever accepted: every connection does a
    /// full handshake, in which the peer's certificate is checked again. (A context costs 9 µs, a connection 1.8 ms.)
    static func makeContext(_ configuration: TLSConfiguration) throws -> NIOSSLContext {
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TransportError(
                .identityUnreadable, "certificate and private key do not fit together",
                hint: "the key must belong to the first certificate of the chain")
        }
    }

    static func harden(
        _ configuration: inout TLSConfiguration, trusting roots: [NIOSSLCertificate], protocol name: String
    ) {
        configuration.minimumTLSVersion = .tlsv13
        configuration.maximumTLSVersion = .tlsv13
        configuration.curves = [.x25519_MLKEM768, .x25519, .secp256r1]
        configuration.trustRoots = .certificates(roots)
        configuration.applicationProtocols = [name]
        configuration.renegotiationSupport = .none
        configuration.shutdownTimeout = .seconds(3)
    }
}

extension TLSIdentity {
    private struct Files {
        var chain: [NIOSSLCertificate]
        var key: NIOSSLPrivateKey
        var roots: [NIOSSLCertificate]
    }

    private func load() throws -> Files {
        let chain = try certificates(at: certificateChainPath)
        let roots = try certificates(at: trustRootsPath)
        let keyBytes = try PrivateFile.read(privateKeyPath, ownerOnly: true)
        guard let key = try? NIOSSLPrivateKey(bytes: keyBytes, format: .pem) else {
            throw TransportError(
                .identityUnreadable, "no private key in \(privateKeyPath)", hint: "it must be PEM without a passphrase")
        }
        guard chain[0].notValidAfter > time(nil) else {
            throw TransportError(
                .certificateExpired, "our certificate in \(certificateChainPath) has expired",
                hint: "renew it, or correct this machine's clock")
        }
        return Files(chain: chain, key: key, roots: roots)
    }

    /// Reads the files as a connection would, and connects to nobody.
    ///
    /// - Returns: who our certificate says we are, and until when.
    /// - Throws: ``TransportError`` `identityUnreadable`, `privateKeyExposed` or `certificateExpired`.
    package func examine() throws -> PeerIdentity {
        _ = try Self.makeContext(try clientConfiguration())
        return try PeerIdentity(certificate: try load().chain[0])
    }

    private func certificates(at path: String) throws -> [NIOSSLCertificate] {
        let bytes = try PrivateFile.read(path, ownerOnly: false)
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw TransportError(.identityUnreadable, "no certificate in \(path)", hint: "it must be in PEM form")
        }
        return certificates
    }

    /// Changes when one of the files has been replaced or rewritten.
    func fingerprint() -> [FileVersion?] {
        [certificateChainPath, privateKeyPath, trustRootsPath].map(FileVersion.init(path:))
    }
}
