// SPDX-License-Identifier: Apache-2.0
// What administrators do: invite, approve, decline, revoke, look.

package import Enrolment
package import Federation
import Logging
import Randomness
import Store

/// Why an administrator's order was not carried out.
package struct RegistryError: Error, Hashable, Sendable {
    package let message: String
    package let hint: String
}

extension Registry {
    /// Makes a token.
    ///
    /// - Parameter address: where newcomers connect, `host:port`.
    /// - Throws: ``RegistryError`` when the name is a member's; ``StoreError``.
    package func invite(_ party: PartyName, lifetime: Int64, address: String) async throws -> JoinToken {
        try await alone {
            let now = clock()
            if let member = book.members[party], !member.isRevoked {
                throw RegistryError(
                    message: "\(party) is a member already", hint: "revoke it first if it has lost its keys")
            }
            guard PartyRole.invited.contains(party.role) else {
                throw RegistryError(message: "this role is not invited", hint: "use site, operator or auditor")
            }
            let token = JoinToken(
                rootHash: folder.descriptor.rootHash, id: random.bytes(JoinToken.idByteCount),
                secret: random.bytes(JoinToken.secretByteCount), expiry: now + lifetime, address: address,
                party: party.id)
            let invitation = Invitation(
                tokenID: token.id, party: party, proofKey: token.proofKey, expiry: token.expiry)
            var next = machine
            _ = next.handle(.invited(invitation), now: now)
            try await store.apply([.invitation(try stored(invitation))])
            machine = next
            logger.notice("invited", metadata: ["party": "\(party)"])
            return token
        }
    }

    /// Approves the request of `party`.
    ///
    /// - Parameter words: the six words that the party read out; another request than that is not approved.
    /// - Throws: ``RegistryError``, ``StoreError``.
    package func approve(_ party: PartyName, words: String) async throws {
        try await alone {
            if let request = returns[party] {
                guard case .issued = try await renew(request, isReturn: true) else {
                    throw RegistryError(message: "\(party) can no longer come back", hint: "invite it again")
                }
                return
            }
            let waiting = machine.waiting.filter { $0.party == party }
            guard
                let invitation = waiting.first(where: {
                    $0.submission?.words(party: party.id, descriptor: folder.descriptor).description == words
                }), let submission = invitation.submission
            else {
                throw RegistryError(
                    message: waiting.isEmpty
                        ? "no request of \(party) waits" : "the six words are not those of \(party)",
                    hint: waiting.isEmpty
                        ? "see `consilium federation roster`"
                        : "somebody else may hold the token: decline, and invite again")
            }
            try await issue(invitation, submission)
        }
    }

    private func issue(_ invitation: Invitation, _ submission: Submission) async throws {
        let now = clock()
        let party = invitation.party
        if let member = book.members[party], !member.isRevoked {
            throw RegistryError(message: "\(party) is a member already", hint: "decline this request")
        }
        let checked = try CertificateRequest(bytes: submission.certificateRequest, party: party.id)
        let certificate = try folder.authority.issue(
            to: party, keys: submission.keys, publicKey: checked.publicKey, at: now, random: random)
        let epoch = (rosterNow?.content.epoch ?? 0) + 1
        let member = Member(party: party, keys: submission.keys, certificate: certificate, sinceEpoch: epoch)
        let request = Digest(of: submission.certificateRequest, domain: "")
        var nextBook = book
        nextBook.add(member, request: request)
        var nextMachine = machine
        var changes: [MembershipChange] = []
        for action in nextMachine.handle(
            .issued(tokenID: invitation.tokenID, certificate: certificate.bytes), now: now)
        {
            if case .store(let kept) = action { changes.append(.invitation(try stored(kept))) }
        }
        changes.append(.certificate(CertificateRecord(certificate: certificate, requestHash: request)))
        changes.append(.member(member))
        var body = facts(party)
        body["keys"] = .string(submission.keys.hash.hex)
        body["serial"] = .string(certificate.serial.hex)
        changes.append(.entry(try entry(.enrolmentApproved, body, at: now)))
        var roster = rosterNow
        if party.role == .site {
            let (fresh, more) = try nextRoster(nextBook, denyList, at: now)
            roster = fresh
            changes += more
        }
        try await store.apply(changes)
        (machine, book, rosterNow) = (nextMachine, nextBook, roster)
        publish()
        metrics.count("certificates_issued_total")
        logger.notice("approved", metadata: ["party": "\(party)"])
    }

