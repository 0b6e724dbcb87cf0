// SPDX-License-Identifier: Apache-2.0
// How invitations are used: proof, waiting, approval; no clock, no store, no socket.

import Federation

/// All invitations of one federation.
///
/// Events go in with the time, actions come out. The caller makes each `store` durable before it does what stands
/// behind it, and drops this copy of the machine for the one before when that fails.
package struct EnrolmentStateMachine: Sendable {
    package enum Event: Sendable {
        case invited(Invitation)
        /// - Parameters: the request, who is counted for it (an address), SHA-256 of the key of the server it reached.
        case requested(EnrolmentRequest, source: String, serverKeyHash: [UInt8])
        case approved(tokenID: [UInt8])
        case declined(tokenID: [UInt8])
        /// The certificate was made, DER.
        case issued(tokenID: [UInt8], certificate: [UInt8])
    }

    package enum Action: Hashable, Sendable {
        case store(Invitation)
        /// Write an entry: a proved request is new.
        case recordRequest(Invitation)
        /// Make the certificate, and report it with ``Event/issued(tokenID:certificate:)``.
        case issue(Invitation)
        case reply(Answer)
        /// Tell the operator; a log entry of the kind `incident`.
        case alarm(Alarm, PartyName)
    }

    /// What the sender of a request is told.
    package enum Answer: Hashable, Sendable {
        case waiting
        case issued(certificate: [UInt8])
        case refused(EnrolmentError)
    }

    package enum Alarm: String, Hashable, Sendable {
        /// The same token came with other keys: one of two holders is a thief.
        case tokenUsedTwice
        case tokenGuessed
        /// A certificate with a successor was to be renewed again.
        case serialReplaced
        /// A request holds a key of somebody else.
        case keyReused
    }

    /// Wrong proofs after which a token is dead. Only well-formed requests count, and the secret has 128 bits: this is
    /// to be seen, not to be needed.
    package static let allowedWrongProofs = 5
    private static let burst = 20.0
    private static let requestsPerSecond = 0.5
    private static let rememberedSources = 4_096

    private struct Bucket {
        var tokens: Double
        var time: Int64
    }

    package private(set) var invitations: [[UInt8]: Invitation] = [:]
    /// Every key that any party has ever had: statement, witness and TLS keys, the last by their hash.
    private var knownKeys: [[UInt8]: PartyName]
    private var sources: [String: Bucket] = [:]

    /// - Parameter knownKeys: keys of all members, former ones included.
    package init(invitations: [Invitation] = [], knownKeys: [[UInt8]: PartyName] = [:]) {
        self.knownKeys = knownKeys
        for invitation in invitations {
            self.invitations[invitation.tokenID] = invitation
            if let submission = invitation.submission { claim(submission, for: invitation.party) }
        }
    }

    /// Invitations that wait for a person, by name.
    package var waiting: [Invitation] {
        invitations.values.filter { $0.phase == .waiting }.sorted { $0.party < $1.party }
    }

    package mutating func handle(_ event: Event, now: Int64) -> [Action] {
        switch event {
        case .invited(let invitation):
            invitations[invitation.tokenID] = invitation
            return [.store(invitation)]
        case .requested(let request, let source, let serverKeyHash):
            guard takeTurn(of: source, now: now) else { return [.reply(.refused(.tooManyRequests))] }
            return requested(request, serverKeyHash: serverKeyHash, now: now)
        case .approved(let id):
            guard let invitation = invitations[id], invitation.phase == .waiting else { return [] }
            return [.issue(invitation)]
        case .declined(let id):
            return change(id, from: [.open, .waiting]) { $0.phase = .declined }
        case .issued(let id, let certificate):
            return change(id, from: [.waiting]) {
                $0.phase = .issued
                $0.certificate = certificate
            }
        }
    }

    private mutating func change(
        _ id: [UInt8], from phases: Set<Invitation.Phase>, _ body: (inout Invitation) -> Void
    ) -> [Action] {
        guard var invitation = invitations[id], phases.contains(invitation.phase) else { return [] }
        body(&invitation)
        invitations[id] = invitation
        return [.store(invitation)]
    }

    // MARK: Requests

    private mutating func requested(_ request: EnrolmentRequest, serverKeyHash: [UInt8], now: Int64) -> [Action] {
        guard let invitation = invitations[request.tokenID] else { return [.reply(.refused(.unknownToken))] }
        if invitation.phase == .dead { return [.reply(.refused(.deadToken))] }
        guard request.isProved(by: invitation.proofKey, serverKeyHash: serverKeyHash) else {
            return wrongProof(invitation)
        }
        guard request.party == invitation.party.id else { return [.reply(.refused(.wrongName))] }
        if let submission = invitation.submission {
            // A repetition: a lost answer must not cost the token. Other keys: two people hold it.
            guard submission.identity == request.identity else {
                return [.alarm(.tokenUsedTwice, invitation.party), .reply(.refused(.usedToken))]
            }
            return [.reply(answer(invitation))]
        }
        if invitation.phase == .declined { return [.reply(.refused(.declined))] }
        // The operator's clock gave the expiry and judges it: the sender's does not matter.
        guard now < invitation.expiry else { return [.reply(.refused(.expiredToken))] }
        return submitted(request, invitation, serverKeyHash: serverKeyHash, now: now)
    }

    private mutating func submitted(
        _ request: EnrolmentRequest, _ invitation: Invitation, serverKeyHash: [UInt8], now: Int64
    ) -> [Action] {
        guard request.holdsKeys(serverKeyHash: serverKeyHash) else { return [.reply(.refused(.badSignature))] }
        let checked: CertificateRequest
        do {
            checked = try CertificateRequest(bytes: request.certificateRequest, party: request.party)
        } catch {
            return [.reply(.refused(error))]
        }
        let submission = Submission(
            identity: request.identity, certificateRequest: request.certificateRequest, keys: request.keys,
            publicKeyHash: checked.publicKeyHash, received: now)
        guard submission.allKeys.allSatisfy({ knownKeys[$0] == nil }), Set(submission.allKeys).count == 3 else {
            return [.alarm(.keyReused, invitation.party), .reply(.refused(.knownKey))]
        }
        var next = invitation
        next.phase = .waiting
        next.submission = submission
        invitations[next.tokenID] = next
        claim(submission, for: next.party)
        return [.store(next), .recordRequest(next), .reply(.waiting)]
    }

    private mutating func wrongProof(_ invitation: Invitation) -> [Action] {
        // A token that has done its work cannot be killed any more.
        guard invitation.phase == .open else { return [.reply(.refused(.wrongProof))] }
        var next = invitation
        next.wrongProofs += 1
        let isDead = next.wrongProofs >= Self.allowedWrongProofs
        if isDead { next.phase = .dead }
        invitations[next.tokenID] = next
        let alarms: [Action] = isDead ? [.alarm(.tokenGuessed, next.party)] : []
        return [.store(next)] + alarms + [.reply(.refused(isDead ? .deadToken : .wrongProof))]
    }

    private func answer(_ invitation: Invitation) -> Answer {
        switch invitation.phase {
        case .issued: invitation.certificate.map { .issued(certificate: $0) } ?? .refused(.unavailable)
        case .declined: .refused(.declined)
        case .dead: .refused(.deadToken)
        case .open, .waiting: .waiting
        }
    }

    private mutating func claim(_ submission: Submission, for party: PartyName) {
        for key in submission.allKeys { knownKeys[key] = party }
    }

    /// A token bucket for each address; beyond the table's size newcomers share one.
    private mutating func takeTurn(of source: String, now: Int64) -> Bool {
        if sources.count >= Self.rememberedSources, sources[source] == nil {
            sources = sources.filter { now - $0.value.time < Int64(Self.burst / Self.requestsPerSecond) }
        }
        let key = sources.count < Self.rememberedSources || sources[source] != nil ? source : ""
        var bucket = sources[key] ?? Bucket(tokens: Self.burst, time: now)
        bucket.tokens = min(Self.burst, bucket.tokens + Double(max(0, now - bucket.time)) * Self.requestsPerSecond)
        bucket.time = now
        defer { sources[key] = bucket }
        guard bucket.tokens >= 1 else { return false }
        bucket.tokens -= 1
        return true
    }
}

extension Submission {
    /// What must never have been seen before.
    var allKeys: [[UInt8]] { [keys.statement.bytes, keys.witness.bytes, publicKeyHash.bytes] }
}
