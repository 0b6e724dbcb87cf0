// SPDX-License-Identifier: Apache-2.0
// The membership of a federation with an authority of its own: requests in, certificates and rosters out.

package import Enrolment
package import Federation
package import Logging
package import PeerTransport
package import Randomness
package import Store
import Synchronization
package import WireProtocol

/// Owns invitations, members, certificates, deny list and roster.
///
/// One step at a time, each wholly: decide on a copy (pure), make it durable, then take the copy and answer.
package actor Registry: MemberDirectory {
    /// What handshakes and sessions read without waiting.
    private struct Snapshot: Sendable {
        var sites: Set<SiteID> = []
        /// The newest certificate's key, and earlier ones that are still valid, of everybody who may come.
        var keys: [[UInt8]: PartyName] = [:]
        /// The newest roster and its deny list.
        var roster: (roster: [UInt8], denyList: [UInt8])?
        /// The same, as sites are told.
        var parts: [RosterPart] = []
    }

    package nonisolated let folder: AuthorityFolder
    let store: AggregatorStore
    let clock: @Sendable () -> Int64
    let random: RandomSource
    let metrics: AggregatorMetrics
    let logger: Logger
    private let snapshot = Mutex(Snapshot())
    private let listeners = Mutex<[@Sendable () -> Void]>([])
    var machine: EnrolmentStateMachine
    var book: MemberBook
    var returns: [PartyName: RenewalRequest]
    var denyList: DenyList
    var rosterNow: Roster?
    private var keptRoster: Digest?
    private var isBusy = false
    private var queue: [CheckedContinuation<Void, Never>] = []

    /// Reads what is stored; a new federation begins with an empty deny list.
    ///
    /// - Parameter clock: seconds since 1970.
    /// - Throws: ``StoreError``, `SecretFile.Failure`.
    package init(
        folder: AuthorityFolder, store: AggregatorStore, clock: @escaping @Sendable () -> Int64,
        random: RandomSource = .system, metrics: AggregatorMetrics = AggregatorMetrics(), logger: Logger
    ) async throws {
        self.folder = folder
        self.store = store
        self.clock = clock
        self.random = random
        self.metrics = metrics
        self.logger = logger
        let stored = try await store.membership()
        var invitations: [Invitation] = []
        for kept in stored.invitations {
            let plain = kept.invitation
            invitations.append(
                Invitation(
                    tokenID: plain.tokenID, party: plain.party,
                    proofKey: try folder.unseal(kept.sealedProofKey, for: plain.tokenID), expiry: plain.expiry,
                    phase: plain.phase, wrongProofs: plain.wrongProofs, submission: plain.submission,
                    certificate: plain.certificate))
        }
        var known: [[UInt8]: PartyName] = [:]
        for record in stored.certificates { known[record.certificate.publicKeyHash.bytes] = record.certificate.party }
        machine = EnrolmentStateMachine(invitations: invitations, knownKeys: known)
        book = MemberBook(members: stored.members, certificates: stored.certificates)
        returns = Dictionary(stored.returns.map { ($0.party, $0) }, uniquingKeysWith: { first, _ in first })
        rosterNow = stored.roster
        if let list = stored.denyList {
            denyList = list
        } else {
            denyList = try DenyList(
                federation: folder.descriptor.federation, number: 0, issued: clock(), denials: [],
                signedBy: folder.authorityKey)
            try await store.apply([.denyList(denyList)])
        }
        try await goOnFromWhatWasTold()
        publish()
    }

    /// A store that went back knows less than the members were told: what was revoked stays so, rosters go on.
    private func goOnFromWhatWasTold() async throws {
        guard let (list, roster) = try folder.told(),
            list.number > denyList.number || roster.content.epoch > rosterNow?.content.epoch ?? 0
        else { return }
        logger.error("the store went back behind what members were told; who joined meanwhile is invited again")
        var changes: [MembershipChange] = []
        if list.number > denyList.number {
            denyList = list
            changes.append(.denyList(list))
        }
        for member in book.members.values where !member.isRevoked && list.denies(member.certificate.publicKeyHash) {
            _ = book.revoke(member.party)
            if let revoked = book.members[member.party] { changes.append(.member(revoked)) }
        }
        rosterNow = roster
        let (next, more) = try nextRoster(book, denyList, at: clock())
        try await store.apply(changes + more)
        rosterNow = next
    }

    // MARK: For sessions

    package nonisolated var sites: Set<SiteID> { snapshot.withLock { $0.sites } }

    package nonisolated var rosterParts: [RosterPart] { snapshot.withLock { $0.parts } }

    package nonisolated var roster: (roster: [UInt8], denyList: [UInt8])? { snapshot.withLock { $0.roster } }

    /// The member behind a certificate; nil when its key is not, or no longer, a member's.
    package nonisolated func member(for identity: PeerIdentity) -> PartyName? {
        guard identity.consortium == folder.descriptor.federation,
            let party = snapshot.withLock({ $0.keys[identity.publicKeyHash] }),
            identity.memberID == party.id.rawValue, identity.role?.rawValue == party.role.rawValue
        else { return nil }
        return party
    }

    package nonisolated func site(for identity: PeerIdentity) -> SiteID? {
        guard let party = member(for: identity), party.role == .site else { return nil }
        return party.id
    }

    /// Who may connect to the members' port.
    package nonisolated var gate: PeerGate {
        let gate = PeerGate(
            now: clock, check: { [weak self] identity in self?.member(for: identity) == nil ? .denied : nil })
        onChange { gate.recheck() }
        return gate
    }

    /// Is called after every change of the membership.
    package nonisolated func onChange(_ body: @escaping @Sendable () -> Void) { listeners.withLock { $0.append(body) } }

    // MARK: Steps

    /// Runs one step alone.
    func alone<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        if isBusy {
            await withCheckedContinuation { queue.append($0) }
        } else {
            isBusy = true
        }
        defer {
            if queue.isEmpty { isBusy = false } else { queue.removeFirst().resume() }
        }
        return try await body()
    }

    /// Tells sessions and gates what holds now.
    func publish() {
        var next = Snapshot()
        next.sites = Set(book.sites.map(\.party.id))
        for record in book.certificates.values {
            let party = record.certificate.party
            guard let member = book.members[party], !member.isRevoked else { continue }
            if !denyList.denies(record.certificate.publicKeyHash) {
                next.keys[record.certificate.publicKeyHash.bytes] = party
            }
        }
        if let rosterNow {
            keep(rosterNow)
            next.roster = (rosterNow.bytes, denyList.bytes)
            next.parts = RosterPart.parts(roster: rosterNow.bytes, denyList: denyList.bytes)
        }
        let snapshot = next
        self.snapshot.withLock { $0 = snapshot }
        for listener in listeners.withLock({ $0 }) { listener() }
    }

    /// Keeps what sessions are about to tell where the store's backups do not reach.
    private func keep(_ roster: Roster) {
        guard keptRoster != roster.hash else { return }
        do {
            try folder.keep(denyList, roster)
            keptRoster = roster.hash
        } catch {
            logger.error("the roster could not be kept beside the store", metadata: ["error": "\(error)"])
        }
    }

    func stored(_ invitation: Invitation) throws -> StoredInvitation {
        StoredInvitation(
            invitation: invitation, sealedProofKey: try folder.seal(invitation.proofKey, for: invitation.tokenID))
    }

    /// An entry signed by the aggregator.
    func entry(_ kind: EntryKind, _ body: [String: CanonicalValue], at now: Int64) throws -> Entry {
        try Entry(
            kind, study: nil, actor: "aggregator", body: body, at: EntryTime(seconds: now),
            signedBy: folder.statementKey)
    }

    func facts(_ party: PartyName) -> [String: CanonicalValue] {
        ["role": .string(party.role.rawValue), "name": .string(party.id.rawValue)]
    }

    /// The next roster over the members of `book`, with its entry.
    func nextRoster(_ book: MemberBook, _ denyList: DenyList, at now: Int64) throws -> (Roster, [MembershipChange]) {
        let entries = book.sites.map {
            Roster.Entry(
                site: $0.party.id, certificate: $0.certificate.bytes, keys: $0.keys, sinceEpoch: $0.sinceEpoch)
        }
        let roster = try Roster(
            Roster.Content(
                federation: folder.descriptor.federation, epoch: (rosterNow?.content.epoch ?? 0) + 1,
                previous: rosterNow?.hash, issued: now, denyList: denyList,
                issuingCertificate: folder.authority.issuingBytes, entries: entries),
            signedBy: folder.statementKey)
        let entry = try entry(
            .rosterEpoch,
            [
                "epoch": .integer(Int64(roster.content.epoch)), "roster": .string(roster.hash.hex),
                "denyNumber": .integer(Int64(denyList.number)), "sites": .integer(Int64(entries.count)),
            ], at: now)
        return (roster, [.roster(roster), .entry(entry)])
    }
}
