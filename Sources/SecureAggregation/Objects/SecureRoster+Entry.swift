// SPDX-License-Identifier: Apache-2.0
// One site's place in the roster of a secure sum.

package import Federation

extension SecureRoster {
    /// What a site that takes part in the epoch gives to it.
    package struct Offer: Hashable, Sendable {
        package var envelopeKey: EnvelopePublicKey
        /// SHA-256("fl/secagg/v1 nonce" || r) in rosters above 100 sites; nil in others.
        package var nonceCommitment: Digest?
        /// Seconds since 1970 after which the key is gone.
        package var notAfter: UInt64
        /// By the site's statement key.
        package var signature: [UInt8]
    }

    package enum Presence: Hashable, Sendable {
        case present(Offer)
        /// Invited, but it offered no key, or did not reveal its nonce in the draft before: it sits the epoch out and
        /// counts among the lost. Anybody may write this; a site that is marked so refuses the roster.
        case absent
    }

    /// What says that changed or new keys belong to a name.
    package struct KeyChange: Hashable, Sendable {
        /// The epoch since which the site has these keys.
        package var since: UInt64
        /// By the site itself with its old statement key, alone; or by other members. Ascending by name.
        package var signatures: [NamedSignature]

        package init(since: UInt64, signatures: [NamedSignature]) {
            self.since = since
            self.signatures = signatures
        }
    }

    package struct NamedSignature: Hashable, Sendable {
        package var site: SiteID
        package var signature: [UInt8]

        package init(site: SiteID, signature: [UInt8]) {
            self.site = site
            self.signature = signature
        }
    }

    /// One site.
    ///
    /// Bytes: LP(site id) || LP(leaf certificate, DER) || statement key || witness key || X-Wing key (1 216) || nonce
    /// commitment, zeros up to 100 sites || u64 epoch || u64 not after || u16 count, and unless it is 0: u64 epoch since
    /// which it has these keys || count × (LP(site id) || signature (64)) || signature by the statement key over
    /// `fl/secagg/v1 entry` LF || LP(federation) || all bytes of the entry before it.
    /// An absent site has zeros for X-Wing key, commitment, not after and signature.
    package struct Entry: Hashable, Sendable {
        package var site: SiteID
        /// DER.
        package var certificate: [UInt8]
        package var statementKey: StatementPublicKey
        package var witnessKey: StatementPublicKey
        package var epoch: UInt64
        package var change: KeyChange?
        package var presence: Presence

        /// An entry of a site that is not there.
        package init(
            absent site: SiteID, certificate: [UInt8], statementKey: StatementPublicKey,
            witnessKey: StatementPublicKey, epoch: UInt64, change: KeyChange? = nil
        ) {
            self.site = site
            self.certificate = certificate
            self.statementKey = statementKey
            self.witnessKey = witnessKey
            self.epoch = epoch
            self.change = change
            presence = .absent
        }

        /// A site's own entry, signed.
        package init(
            _ site: SiteID, of federation: String, certificate: [UInt8], statementKey key: StatementKey,
            witnessKey: StatementPublicKey, epoch: UInt64, change: KeyChange? = nil, envelopeKey: EnvelopePublicKey,
            nonceCommitment: Digest?, notAfter: UInt64
        ) throws(SecureSumError) {
            self.init(
                absent: site, certificate: certificate, statementKey: key.publicKey, witnessKey: witnessKey,
                epoch: epoch, change: change)
            var offer = Offer(
                envelopeKey: envelopeKey, nonceCommitment: nonceCommitment, notAfter: notAfter, signature: [])
            presence = .present(offer)
            offer.signature = try Signature.make(key, signedBytes(in: federation))
            presence = .present(offer)
        }

        /// Whether a present site signed this entry itself; an absent one is signed by nobody.
        package func isSigned(in federation: String) -> Bool {
            guard case .present(let offer) = presence else { return false }
            return statementKey.verifies(offer.signature, of: signedBytes(in: federation), domain: "")
        }

        private func signedBytes(in federation: String) -> [UInt8] {
            var writer = ByteWriter(label: "fl/secagg/v1 entry\n")
            writer.prefixed(federation)
            writeUnsigned(&writer)
            return writer.bytes
        }
    }
}

// MARK: Bytes

extension SecureRoster.Entry {
    func write(_ writer: inout ByteWriter) {
        writeUnsigned(&writer)
        if case .present(let offer) = presence {
            precondition(offer.signature.count == Signature.byteCount, "an entry is signed before it is written")
            writer.raw(offer.signature)
        } else {
            writer.raw([UInt8](repeating: 0, count: Signature.byteCount))
        }
    }

