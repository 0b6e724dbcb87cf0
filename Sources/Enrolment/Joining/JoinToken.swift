// SPDX-License-Identifier: Apache-2.0
// The text an operator hands to a hospital, by which both find and prove each other once.

package import Federation

/// A single-use invitation.
///
/// Text: `fl1.` base64url(payload) `.` checksum. The payload holds the version 1, SHA-256 of the root's
/// SubjectPublicKeyInfo, an 8-byte id, a 16-byte secret, the expiry in seconds since 1970 as u64, `host:port` and the
/// party's name, both behind a length byte. The checksum is the first six base32 digits of SHA-256(payload).
/// It is a secret: its description says nothing.
package struct JoinToken: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    package static let idByteCount = 8
    package static let secretByteCount = 16
    /// Seconds a token is valid unless said otherwise.
    package static let standardLifetime: Int64 = 86_400

    /// SHA-256 of the root certificate's SubjectPublicKeyInfo in DER.
    package let rootHash: Digest
    package let id: [UInt8]
    package let secret: [UInt8]
    /// Seconds since 1970.
    package let expiry: Int64
    /// Where the enrolment port is: `host:port`, an IPv6 address in brackets.
    package let address: String
    package let party: SiteID

    /// - Precondition: 8 and 16 bytes; an address of 1 to 255 bytes.
    package init(rootHash: Digest, id: [UInt8], secret: [UInt8], expiry: Int64, address: String, party: SiteID) {
        precondition(id.count == Self.idByteCount && secret.count == Self.secretByteCount, "8 and 16 bytes")
        precondition((1...255).contains(address.utf8.count), "an address of 1 to 255 bytes")
        self.rootHash = rootHash
        self.id = id
        self.secret = secret
        self.expiry = expiry
        self.address = address
        self.party = party
    }

    /// Reads a token as it was carried; blanks around it are ignored.
    ///
    /// - Throws: ``EnrolmentError/mistypedToken`` for a wrong checksum, ``EnrolmentError/malformed`` for anything else.
    package init(text: String) throws(EnrolmentError) {
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 1 else { throw .malformed }
        let fields = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 3, fields[0] == "fl1" else { throw .malformed }
        guard let payload = Base64URL.decode(fields[1]), fields[2] == Self.checksum(payload) else {
            throw .mistypedToken
        }
        var reader = EnrolmentReader(unlabelled: payload)
        guard try reader.byte() == 1 else { throw .malformed }
        rootHash = try reader.digest()
        id = try reader.raw(Self.idByteCount)
        secret = try reader.raw(Self.secretByteCount)
        guard let expiry = Int64(exactly: try reader.integer(UInt64.self)) else { throw .malformed }
        self.expiry = expiry
        let address = try reader.raw(Int(try reader.byte()))
        let party = try reader.raw(Int(try reader.byte()))
        try reader.end()
        guard let party = SiteID(String(decoding: party, as: UTF8.self)), !address.isEmpty,
            address.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw .malformed }
        self.address = String(decoding: address, as: UTF8.self)
        self.party = party
        guard endpoint != nil else { throw .malformed }
    }

    /// The text to carry.
    package var text: String {
        var writer = ByteWriter(label: "")
        writer.byte(1)
        writer.raw(rootHash.bytes)
        writer.raw(id)
        writer.raw(secret)
        writer.integer(UInt64(expiry))
        writer.byte(UInt8(address.utf8.count))
        writer.raw(address.utf8)
        writer.byte(UInt8(party.rawValue.utf8.count))
        writer.raw(party.rawValue.utf8)
        return "fl1.\(Base64URL.encode(writer.bytes)).\(Self.checksum(writer.bytes))"
    }

    /// The key of the proof that somebody knows the secret; the authority keeps this in place of the secret.
    package var proofKey: [UInt8] { EnrolmentProof.key(secret: secret, tokenID: id) }

    /// Host and port of the enrolment port.
    package var endpoint: (host: String, port: Int)? {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = String(address[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return host.isEmpty ? nil : (host, port)
    }

    package var description: String { "join token for \(party)" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    private static func checksum(_ payload: [UInt8]) -> String {
        Base32.prefix(6, of: Digest(of: payload, domain: "").bytes)
    }
}