    /// Declines the waiting and open invitations of `party`, and its wish to come back.
    package func decline(_ party: PartyName) async throws {
        try await alone {
            var next = machine
            var changes: [MembershipChange] = []
            let now = clock()
            for invitation in machine.invitations.values where invitation.party == party {
                for action in next.handle(.declined(tokenID: invitation.tokenID), now: now) {
                    if case .store(let kept) = action { changes.append(.invitation(try stored(kept))) }
                }
            }
            if returns[party] != nil { changes.append(.returnEnded(party)) }
            guard !changes.isEmpty else {
                throw RegistryError(message: "nothing of \(party) waits", hint: "see `consilium federation roster`")
            }
            try await store.apply(changes)
            machine = next
            returns[party] = nil
        }
    }

    /// Takes a member's rights away, at once.
    package func revoke(_ party: PartyName) async throws {
        try await alone {
            let now = clock()
            guard let member = book.members[party], !member.isRevoked else {
                throw RegistryError(message: "\(party) is no member", hint: "see `consilium federation roster`")
            }
            var nextBook = book
            let denied = nextBook.revoke(party).map { DenyList.Denial(publicKeyHash: $0, party: party, since: now) }
            let known = Set(denyList.denials.map(\.publicKeyHash))
            let list = try DenyList(
                federation: folder.descriptor.federation, number: denyList.number + 1, issued: now,
                denials: denyList.denials + denied.filter { !known.contains($0.publicKeyHash) },
                signedBy: folder.authorityKey)
            var changes: [MembershipChange] = [.denyList(list), .returnEnded(party)]
            if let revoked = nextBook.members[party] { changes.append(.member(revoked)) }
            var body = facts(party)
            body["denyNumber"] = .integer(Int64(list.number))
            changes.append(.entry(try entry(.membershipRevoked, body, at: now)))
            let (roster, more) = try nextRoster(nextBook, list, at: now)
            try await store.apply(changes + more)
            (book, denyList, rosterNow) = (nextBook, list, roster)
            returns[party] = nil
            publish()
            logger.notice("revoked", metadata: ["party": "\(party)"])
        }
    }

    /// Records what an auditor asks for.
    func noteQuery(_ word: String, by person: PartyName) async throws {
        var body = facts(person)
        body["query"] = .string(word)
        try await store.apply([.entry(try entry(.accessQueried, body, at: clock()))])
    }

    /// One line about a party.
    package struct Overview: Hashable, Sendable {
        package var party: PartyName
        /// invited, waiting, returning, member or revoked.
        package var state: String
        /// The six words of a request that waits; empty otherwise.
        package var words: String
        /// When the invitation or the certificate ends.
        package var until: Int64
    }

    /// Everybody who is, was or wants to be a member, by role and name, and the number of the roster.
    package func overview() -> (parties: [Overview], epoch: UInt64, roster: Digest?) {
        var found: [Overview] = book.members.values.map {
            let isReturning = returns[$0.party] != nil
            return Overview(
                party: $0.party, state: $0.isRevoked ? "revoked" : isReturning ? "returning" : "member", words: "",
                until: $0.certificate.notAfter)
        }
        let now = clock()
        for invitation in machine.invitations.values {
            switch invitation.phase {
            case .open where invitation.expiry > now:
                found.append(Overview(party: invitation.party, state: "invited", words: "", until: invitation.expiry))
            case .waiting:
                let words = invitation.submission?.words(party: invitation.party.id, descriptor: folder.descriptor)
                found.append(
                    Overview(
                        party: invitation.party, state: "waiting", words: words?.description ?? "",
                        until: invitation.expiry))
            default: break
            }
        }
        found.sort { $0.party == $1.party ? $0.state < $1.state : $0.party < $1.party }
        return (found, rosterNow?.content.epoch ?? 0, rosterNow?.hash)
    }
}
