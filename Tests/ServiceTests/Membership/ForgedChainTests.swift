// SPDX-License-Identifier: Apache-2.0
// Chains that go too far and names outside of the constraint: TLS refuses them, before anybody asks who is a member.

import Crypto
import Enrolment
import Federation
import Foundation
import PeerTransport
import Randomness
import Store
import SwiftASN1
import Testing
import X509

@Suite(.timeLimit(.minutes(3)))
struct ForgedChainTests {
    private static let name = "test.example.org"

    /// How a chain is wrong; `honest` is not, and shows that the others are refused for what they are.
    enum Chain: CaseIterable, Sendable {
        case honest
        /// An authority below the issuing one, which may have none.
        case extraAuthority
        /// A member's leaf signs another one.
        case leafAsAuthority
        /// The issuing key signs a name of another federation.
        case foreignName
        /// Another root and issuing key of the same names.
        case otherRoot
        /// The issuing certificate is left out.
        case incomplete
    }

    private let random = RandomSource.system
    private let folder: String
    private let root: [UInt8]
    private let issuingKey: TLSKey
    private let authority: CertificateAuthority

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "forged-\(UUID().uuidString)").path
        try SecretFile.prepareFolder(folder)
        (root, issuingKey, authority) = try Self.makeAuthority(random)
        try SecretFile.write(Array(PEM.text(root).utf8), to: folder + "/root.pem")
    }

    private static func makeAuthority(
        _ random: RandomSource
    ) throws -> (root: [UInt8], issuingKey: TLSKey, authority: CertificateAuthority) {
        let rootKey = random.tlsKey()
        let root = try CertificateAuthority.makeRoot(federation: name, key: rootKey, at: wallSeconds(), random: random)
        let key = random.tlsKey()
        let issuing = try CertificateAuthority.makeIssuing(
            federation: name, key: key, root: root, rootKey: rootKey, at: wallSeconds(), random: random)
        return (root, key, try CertificateAuthority(federation: name, root: root, issuing: issuing, key: key))
    }

    /// An authority of another name, signed by the issuing key.
    private func extraAuthority(_ key: TLSKey) throws -> [UInt8] {
        let issuing = try Certificate(derEncoded: authority.issuingBytes)
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(bytes: [1] + random.bytes(16)), publicKey: .init(key.key.publicKey),
            notValidBefore: issuing.notValidBefore, notValidAfter: issuing.notValidAfter, issuer: issuing.subject,
            subject: DistinguishedName { CommonName("extra") }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            }, issuerPrivateKey: .init(issuingKey.key))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }

    private func issue(
        _ issuer: CertificateAuthority, _ role: PartyRole, key: TLSKey
    ) throws -> IssuedCertificate {
        let keys = PartyKeys(
            statement: random.statementKey().key.publicKey, witness: random.statementKey().key.publicKey)
        return try issuer.issue(
            to: PartyName(role, try #require(SiteID("a"))), keys: keys, publicKey: key.key.publicKey,
            hosts: role == .aggregator ? ["localhost"] : [], at: wallSeconds(), random: random)
    }

    /// Writes key and chain of a party with this role, and says what they are for TLS.
    private func identity(_ chain: Chain, _ role: PartyRole) throws -> TLSIdentity {
        let key = random.tlsKey()
        let certificates: [[UInt8]]
        switch chain {
        case .honest: certificates = [try issue(authority, role, key: key).bytes, authority.issuingBytes]
        case .extraAuthority:
            let extraKey = random.tlsKey()
            let extra = try extraAuthority(extraKey)
            let below = try CertificateAuthority(federation: Self.name, root: root, issuing: extra, key: extraKey)
            certificates = [try issue(below, role, key: key).bytes, extra, authority.issuingBytes]
        case .leafAsAuthority:
            let memberKey = random.tlsKey()
            let member = try issue(authority, .site, key: memberKey)
            let below = try CertificateAuthority(
                federation: Self.name, root: root, issuing: member.bytes, key: memberKey)
            certificates = [try issue(below, role, key: key).bytes, member.bytes, authority.issuingBytes]
        case .foreignName:
            let elsewhere = try CertificateAuthority(
                federation: "other.example.org", root: root, issuing: authority.issuingBytes, key: issuingKey)
            certificates = [try issue(elsewhere, role, key: key).bytes, authority.issuingBytes]
        case .otherRoot:
            let other = try Self.makeAuthority(random).authority
            certificates = [try issue(other, role, key: key).bytes, other.issuingBytes]
        case .incomplete: certificates = [try issue(authority, role, key: key).bytes]
        }
        let file = "\(folder)/\(chain)-\(role.rawValue).pem"
        try SecretFile.write(Array((key.pem + certificates.map(PEM.text).joined()).utf8), to: file)
        return TLSIdentity(
            certificateChainPath: file, privateKeyPath: file, trustRootsPath: folder + "/root.pem")
    }

    /// Connects a site to an aggregator whose gates let everybody in, and hears one frame.
    ///
    /// - Returns: what TLS objected to; nil when the frame came.
    private func meet(_ site: TLSIdentity, _ aggregator: TLSIdentity) async throws -> TransportError.Code? {
        let port = try freePort()
        return await withThrowingTaskGroup(of: Void.self, returning: TransportError.Code?.self) { group in
            let (bound, isBound) = AsyncStream.makeStream(of: Void.self)
            group.addTask {
                try await PeerListener.run(
                    host: "127.0.0.1", port: port, identity: aggregator, logger: quietLogger,
                    onBound: { _ in isBound.finish() },
                    onConnection: { connection in
                        try? await connection.send(Frame(controlBytes: [1]))
                        while let frame = try? await connection.nextFrame() { _ = frame }
                    })
            }
            defer { group.cancelAll() }
            for await _ in bound {}
            do {
                let connection = try await PeerConnector.connect(host: "localhost", port: port, identity: site)
                let frame = try await connection.nextFrame()
                await connection.close()
                #expect(frame?.controlBytes == [1])
                return nil
            } catch {
                return (error as? TransportError)?.code
            }
        }
    }

    @Test(arguments: Chain.allCases) func aForgedSiteIsRefusedByTheAggregatorsTLS(_ chain: Chain) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let code = try await meet(try identity(chain, .site), try identity(.honest, .aggregator))
        #expect(code == (chain == .honest ? nil : .refusedByPeer))
    }

    @Test(arguments: Chain.allCases) func aForgedAggregatorIsRefusedByTheSitesTLS(_ chain: Chain) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let code = try await meet(try identity(.honest, .site), try identity(chain, .aggregator))
        #expect(code == (chain == .honest ? nil : .peerNotTrusted))
    }

    /// Rosters bring certificates past TLS: the same chains are refused there.
    @Test func rostersBringNoForgedCertificateEither() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func verify(_ leaf: [UInt8], _ issuer: [UInt8]) async throws -> IssuedCertificate {
            try await CertificateChain.verify(
                leaf: leaf, issuer: issuer, root: root, federation: Self.name, at: wallSeconds())
        }
        let key = random.tlsKey()
        let honest = try issue(authority, .site, key: key)
        #expect(try await verify(honest.bytes, authority.issuingBytes) == honest)
        let extraKey = random.tlsKey()
        let extra = try extraAuthority(extraKey)
        let below = try CertificateAuthority(federation: Self.name, root: root, issuing: extra, key: extraKey)
        let forged = try issue(below, .site, key: random.tlsKey())
        for issuer in [extra, authority.issuingBytes, root, honest.bytes] {
            await #expect(throws: EnrolmentError.badSignature) { _ = try await verify(forged.bytes, issuer) }
        }
        let elsewhere = try CertificateAuthority(
            federation: "other.example.org", root: root, issuing: authority.issuingBytes, key: issuingKey)
        let escaped = try issue(elsewhere, .site, key: random.tlsKey())
        await #expect(throws: EnrolmentError.badSignature, "the name constraint holds, whatever name is expected") {
            _ = try await CertificateChain.verify(
                leaf: escaped.bytes, issuer: authority.issuingBytes, root: root, federation: "other.example.org",
                at: wallSeconds())
        }
    }
}
