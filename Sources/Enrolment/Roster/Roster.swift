// SPDX-License-Identifier: Apache-2.0
// Who takes part: every site with its certificate and keys, numbered, chained and signed.

package import Federation

/// One epoch of a federation's roster.
///
/// Bytes: `fl/roster/v1` LF || LP(federation) || u64 epoch || SHA-256 of the roster before (zeros for epoch 1) ||
/// u64 seconds || u64 deny number || deny hash || deny signature (64) || LP(issuing certificate, DER) || u32 n ||
/// n entries ascending by name || signature by the aggregator's statement key over all bytes before it (64).
/// Entry: LP(name) || LP(certificate, DER) || statement key || witness key || u64 epoch since which it has these keys ||
/// u8 kind of change: 0 none; 1 || signature by the old statement key (64); 2 || u16 count || count × (LP(name) || signature (64)).
package struct Roster: Hashable, Sendable {
    private static let label = "fl/roster/v1\n"
    static let largestCount = 10_000

    /// What says that new keys belong to a name.
    package enum Change: Hashable, Sendable {
        case none
        /// By the statement key that the name had before.
        case rotated([UInt8])
        /// By members of the roster before.
        case vouched([Vouch])
    }

    /// A member's signature for another's keys.
    package struct Vouch: Hashable, Sendable {
        package var site: SiteID
        package var signature: [UInt8]

        package init(site: SiteID, signature: [UInt8]) {
            self.site = site
            self.signature = signature
        }
    }

    /// One site.
    package struct Entry: Hashable, Sendable {
        package var site: SiteID
        /// DER.
        package var certificate: [UInt8]
        package var keys: PartyKeys
        package var sinceEpoch: UInt64
        package var change: Change

        package init(
            site: SiteID, certificate: [UInt8], keys: PartyKeys, sinceEpoch: UInt64, change: Change = .none
        ) {
            self.site = site
            self.certificate = certificate
            self.keys = keys
            self.sinceEpoch = sinceEpoch
            self.change = change
        }
    }

    /// Everything but the signature.
    package struct Content: Hashable, Sendable {
        package var federation: String
        package var epoch: UInt64
        /// Zeros for the first.
        package var previous: Digest
        package var issued: Int64
        package var denyNumber: UInt64
        package var denyHash: Digest
        package var denySignature: [UInt8]
        /// DER.
        package var issuingCertificate: [UInt8]
        package var entries: [Entry]

        package init(
            federation: String, epoch: UInt64, previous: Digest?, issued: Int64, denyList: DenyList,
            issuingCertificate: [UInt8], entries: [Entry]
        ) {
            self.federation = federation
            self.epoch = epoch
            self.previous = previous ?? Roster.noPrevious
            self.issued = issued
            denyNumber = denyList.number
            denyHash = denyList.hash
            denySignature = denyList.signature
            self.issuingCertificate = issuingCertificate
            self.entries = entries.sorted { $0.site < $1.site }
        }
    }

    package let content: Content
    package let signature: [UInt8]

    package init(_ content: Content, signedBy key: StatementKey) throws {
        self.content = content
        signature = try key.sign(Self.message(content), domain: "")
    }

    package var bytes: [UInt8] { Self.message(content) + signature }

    /// SHA-256 of all bytes, the signature included: the name of the roster.
    package var hash: Digest { Digest(of: bytes, domain: "") }

    package func isSigned(by key: StatementPublicKey) -> Bool {
        key.verifies(signature, of: Self.message(content), domain: "")
    }

    package func entry(of site: SiteID) -> Entry? { content.entries.first { $0.site == site } }

    /// What an old key signs for new ones, and a member for another's.
    ///
    /// Bytes: `fl/keys/v1 rotate` or `fl/keys/v1 vouch`, LF || LP(federation) || LP(name) || statement key ||
    /// witness key || u64 epoch.
    package static func changeMessage(
        isVouch: Bool, federation: String, site: SiteID, keys: PartyKeys, epoch: UInt64
    ) -> [UInt8] {
        var writer = ByteWriter(label: isVouch ? "fl/keys/v1 vouch\n" : "fl/keys/v1 rotate\n")
        writer.prefixed(federation)
        writer.prefixed(site.rawValue)
        writer.raw(keys.statement.bytes + keys.witness.bytes)
        writer.integer(epoch)
        return writer.bytes
    }
}

