// SPDX-License-Identifier: Apache-2.0
// The party's half of joining and coming back, over the port for newcomers.

package import Enrolment
import Federation
package import PeerTransport
package import Randomness
import Store

/// Asks for a certificate until it is here or refused. Stopped at any moment, it goes on where it was.
package struct JoinClient: Sendable {
    /// What happens while somebody waits.
    package enum Progress: Sendable {
        /// The request is there; a person is to compare these words.
        case waiting(SixWords)
        /// The connection was lost, or nobody listens; it is tried again.
        case unreachable(TransportError.Code)
    }

    private let folder: PartyFolder
    private let random: RandomSource
    private let proxy: HTTPConnectProxy?
    private let clock: @Sendable () -> Int64

    package init(
        folder: PartyFolder, random: RandomSource = .system, proxy: HTTPConnectProxy? = nil,
        clock: @escaping @Sendable () -> Int64
    ) {
        self.folder = folder
        self.random = random
        self.proxy = proxy
        self.clock = clock
    }

    /// Joins with a token, or with the one of an earlier call that was interrupted.
    ///
    /// - Throws: ``EnrolmentError`` when refused, ``TransportError`` for a server that is not the token's,
    ///   `SecretFile.Failure`.
    package func join(_ token: JoinToken, onProgress: (Progress) async -> Void) async throws -> IssuedCertificate {
        // The operator's clock judges expiry; ours only saves a journey that is certainly in vain. One that was begun is
        // not: the answer to a request that was made in time is the same for ever.
        let isBegun = (try? folder.pendingToken()) == token
        guard isBegun || clock() < token.expiry + CertificateAuthority.clockTolerance else {
            throw EnrolmentError.expiredToken
        }
        guard let endpoint = token.endpoint else { throw EnrolmentError.malformed }
        try folder.keep(token)
        let keys = try folder.keys(random: random)
        let (key, request) = try folder.nextRequest(for: token.party, random: random)
        let publicKeys = PartyKeys(statement: keys.statement.publicKey, witness: keys.witness.publicKey)
        let expected = Expected(
            party: token.party, role: nil, keys: publicKeys, key: key, rootHash: token.rootHash, descriptor: nil)
        return try await untilDecided(onProgress) {
            let root = try await pinnedRoot(token.rootHash, endpoint)
            let connection = try await connect(endpoint, root: root)
            let enrolment = try EnrolmentRequest(
                token: token, certificateRequest: request, statementKey: keys.statement, witnessKey: keys.witness,
                serverKeyHash: connection.identity.publicKeyHash, nonce: random.bytes(32))
            return try await ask(enrolment.bytes, connection, root: root, expected, onProgress)
        }
    }

    /// Comes back after a missed renewal, with a person's approval at the aggregator.
    package func comeBack(onProgress: (Progress) async -> Void) async throws -> IssuedCertificate {
        let descriptor = try folder.descriptor()
        let root = try folder.root()
        let endpoint = try folder.enrolmentEndpoint()
        let old = try folder.identity().certificate
        let keys = try folder.keys(random: random)
        let (key, request) = try folder.nextRequest(for: old.party.id, replacing: old, random: random)
        let renewal = try RenewalRequest(
            federation: descriptor.federation, party: old.party, replacedSerial: old.serial,
            certificateRequest: request,
            signedBy: keys.statement)
        let expected = Expected(
            party: old.party.id, role: old.party.role,
            keys: PartyKeys(statement: keys.statement.publicKey, witness: keys.witness.publicKey), key: key,
            rootHash: descriptor.rootHash, descriptor: descriptor)
        return try await untilDecided(onProgress) {
            let connection = try await connect(endpoint, root: root)
            return try await ask(renewal.bytes, connection, root: root, expected, onProgress)
        }
    }

    // MARK: Steps

    /// What the answer must fit.
    private struct Expected {
        var party: SiteID
        var role: PartyRole?
        var keys: PartyKeys
        var key: TLSKey
        var rootHash: Digest
        /// Nil before joining.
        var descriptor: FederationDescriptor?
    }

    private func untilDecided(
        _ onProgress: (Progress) async -> Void,
        _ attempt: () async throws -> IssuedCertificate?
    ) async throws -> IssuedCertificate {
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        while true {
            do {
                if let certificate = try await attempt() { return certificate }
                backoff.reset()
            } catch let error as TransportError where Self.isPassing(error.code) {
                await onProgress(.unreachable(error.code))
            } catch EnrolmentError.tooManyRequests, EnrolmentError.unavailable {
                await onProgress(.unreachable(.connectionLost))
            }
            try await Task.sleep(for: backoff.next(using: &generator))
        }
    }

    /// Whether trying again may help: not when the server is another one than the token's.
    private static func isPassing(_ code: TransportError.Code) -> Bool {
        switch code {
        case .connectionRefused, .connectTimedOut, .connectionLost, .handshakeTimedOut, .addressUnavailable,
            .idleTimedOut, .writeStalled, .nameNotFound:
            true
        default: false
        }
    }

    /// Step 1: the certificate in the server's chain whose key is the pinned one. Nothing is sent.
    private func pinnedRoot(_ hash: Digest, _ endpoint: (host: String, port: Int)) async throws -> [UInt8] {
        let chain = try await PeerConnector.presentedCertificates(
            host: endpoint.host, port: endpoint.port, proxy: proxy)
        guard let root = chain.first(where: { CertificateChain.publicKeyHash(ofCertificate: $0) == hash }) else {
            throw EnrolmentError.wrongServer
        }
        return root
    }

    /// Step 2: the server proves itself under that root, as the aggregator and under its own name.
    private func connect(
        _ endpoint: (host: String, port: Int), root: [UInt8]
    ) async throws -> any PeerConnection {
        try await PeerConnector.connectToEnrol(
            host: endpoint.host, port: endpoint.port, root: root, proxy: proxy,
            gate: PeerGate { $0.role == .aggregator ? nil : .wrongRole })
    }

    /// Steps 3 and 4; nil when the connection ended before the matter was decided.
    private func ask(
        _ bytes: [UInt8], _ connection: any PeerConnection, root: [UInt8], _ expected: Expected,
        _ onProgress: (Progress) async -> Void
    ) async throws -> IssuedCertificate? {
        do {
            try await connection.send(Frame(controlBytes: bytes))
            while let frame = try await connection.nextFrame() {
                switch try EnrolmentReply(bytes: frame.controlBytes) {
                case .waiting(let descriptor):
                    try check(descriptor, expected, connection.identity)
                    await onProgress(.waiting(words(descriptor, expected)))
                case .issued(let descriptor, let leaf, let issuer):
                    try check(descriptor, expected, connection.identity)
                    let certificate = try await CertificateChain.verify(
                        leaf: leaf, issuer: issuer, root: root, federation: descriptor.federation,
                        at: max(clock(), try IssuedCertificate(bytes: leaf).notBefore))
                    guard certificate.party.id == expected.party, certificate.keysHash == expected.keys.hash,
                        certificate.publicKeyHash == expected.key.publicKeyHash,
                        expected.role.map({ $0 == certificate.party.role }) ?? (certificate.party.role != .aggregator)
                    else { throw EnrolmentError.wrongName }
                    try folder.install(
                        expected.key, leaf: certificate, issuer: issuer, root: root, descriptor: descriptor)
                    await connection.close()
                    return certificate
                case .refused(let error): throw error
                }
            }
            await connection.close()
            return nil
        } catch {
            await connection.close()
            throw error
        }
    }

    private func words(_ descriptor: FederationDescriptor, _ expected: Expected) -> SixWords {
        SixWords(
            rootHash: descriptor.rootHash, party: expected.party, publicKeyHash: expected.key.publicKeyHash,
            keys: expected.keys, descriptorHash: descriptor.hash)
    }

    /// The descriptor is of this root, and the server's certificate binds the keys that it names.
    private func check(_ descriptor: FederationDescriptor, _ expected: Expected, _ server: PeerIdentity) throws {
        guard descriptor.rootHash == expected.rootHash, server.consortium == descriptor.federation,
            server.names.contains(descriptor.aggregatorKeys.uri(in: descriptor.federation)),
            expected.descriptor.map({ $0 == descriptor }) ?? true
        else { throw EnrolmentError.wrongServer }
    }
}
