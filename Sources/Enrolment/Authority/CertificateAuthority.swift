// SPDX-License-Identifier: Apache-2.0
// The federation's certificate authority: a root that stays offline and an issuing key that signs seven-day leaves.

package import Crypto
import Federation
import Foundation
package import Randomness
import SwiftASN1
import X509

/// The issuing half of an authority, which is online beside the aggregator.
///
/// Profile (RFC 5280): P-256 and ECDSA with SHA-256 throughout. Root: ten years, at most one authority below it. Issuing:
/// one year, no authority below it, URI names of this federation only. Leaf: seven days, a random serial number of 128 bits behind a
/// byte 01, two URI names, host names for the aggregator, client or server use by role. Validity begins ten
/// minutes before the authority's clock says, so that a peer whose clock is late accepts it.
package struct CertificateAuthority: Sendable {
    /// Seconds by which clocks may differ.
    package static let clockTolerance: Int64 = 600
    package static let leafLifetime: Int64 = 7 * 86_400
    private static let issuingLifetime: Int64 = 365 * 86_400
    private static let rootLifetime: Int64 = 3_652 * 86_400

    package let federation: String
    package let rootBytes: [UInt8]
    package let issuingBytes: [UInt8]
    /// When the issuing certificate ends, in seconds since 1970.
    package let issuingEnd: Int64
    private let issuing: Certificate
    private let key: TLSKey

    /// Takes certificates in DER and the issuing key.
    ///
    /// - Throws: ``EnrolmentError`` `malformed`, or `badSignature` when the key is not the certificate's.
    package init(federation: String, root: [UInt8], issuing: [UInt8], key: TLSKey) throws(EnrolmentError) {
        guard let certificate = try? Certificate(derEncoded: issuing),
            CertificateChain.publicKeyHash(ofCertificate: root) != nil
        else { throw .malformed }
        guard CertificateChain.publicKeyHash(ofCertificate: issuing) == key.publicKeyHash else { throw .badSignature }
        self.federation = federation
        rootBytes = root
        issuingBytes = issuing
        self.issuing = certificate
        issuingEnd = Int64(certificate.notValidAfter.timeIntervalSince1970)
        self.key = key
    }

    /// Makes a root certificate in DER.
    package static func makeRoot(federation: String, key: TLSKey, at now: Int64, random: RandomSource) throws -> [UInt8]
    {
        let name = try DistinguishedName { CommonName("\(federation) root") }
        return try make(
            subject: name, key: key.key.publicKey, issuer: name, issuerKey: key, from: now, lifetime: rootLifetime,
            random: random
        ) {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            SubjectKeyIdentifier(keyIdentifier: identifier(key.key.publicKey))
        }
    }

    /// Makes an issuing certificate in DER under a root; needed once a year.
    package static func makeIssuing(
        federation: String, key: TLSKey, root: [UInt8], rootKey: TLSKey, at now: Int64, random: RandomSource
    ) throws -> [UInt8] {
        let root = try Certificate(derEncoded: root)
        return try make(
            subject: try DistinguishedName { CommonName("\(federation) issuing") }, key: key.key.publicKey,
            issuer: root.subject, issuerKey: rootKey, from: now, lifetime: issuingLifetime, random: random
        ) {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            Critical(NameConstraints(permittedURIDomains: [federation]))
            SubjectKeyIdentifier(keyIdentifier: identifier(key.key.publicKey))
            AuthorityKeyIdentifier(keyIdentifier: identifier(rootKey.key.publicKey))
        }
    }

    /// Signs a leaf.
    ///
    /// - Parameters:
    ///   - hosts: DNS names, for the aggregator.
    ///   - now: seconds since 1970.
    /// - Throws: what the signing library throws.
    package func issue(
        to party: PartyName, keys: PartyKeys, publicKey: P256.Signing.PublicKey, hosts: [String] = [], at now: Int64,
        lifetime: Int64 = leafLifetime, random: RandomSource
    ) throws -> IssuedCertificate {
        let uris = [party.uri(in: federation), keys.uri(in: federation)]
        let names = uris.map { GeneralName.uniformResourceIdentifier($0) } + hosts.map(Self.hostName)
        let bytes = try Self.make(
            subject: try DistinguishedName { CommonName(party.id.rawValue) }, key: publicKey, issuer: issuing.subject,
            issuerKey: key, from: now, lifetime: lifetime, random: random
        ) {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            try ExtendedKeyUsage([party.role == .aggregator ? .serverAuth : .clientAuth])
            SubjectAlternativeNames(names)
            SubjectKeyIdentifier(keyIdentifier: Self.identifier(publicKey))
            AuthorityKeyIdentifier(keyIdentifier: Self.identifier(key.key.publicKey))
        }
        return try IssuedCertificate(bytes: bytes)
    }

    // MARK: Parts

    private static func make(
        subject: DistinguishedName, key: P256.Signing.PublicKey, issuer: DistinguishedName, issuerKey: TLSKey,
        from now: Int64, lifetime: Int64, random: RandomSource,
        @ExtensionsBuilder extensions: () throws -> Result<Certificate.Extensions, any Error>
    ) throws -> [UInt8] {
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(bytes: [1] + random.bytes(16)), publicKey: .init(key),
            notValidBefore: Date(timeIntervalSince1970: Double(now - clockTolerance)),
            notValidAfter: Date(timeIntervalSince1970: Double(now + lifetime)), issuer: issuer, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: try extensions().get(),
            issuerPrivateKey: .init(issuerKey.key))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }

    /// An IP address is a name of its own kind.
    private static func hostName(_ host: String) -> GeneralName {
        var address = in6_addr()
        var short = in_addr()
        if inet_pton(AF_INET, host, &short) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: ArraySlice(withUnsafeBytes(of: short) { Array($0) })))
        }
        if inet_pton(AF_INET6, host, &address) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: ArraySlice(withUnsafeBytes(of: address) { Array($0) })))
        }
        return .dnsName(host)
    }

    /// RFC 7093 §2, method 1.
    private static func identifier(_ key: P256.Signing.PublicKey) -> ArraySlice<UInt8> {
        Array(SHA256.hash(data: key.x963Representation))[..<20]
    }
}
