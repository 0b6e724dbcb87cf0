// SPDX-License-Identifier: Apache-2.0
// A certificate authority made on the spot, for tests of TLS.

import Crypto
package import Foundation
import SwiftASN1
import X509

/// A P-256 root and the leaf certificates it signs, written as PEM files into a temporary folder.
///
/// The folder is removed when the authority and the files it gave out go away. Keys never leave the machine and are worth nothing.
package final class TestAuthority: Sendable {
    /// The three PEM files of one end.
    package struct Files: Sendable {
        package let certificateChainPath: String
        package let privateKeyPath: String
        package let trustRootsPath: String
        /// SHA-256 of the leaf's SubjectPublicKeyInfo in DER.
        package let publicKeyHash: [UInt8]
        /// Keeps the folder.
        private let authorities: [TestAuthority]

        fileprivate init(chain: String, key: String, roots: String, publicKeyHash: [UInt8], keeping: [TestAuthority]) {
            certificateChainPath = chain
            privateKeyPath = key
            trustRootsPath = roots
            self.publicKeyHash = publicKeyHash
            authorities = keeping
        }
    }

    /// When a leaf is valid.
    package enum Validity: Sendable {
        case now, expired, notYet

        fileprivate var dates: (from: Date, to: Date) {
            let now = Date()
            return switch self {
            case .now: (now - 3600, now + 86_400)
            case .expired: (now - 86_400, now - 3600)
            case .notYet: (now + 3600, now + 86_400)
            }
        }
    }

    /// Where all files of this authority are.
    package let folder: URL
    private let key: P256.Signing.PrivateKey
    private let subject: DistinguishedName
    private let federation: String

    /// Makes a root that is valid for a day.
    package init(name: String = "Test Authority", federation: String = "test") throws {
        self.federation = federation
        folder = FileManager.default.temporaryDirectory.appending(path: "consilium-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        key = P256.Signing.PrivateKey()
        subject = try DistinguishedName { CommonName(name) }
        let dates = Validity.now.dates
        let root = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: dates.from,
            notValidAfter: dates.to, issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            },
            issuerPrivateKey: .init(key))
        try write(root.serializeAsPEM().pemString, to: "root.pem")
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    /// Path of the root certificate.
    package var rootPath: String { folder.appending(path: "root.pem").path }

    /// Makes a leaf named `fl://<federation>/<role>/<id>` and `hosts`, and writes its files.
    ///
    /// - Parameter trusting: The authority whose root the holder trusts; this one unless said otherwise.
    package func leaf(
        id: String, role: String = "site", hosts: [String] = ["localhost"], validity: Validity = .now,
        trusting other: TestAuthority? = nil
    ) throws -> Files {
        let leafKey = P256.Signing.PrivateKey()
        let dates = validity.dates
        let names =
            [GeneralName.uniformResourceIdentifier("fl://\(federation)/\(role)/\(id)")] + hosts.map { .dnsName($0) }
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(leafKey.publicKey), notValidBefore: dates.from,
            notValidAfter: dates.to, issuer: subject, subject: DistinguishedName { CommonName(id) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
            },
            issuerPrivateKey: .init(key))
        return Files(
            chain: try write(leaf.serializeAsPEM().pemString, to: "\(id).pem"),
            key: try write(leafKey.pemRepresentation, to: "\(id).key"),
            roots: (other ?? self).rootPath,
            publicKeyHash: Array(SHA256.hash(data: leafKey.publicKey.derRepresentation)),
            keeping: [self, other ?? self])
    }

    /// Replaces the file in one step, readable by its owner only.
    @discardableResult
    private func write(_ text: String, to name: String) throws -> String {
        let path = folder.appending(path: name).path
        let fresh = path + ".new"
        guard
            FileManager.default.createFile(
                atPath: fresh, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown) }
        guard rename(fresh, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        return path
    }
}
