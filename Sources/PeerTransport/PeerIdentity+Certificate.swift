// SPDX-License-Identifier: Apache-2.0
// Reads an identity out of a certificate that TLS has verified.

import Crypto
import NIOSSL
import SwiftASN1
import X509

extension PeerIdentity {
    /// Reads key and names of a verified leaf certificate.
    ///
    /// - Throws: ``TransportError`` `peerNotTrusted` when the certificate verifies but cannot be parsed here: a name we
    ///   cannot read is not a name we may act upon.
    init(certificate: NIOSSLCertificate) throws {
        do {
            let key = try certificate.extractPublicKey().toSPKIBytes()
            let parsed = try Certificate(derEncoded: certificate.toDERBytes())
            let alternatives = try parsed.extensions.subjectAlternativeNames ?? SubjectAlternativeNames()
            let names = alternatives.compactMap { name -> String? in
                switch name {
                case .uniformResourceIdentifier(let uri): uri
                case .dnsName(let host): host
                default: nil
                }
            }
            self.init(
                publicKeyHash: Array(SHA256.hash(data: key)), names: names, notAfter: Int64(certificate.notValidAfter))
        } catch {
            throw TransportError(.peerNotTrusted, "the peer's certificate cannot be parsed")
        }
    }
}
