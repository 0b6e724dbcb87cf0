// SPDX-License-Identifier: Apache-2.0
// Makes and checks certificate requests (PKCS#10, RFC 2986): one P-256 key, one common name, nothing else.

package import Crypto
package import Federation
import SwiftASN1
import X509

/// A certificate request that asks for nothing but a key and a name.
package struct CertificateRequest: Sendable {
    /// The key that the certificate will bind.
    package let publicKey: P256.Signing.PublicKey
    /// SHA-256 of its SubjectPublicKeyInfo in DER.
    package let publicKeyHash: Federation.Digest

    /// Makes the DER of a request by `key` for a party of this name.
    package static func make(for party: SiteID, key: TLSKey) throws -> [UInt8] {
        let request = try CertificateSigningRequest(
            version: .v1, subject: try DistinguishedName { CommonName(party.rawValue) },
            privateKey: Certificate.PrivateKey(key.key), attributes: CertificateSigningRequest.Attributes(),
            signatureAlgorithm: .ecdsaWithSHA256)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return serializer.serializedBytes
    }

    /// Reads and checks a request.
    ///
    /// Attributes are refused: names and uses are given by the authority, never asked for.
    /// - Throws: ``EnrolmentError`` `malformed`, `weakKey` for any key but P-256, `wrongName`, `badSignature`.
    package init(bytes: [UInt8], party: SiteID) throws(EnrolmentError) {
        guard bytes.count <= 4_096, let request = try? CertificateSigningRequest(derEncoded: bytes) else {
            throw .malformed
        }
        guard let key = P256.Signing.PublicKey(request.publicKey) else { throw .weakKey }
        guard request.signatureAlgorithm == .ecdsaWithSHA256,
            request.publicKey.isValidSignature(request.signature, for: request)
        else { throw .badSignature }
        guard let name = try? DistinguishedName(builder: { CommonName(party.rawValue) }), request.subject == name,
            request.attributes.isEmpty
        else { throw .wrongName }
        publicKey = key
        publicKeyHash = Federation.Digest(of: Array(key.derRepresentation), domain: "")
    }
}

/// The private key of a certificate, P-256.
package struct TLSKey: Sendable {
    package let key: P256.Signing.PrivateKey

    package init(_ key: P256.Signing.PrivateKey) { self.key = key }

    /// Reads unencrypted PKCS#8 or SEC 1 PEM.
    ///
    /// - Throws: ``EnrolmentError/weakKey``
    package init(pem: String) throws(EnrolmentError) {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) else { throw .weakKey }
        self.key = key
    }

    /// PKCS#8 in PEM, without a passphrase.
    package var pem: String { key.pemRepresentation + "\n" }
    /// SHA-256 of the SubjectPublicKeyInfo in DER.
    package var publicKeyHash: Federation.Digest {
        Federation.Digest(of: Array(key.publicKey.derRepresentation), domain: "")
    }
}
