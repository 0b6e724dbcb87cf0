// SPDX-License-Identifier: Apache-2.0
// Checks that a certificate descends from a federation's root: signatures, dates, constraints (RFC 5280 §6).

package import Federation
import Foundation
import SwiftASN1
@_spi(FixedExpiryValidationTime) import X509

/// Verification of leaf certificates that arrive outside a handshake, in rosters and answers.
package enum CertificateChain {
    /// Whether `leaf` is valid at `seconds` under `issuer` and the root, and what it says.
    ///
    /// - Throws: ``EnrolmentError`` `badSignature` when it does not verify, `wrongName` when it names another federation.
    package static func verify(
        leaf: [UInt8], issuer: [UInt8], root: [UInt8], federation: String, at seconds: Int64
    ) async throws(EnrolmentError) -> IssuedCertificate {
        let issued = try IssuedCertificate(bytes: leaf)
        guard let leaf = try? Certificate(derEncoded: leaf), let issuer = try? Certificate(derEncoded: issuer),
            let root = try? Certificate(derEncoded: root)
        else { throw .malformed }
        var verifier = Verifier(rootCertificates: CertificateStore([root])) {
            RFC5280Policy(fixedExpiryValidationTime: Date(timeIntervalSince1970: Double(seconds)))
        }
        let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore([issuer]))
        guard case .validCertificate(let chain) = result, chain.count == 3 else { throw .badSignature }
        guard issued.federation == federation else { throw .wrongName }
        return issued
    }

    /// SHA-256 of the SubjectPublicKeyInfo of a certificate in DER; `nil` when it is none.
    package static func publicKeyHash(ofCertificate bytes: [UInt8]) -> Digest? {
        guard let certificate = try? Certificate(derEncoded: bytes) else { return nil }
        return Digest(of: certificate.publicKey.subjectPublicKeyInfo, domain: "")
    }
}

extension Certificate.PublicKey {
    /// The whole SubjectPublicKeyInfo in DER.
    fileprivate var subjectPublicKeyInfo: [UInt8] {
        guard let document = try? serializeAsPEM() else { return [] }
        return document.derBytes
    }
}