// MARK: Bytes

extension Roster {
    fileprivate static let noPrevious = Digest(bytes: [UInt8](repeating: 0, count: 32)) ?? Digest(of: [], domain: "")

    /// Reads a roster; nothing but its form is checked, see ``RosterCheck``.
    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        let federation = try reader.name()
        let epoch: UInt64 = try reader.integer()
        let previous = try reader.digest()
        let issued = try reader.seconds()
        let denyNumber: UInt64 = try reader.integer()
        let denyHash = try reader.digest()
        let denySignature = try reader.raw(64)
        let issuing = try reader.prefixed()
        let count = Int(try reader.integer(UInt32.self))
        guard count <= Self.largestCount, epoch > 0, (epoch == 1) == (previous == Self.noPrevious) else {
            throw .malformed
        }
        var entries: [Entry] = []
        for _ in 0..<count {
            let entry = try Entry(&reader)
            if let last = entries.last, !(last.site < entry.site) { throw .malformed }
            entries.append(entry)
        }
        content = Content(
            federation: federation, epoch: epoch, previous: previous, issued: issued, denyNumber: denyNumber,
            denyHash: denyHash, denySignature: denySignature, issuingCertificate: issuing, entries: entries)
        signature = try reader.raw(64)
        try reader.end()
    }

    private static func message(_ content: Content) -> [UInt8] {
        var writer = ByteWriter(label: label)
        writer.prefixed(content.federation)
        writer.integer(content.epoch)
        writer.raw(content.previous.bytes)
        writer.integer(UInt64(content.issued))
        writer.integer(content.denyNumber)
        writer.raw(content.denyHash.bytes + content.denySignature)
        writer.prefixed(content.issuingCertificate)
        writer.integer(UInt32(content.entries.count))
        for entry in content.entries { entry.write(&writer) }
        return writer.bytes
    }
}

extension Roster.Content {
    fileprivate init(
        federation: String, epoch: UInt64, previous: Digest, issued: Int64, denyNumber: UInt64, denyHash: Digest,
        denySignature: [UInt8], issuingCertificate: [UInt8], entries: [Roster.Entry]
    ) {
        self.federation = federation
        self.epoch = epoch
        self.previous = previous
        self.issued = issued
        self.denyNumber = denyNumber
        self.denyHash = denyHash
        self.denySignature = denySignature
        self.issuingCertificate = issuingCertificate
        self.entries = entries
    }
}

extension Roster.Entry {
    fileprivate init(_ reader: inout EnrolmentReader) throws(EnrolmentError) {
        guard let site = SiteID(try reader.name()) else { throw .malformed }
        let certificate = try reader.prefixed()
        let keys = PartyKeys(statement: try reader.key(), witness: try reader.key())
        let since: UInt64 = try reader.integer()
        let change: Roster.Change
        switch try reader.byte() {
        case 0: change = .none
        case 1: change = .rotated(try reader.raw(64))
        case 2:
            var vouches: [Roster.Vouch] = []
            for _ in 0..<Int(try reader.integer(UInt16.self)) {
                guard let name = SiteID(try reader.name()) else { throw .malformed }
                vouches.append(Roster.Vouch(site: name, signature: try reader.raw(64)))
            }
            change = .vouched(vouches)
        default: throw .malformed
        }
        self.init(site: site, certificate: certificate, keys: keys, sinceEpoch: since, change: change)
    }

    fileprivate func write(_ writer: inout ByteWriter) {
        writer.prefixed(site.rawValue)
        writer.prefixed(certificate)
        writer.raw(keys.statement.bytes + keys.witness.bytes)
        writer.integer(sinceEpoch)
        switch change {
        case .none: writer.byte(0)
        case .rotated(let signature):
            writer.byte(1)
            writer.raw(signature)
        case .vouched(let vouches):
            writer.byte(2)
            writer.integer(UInt16(vouches.count))
            for vouch in vouches {
                writer.prefixed(vouch.site.rawValue)
                writer.raw(vouch.signature)
            }
        }
    }
}