    private func writeUnsigned(_ writer: inout ByteWriter) {
        writer.prefixed(site.rawValue)
        writer.prefixed(certificate)
        writer.raw(statementKey.bytes + witnessKey.bytes)
        switch presence {
        case .present(let offer):
            writer.raw(offer.envelopeKey.bytes)
            writer.digest(offer.nonceCommitment ?? .zeros)
            writer.integer(epoch)
            writer.integer(offer.notAfter)
        case .absent:
            writer.raw([UInt8](repeating: 0, count: EnvelopePublicKey.byteCount))
            writer.digest(.zeros)
            writer.integer(epoch)
            writer.integer(UInt64(0))
        }
        writer.integer(UInt16(change?.signatures.count ?? 0))
        guard let change, !change.signatures.isEmpty else { return }
        writer.integer(change.since)
        for one in change.signatures {
            writer.prefixed(one.site.rawValue)
            writer.raw(one.signature)
        }
    }

    init(_ reader: inout SecureSumReader) throws(SecureSumError) {
        let site = try reader.site()
        let certificate = try reader.prefixed()
        let statementKey = try reader.key()
        let witnessKey = try reader.key()
        let envelopeKey = try reader.raw(EnvelopePublicKey.byteCount)
        let commitment = try reader.digest()
        let epoch: UInt64 = try reader.integer()
        let notAfter: UInt64 = try reader.integer()
        let change = try SecureRoster.KeyChange(&reader, of: site, in: epoch)
        let signature = try reader.signature()
        self.init(
            absent: site, certificate: certificate, statementKey: statementKey, witnessKey: witnessKey, epoch: epoch,
            change: change)
        if envelopeKey.allSatisfy({ $0 == 0 }) {
            guard commitment == .zeros, notAfter == 0, signature.allSatisfy({ $0 == 0 }) else { throw .malformed }
        } else {
            guard let envelopeKey = EnvelopePublicKey(bytes: envelopeKey) else { throw .malformed }
            presence = .present(
                SecureRoster.Offer(
                    envelopeKey: envelopeKey, nonceCommitment: commitment == .zeros ? nil : commitment,
                    notAfter: notAfter, signature: signature))
        }
    }
}

extension SecureRoster.KeyChange {
    /// nil where the count is 0.
    fileprivate init?(
        _ reader: inout SecureSumReader, of owner: SiteID, in epoch: UInt64
    ) throws(SecureSumError) {
        let count = Int(try reader.integer(UInt16.self))
        guard count > 0 else { return nil }
        guard count <= SumParameters.mostSites else { throw .malformed }
        since = try reader.integer()
        var last: SiteID?
        signatures = try reader.readEach(0..<count) { (reader, _) throws(SecureSumError) in
            let site = try reader.site()
            // The old key speaks alone: with it, nobody else needs to.
            guard last.map({ $0 < site }) ?? true, site != owner || count == 1 else { throw .malformed }
            last = site
            return SecureRoster.NamedSignature(site: site, signature: try reader.signature())
        }
        // No range: a peer's epoch may be 0, and then there is none.
        guard since >= 1, since <= epoch else { throw .malformed }
    }

    /// What the old key, or a member for another's, signs.
    ///
    /// Bytes: `fl/keys/v1 rotate` or `fl/keys/v1 vouch`, LF || LP(federation) || LP(site id) || statement key || witness
    /// key || u64 epoch since which it has these keys; the same as for the federation's roster (`protocol/enrolment.md`).
    package static func message(
        isVouch: Bool, federation: String, site: SiteID, statementKey: StatementPublicKey,
        witnessKey: StatementPublicKey, since: UInt64
    ) -> [UInt8] {
        var writer = ByteWriter(label: isVouch ? "fl/keys/v1 vouch\n" : "fl/keys/v1 rotate\n")
        writer.prefixed(federation)
        writer.prefixed(site.rawValue)
        writer.raw(statementKey.bytes + witnessKey.bytes)
        writer.integer(since)
        return writer.bytes
    }
}

extension SecureSumReader {
    mutating func site() throws(SecureSumError) -> SiteID {
        guard let site = SiteID(String(decoding: try prefixed(), as: UTF8.self)) else { throw .malformed }
        return site
    }
}

extension SecureRoster {
    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.prefixed(federation)
        writer.digest(study)
        writer.integer(epoch)
        writer.digest(previous ?? .zeros)
        writer.integer(denyNumber)
        writer.digest(denyHash)
        writer.integer(UInt32(entries.count))
        for entry in entries { entry.write(&writer) }
        return writer.bytes
    }

    /// Reads a roster; nothing but its form is checked, see ``check()``.
    ///
    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        let federation = String(decoding: try reader.prefixed(), as: UTF8.self)
        let study = try reader.digest()
        let epoch: UInt64 = try reader.integer()
        let previous = try reader.digest()
        let denyNumber: UInt64 = try reader.integer()
        let denyHash = try reader.digest()
        let count = Int(try reader.integer(UInt32.self))
        guard count <= SumParameters.mostSites, epoch > 0 else { throw .malformed }
        let entries = try reader.readEach(0..<count) { (reader, _) throws(SecureSumError) in try Entry(&reader) }
        try reader.end()
        try self.init(
            federation: federation, study: study, epoch: epoch, previous: previous == .zeros ? nil : previous,
            denyNumber: denyNumber, denyHash: denyHash, entries: entries)
    }
}
