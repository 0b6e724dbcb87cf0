// SPDX-License-Identifier: Apache-2.0
// O1: who is invited to a study's secure sums of one epoch, with the keys that everybody uses.

package import Federation

/// The invited members of a study for one epoch (O1). All active members are in it, present or not.
///
/// Bytes: `fl/secagg/v1 roster` LF || LP(federation) || study hash || u64 epoch || SHA-256 of the roster before, zeros
/// for the first || u64 deny number || deny hash || u32 n || n entries, ascending by site id: positions 1...n.
/// It has no signature of its own: each present entry is signed by its site, and the log carries the hash.
package struct SecureRoster: Hashable, Sendable {
    static let label = "fl/secagg/v1 roster\n"

    package let federation: String
    package let study: Digest
    /// Counted from 1.
    package let epoch: UInt64
    /// The roster of the epoch before; nil for the first.
    package let previous: Digest?
    package let denyNumber: UInt64
    package let denyHash: Digest
    package let entries: [Entry]

    /// - Throws: `.malformed` unless it would be read back as it is: names, order, epochs, which entries have commitments.
    package init(
        federation: String, study: Digest, epoch: UInt64, previous: Digest?, denyNumber: UInt64, denyHash: Digest,
        entries: [Entry]
    ) throws(SecureSumError) {
        self.federation = federation
        self.study = study
        self.epoch = epoch
        self.previous = previous
        self.denyNumber = denyNumber
        self.denyHash = denyHash
        self.entries = entries
        try checkForm()
    }

    /// n: the absent ones count.
    package var count: Int { entries.count }

    /// Above 100 sites the graph is sparse and drawn from what the members reveal.
    package var isSparse: Bool { count > SumParameters.largestComplete }

    /// Of positions 1...n, in order.
    package var statementKeys: [StatementPublicKey] { entries.map(\.statementKey) }

    /// The position of a site; nil where it is not invited.
    package func position(of site: SiteID) -> Position? { entries.firstIndex { $0.site == site }.map { $0 + 1 } }

    /// The entry of a position; nil outside 1...n.
    package func entry(at position: Position) -> Entry? {
        (1...max(count, 1)).contains(position) && count > 0 ? entries[position - 1] : nil
    }

    /// SHA-256 of all bytes. Up to 100 sites this is the roster hash of the context; above, it is the draft's, and the
    /// roster hash takes the reveals in as well (``RosterReveals``).
    package var hash: Digest { sha256(bytes) }

    private func checkForm() throws(SecureSumError) {
        guard Self.isFederation(federation), epoch > 0, (epoch == 1) == (previous == nil), previous != Digest.zeros,
            (SumParameters.fewestSites...SumParameters.mostSites).contains(count)
        else { throw .malformed }
        for (entry, next) in zip(entries, entries.dropFirst()) where !(entry.site < next.site) { throw .malformed }
        for entry in entries {
            guard entry.epoch == epoch else { throw .malformed }
            if case .present(let offer) = entry.presence, isSparse == (offer.nonceCommitment == nil) {
                throw .malformed
            }
        }
    }

    /// Labels as of a site, joined by dots, at most 64 bytes: the form of `protocol/enrolment.md`.
    private static func isFederation(_ text: String) -> Bool {
        text.utf8.count <= 64
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { SiteID(String($0)) != nil }
    }
}

// MARK: Checks

extension SecureRoster {
    /// What can be told from the roster alone: signatures and X-Wing keys of the present, keys that stand in it once.
    ///
    /// Not here: certificates and their names, the deny list, continuity with the roster before, and that the members
    /// are the study's. In one roster a key may serve one purpose of one site, or a signature would count twice.
    ///
    /// - Throws: `.badSignature`, `.repeatedKey`, `.unusableKey`.
    package func check() throws(SecureSumError) {
        var keys: Set<[UInt8]> = []
        var certificates: Set<[UInt8]> = []
        for entry in entries {
            guard keys.insert(entry.statementKey.bytes).inserted, keys.insert(entry.witnessKey.bytes).inserted,
                certificates.insert(entry.certificate).inserted
            else { throw .repeatedKey }
            guard case .present(let offer) = entry.presence else { continue }
            guard keys.insert(offer.envelopeKey.bytes).inserted else { throw .repeatedKey }
            guard entry.isSigned(in: federation) else { throw .badSignature }
            guard offer.envelopeKey.isUsable else { throw .unusableKey }
        }
    }
}
