// SPDX-License-Identifier: Apache-2.0
// A member's request for its next certificate, over a new key.

package import Federation

/// A renewal, or the way back after a missed one.
///
/// Bytes: `fl/enrol/v1 renew` LF || LP(federation) || u8 role || LP(name) || LP(serial that is replaced) ||
/// LP(certificate request, DER) || signature by the statement key over all bytes before it (64).
///
/// Who stole only the TLS key cannot make one; and who stole both meets the other's renewal at the serial number.
package struct RenewalRequest: Hashable, Sendable {
    private static let label = "fl/enrol/v1 renew\n"

    package let federation: String
    package let party: PartyName
    /// Big-endian, as in the certificate.
    package let replacedSerial: [UInt8]
    package let certificateRequest: [UInt8]
    package let signature: [UInt8]

    package init(
        federation: String, party: PartyName, replacedSerial: [UInt8], certificateRequest: [UInt8],
        signedBy key: StatementKey
    ) throws {
        self.federation = federation
        self.party = party
        self.replacedSerial = replacedSerial
        self.certificateRequest = certificateRequest
        signature = try key.sign(
            Self.message(federation, party, replacedSerial, certificateRequest), domain: "")
    }

    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        federation = try reader.name()
        guard let role = PartyRole(code: try reader.byte()), let id = SiteID(try reader.name()) else {
            throw .malformed
        }
        party = PartyName(role, id)
        replacedSerial = try reader.prefixed()
        certificateRequest = try reader.prefixed()
        signature = try reader.raw(64)
        try reader.end()
        guard (1...20).contains(replacedSerial.count) else { throw .malformed }
    }

    package var bytes: [UInt8] {
        Self.message(federation, party, replacedSerial, certificateRequest) + signature
    }

    package func isSigned(by key: StatementPublicKey) -> Bool {
        key.verifies(
            signature, of: Self.message(federation, party, replacedSerial, certificateRequest), domain: "")
    }

    private static func message(
        _ federation: String, _ party: PartyName, _ serial: [UInt8], _ request: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter(label: label)
        writer.prefixed(federation)
        writer.byte(party.role.code)
        writer.prefixed(party.id.rawValue)
        writer.prefixed(serial)
        writer.prefixed(request)
        return writer.bytes
    }
}
