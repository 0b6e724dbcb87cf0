// SPDX-License-Identifier: Apache-2.0
// A party's certificate, as the authority and everybody who checks it read it.

import Crypto
package import Federation
import Foundation
import SwiftASN1
import X509

/// A leaf certificate and what it says.
package struct IssuedCertificate: Hashable, Sendable {
    package let bytes: [UInt8]
    package let federation: String
    package let party: PartyName
    /// ``PartyKeys/hash`` of the keys it binds.
    package let keysHash: Federation.Digest
    /// SHA-256 of the SubjectPublicKeyInfo in DER.
    package let publicKeyHash: Federation.Digest
    /// Big-endian.
    package let serial: [UInt8]
    /// Seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    /// Reads a certificate in DER; no signature is checked, see ``CertificateChain``.
    ///
    /// - Throws: ``EnrolmentError/malformed`` when it is no certificate of ours.
    package init(bytes: [UInt8]) throws(EnrolmentError) {
        guard bytes.count <= 16_384, let certificate = try? Certificate(derEncoded: bytes),
            let key = P256.Signing.PublicKey(certificate.publicKey),
            let names = try? certificate.extensions.subjectAlternativeNames
        else { throw .malformed }
        let uris = names.compactMap { name -> String? in
            if case .uniformResourceIdentifier(let uri) = name { uri } else { nil }
        }
        guard uris.count == 2, let (federation, party) = Self.party(uris[0]),
            let keysHash = Self.keysHash(uris[1], federation: federation)
        else { throw .malformed }
        self.bytes = bytes
        self.federation = federation
        self.party = party
        self.keysHash = keysHash
        publicKeyHash = Federation.Digest(of: Array(key.derRepresentation), domain: "")
        serial = Array(certificate.serialNumber.bytes)
        notBefore = Int64(certificate.notValidBefore.timeIntervalSince1970)
        notAfter = Int64(certificate.notValidAfter.timeIntervalSince1970)
    }

    /// When the holder asks for the next one: at two thirds of its life.
    package var renewalTime: Int64 { notBefore + (notAfter - notBefore) * 2 / 3 }

    /// PEM, as TLS reads it.
    package var pem: String { PEM.text(bytes) }

    // MARK: Names

    private static func party(_ uri: String) -> (federation: String, PartyName)? {
        let parts = uri.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[0] == "fl:", parts[1].isEmpty, PartyName.isFederation(parts[2]),
            let role = PartyRole(rawValue: parts[3]), let id = SiteID(parts[4])
        else { return nil }
        return (parts[2], PartyName(role, id))
    }

    private static func keysHash(_ uri: String, federation: String) -> Federation.Digest? {
        let prefix = "fl://\(federation)/keys/"
        guard uri.hasPrefix(prefix) else { return nil }
        return Base64URL.decode(String(uri.dropFirst(prefix.count))).flatMap { Federation.Digest(bytes: $0) }
    }
}

/// Certificates between DER and PEM.
package enum PEM {
    /// One certificate in PEM, with its line feed.
    package static func text(_ certificate: [UInt8]) -> String {
        PEMDocument(type: "CERTIFICATE", derBytes: certificate).pemString + "\n"
    }

    /// The DER of every certificate in `text`, in order.
    ///
    /// - Throws: ``EnrolmentError/malformed`` when there is none, or something else.
    package static func certificates(_ text: String) throws(EnrolmentError) -> [[UInt8]] {
        guard let documents = try? PEMDocument.parseMultiple(pemString: text), !documents.isEmpty,
            documents.allSatisfy({ $0.discriminator == "CERTIFICATE" })
        else { throw .malformed }
        return documents.map(\.derBytes)
    }

    /// A private key and the certificate that belongs to it, from one text: key, certificate, then authorities.
    ///
    /// Both stand in one file because a file is replaced in one step and two are not.
    /// - Throws: ``EnrolmentError`` `malformed`, or `badSignature` when they do not belong together.
    package static func identity(_ text: String) throws(EnrolmentError) -> (key: TLSKey, certificate: IssuedCertificate)
    {
        guard let documents = try? PEMDocument.parseMultiple(pemString: text), documents.count >= 2,
            documents[1].discriminator == "CERTIFICATE"
        else { throw .malformed }
        let key = try TLSKey(pem: documents[0].pemString)
        let certificate = try IssuedCertificate(bytes: documents[1].derBytes)
        guard certificate.publicKeyHash == key.publicKeyHash else { throw .badSignature }
        return (key, certificate)
    }
}
