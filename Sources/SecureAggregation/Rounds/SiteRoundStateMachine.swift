// SPDX-License-Identifier: Apache-2.0
// A site's half of one attempt at a secure sum: which message it may answer, and what must be on disk before.

package import Federation

/// The states of a site in one context (privacy design review, §4.1).
///
/// The machine holds no secret. It says what is to be done (``Action``); the caller keeps the dealt seeds and received
/// shares, writes every ``Record`` to disk before it performs the action after it, and on a restart replays the records.
/// A refused event throws and leaves the state as it was.
///
/// | from | event | to |
/// |---|---|---|
/// | open | dealt | dealt |
/// | dealt, acknowledged | acknowledge | acknowledged |
/// | acknowledged | manifest with me and all my neighbours in it | bound |
/// | acknowledged | manifest without me, or with a neighbour I lack | closed(refused) |
/// | bound | input ready | exposed |
/// | exposed | proposal with me | setSigned |
/// | bound, exposed, setSigned | certificate | released |
/// | voidSigned | certificate without me | closed(excluded) |
/// | open … exposed, closed(refused); setSigned on the complete graph | void request | voidSigned |
/// | any but closed | void certificate | closed(voided) |
/// | released | result | closed(included) or closed(excluded) |
/// | any but closed | abandon | closed(abandoned) |
package struct SiteRoundStateMachine: Sendable {
    package enum Outcome: String, CaseIterable, Hashable, Sendable {
        case included, excluded, voided, refused, abandoned
    }

    package enum State: Hashable, Sendable {
        case open
        case dealt
        case acknowledged
        case bound
        case exposed
        case setSigned
        case released
        case voidSigned
        case closed(Outcome)
    }

    /// What happens to the update that a site stored for this attempt (§4.2).
    package enum UpdateChange: Hashable, Sendable {
        /// From now on its first chunk may have left.
        case exposed
        /// It can be in no released sum, for this reason: another attempt may send it.
        case free(UpdateLife.Proof)
        /// It is, or may be, in a released sum.
        case spent
    }

    /// What must be on disk before the actions after it are performed.
    package enum Record: Hashable, Sendable {
        case dealt(header: Digest)
        case acknowledged
        case bound(Manifest)
        case exposed(InputStatement)
        case setSigned(SurvivorSet)
        case released(SurvivorSet)
        case voidSigned
        case closed(Outcome)
    }

    package enum Action: Hashable, Sendable {
        case record(Record)
        case update(UpdateChange)
        /// Sign and send an acknowledgement of these dealers, with the complaints about the others.
        case acknowledge(PositionSet, [DealAcknowledgement.Complaint])
        /// Send the stored chunks and then the stored statement.
        case upload(InputStatement)
        /// Sign and send the set.
        case sign(SurvivorSet)
        /// Make, or repeat, the release of this site's shares for the set.
        case release(SurvivorSet)
        /// Sign and send the void statement.
        case signVoid
        /// The context is over: seeds, shares, envelopes and masked vector are erased.
        case erase
        /// Somebody signed two things that exclude each other; kept and reported.
        case report(Evidence)
    }

    /// A proof of misbehaviour: two objects, signed by the aggregator, of which there may be one.
    package enum Evidence: Hashable, Sendable {
        case twoManifests(Manifest, Manifest)
        case twoProposals(SurvivorSet, SetProposal)
    }

    package let rules: RoundRules
    /// This site's position.
    package let position: Position
    package private(set) var state = State.open
    package private(set) var manifest: Manifest?
    package private(set) var input: InputStatement?
    /// The set this site signed.
    package private(set) var signedSet: SurvivorSet?
    /// The set this site released its shares for.
    package private(set) var releasedSet: SurvivorSet?
    package private(set) var hasSignedVoid = false

    /// SHA-256 of this site's own header.
    private var ownHeader: Digest?
    /// Headers of the dealers whose envelopes opened and held what they must.
    private var accepted: [Position: Digest] = [:]
    private var complaints: [Position: DealAcknowledgement.Complaint] = [:]
    private var isExposed: Bool { input != nil }

    package init(rules: RoundRules, position: Position) {
        precondition((1...rules.count).contains(position), "a site has a position of its roster")
        self.rules = rules
        self.position = position
    }

    private var isClosed: Bool {
        if case .closed = state { true } else { false }
    }
}

// MARK: Dealing

extension SiteRoundStateMachine {
    /// R1: the own header and envelopes are made; they are stored with the record and never made again.
    package mutating func dealt(header: Digest) throws(SecureSumError) -> [Action] {
        guard state == .open else { throw .unexpected }
        apply(.dealt(header: header))
        return [.record(.dealt(header: header))]
    }

    /// R1: a dealer's header and envelope were checked and hold what they must.
    package mutating func accept(dealer: Position, header: Digest) throws(SecureSumError) {
        guard state == .dealt || state == .acknowledged else { throw .unexpected }
        guard rules.graph.neighbours(of: position).contains(dealer) else { throw .notANeighbour }
        // The first one stands: a second header by one dealer would be a second deal.
        guard accepted[dealer] == nil || accepted[dealer] == header else { throw .secondHeader }
        accepted[dealer] = header
        complaints[dealer] = nil
    }

    /// R1: a dealer's header or envelope is bad.
    package mutating func complain(_ complaint: DealAcknowledgement.Complaint) throws(SecureSumError) {
        guard state == .dealt || state == .acknowledged else { throw .unexpected }
        guard rules.graph.neighbours(of: position).contains(complaint.dealer) else { throw .notANeighbour }
        guard accepted[complaint.dealer] == nil else { return }
        complaints[complaint.dealer] = complaint
    }

    /// R1': says which dealers are accepted so far; may be said again with more of them.
    package mutating func acknowledge() throws(SecureSumError) -> [Action] {
        guard state == .dealt || state == .acknowledged else { throw .unexpected }
        apply(.acknowledged)
        let dealers = PositionSet(rosterCount: rules.count, accepted.keys)
        return [
            .record(.acknowledged),
            .acknowledge(dealers, complaints.values.sorted { $0.dealer < $1.dealer }),
        ]
    }

    /// R1'': binds this site to the set over which it masks, once.
    package mutating func receive(_ manifest: Manifest) throws(SecureSumError) -> [Action] {
        guard manifest.context == rules.context else { throw .otherContext }
        guard manifest.isSigned(by: rules.aggregatorKey) else { throw .badSignature }
        if let bound = self.manifest {
            if bound.hash == manifest.hash { return [] }
            guard !isClosed else { throw .secondManifest }
            // Two manifests of one context: whatever else arrives in it is not to be trusted.
            let evidence = Action.report(.twoManifests(bound, manifest))
            return state == .released || hasSignedVoid ? [evidence] : [evidence] + close(.refused)
        }
        guard state == .acknowledged else { throw .unexpected }
        try rules.check(manifest)
        guard knowsDeals(of: manifest) else { return close(.refused) }
        apply(.bound(manifest))
        return [.record(.bound(manifest))]
    }

    /// Whether this site is in the manifest with its own header, and holds a good envelope of each neighbour in it.
    private func knowsDeals(of manifest: Manifest) -> Bool {
        guard let ownHeader, manifest.header(of: position) == ownHeader else { return false }
        return rules.graph.neighbours(of: position).filter(manifest.dealers.contains).allSatisfy { neighbour in
            accepted[neighbour] != nil && accepted[neighbour] == manifest.header(of: neighbour)
        }
    }
}

// MARK: Input and set

extension SiteRoundStateMachine {
    /// R2: the masked vector, its root and its statement are on disk; only now may a first chunk leave.
    ///
    /// The caller has debited the ledger and made sure that the update is fresh or free.
    package mutating func inputReady(_ statement: InputStatement) throws(SecureSumError) -> [Action] {
        if let input, input == statement, state == .exposed || state == .setSigned { return [.upload(statement)] }
        guard state == .bound, let manifest else { throw .unexpected }
        guard statement.context == rules.context, statement.manifest == manifest.hash, statement.site == position
        else { throw .otherContext }
        apply(.exposed(statement))
        return [.update(.exposed), .record(.exposed(statement)), .upload(statement)]
    }

    /// R3: signs the proposed set, once in this context.
    package mutating func receive(
        _ proposal: SetProposal, inputs: [InputStatement]
    ) throws(SecureSumError) -> [Action] {
        guard let manifest, let input, !hasSignedVoid else { throw .unexpected }
        try rules.check(proposal, inputs: inputs, boundTo: manifest, verifier: position)
        if let signedSet, !isClosed {
            guard signedSet == proposal.set else { return [.report(.twoProposals(signedSet, proposal))] }
            return [.sign(signedSet)]
        }
        guard state == .exposed else { throw .unexpected }
        guard proposal.set.survivors.contains(position) else { return [] }
        guard inputs.contains(input) else { throw .inputsDoNotMatch }
        apply(.setSigned(proposal.set))
        return [.record(.setSigned(proposal.set)), .sign(proposal.set)]
    }

    /// R4: releases this site's shares for a certified set, for one set in this context.
    ///
    /// The certified set need not be the one this site signed: a quorum can stand behind one only.
    package mutating func receive(
        _ certificate: SetCertificate, inputs: [InputStatement]
    ) throws(SecureSumError) -> [Action] {
        if let releasedSet, state == .released {
            guard releasedSet == certificate.set else { throw .secondSet }
            return [.release(releasedSet)]
        }
        guard let manifest, !isClosed else { throw .unexpected }
        try rules.check(certificate.set, inputs: inputs, boundTo: manifest, verifier: position)
        try rules.check(certificate)
        let isMember = certificate.set.survivors.contains(position)
        if hasSignedVoid {
            // It promised not to release. The certificate is unique, so outside of it the update is free for good.
            return isMember ? [] : close(.excluded, proof: .setWithoutMe)
        }
        if isMember, !inputs.contains(where: { $0 == input }) { throw .inputsDoNotMatch }
        apply(.released(certificate.set))
        return [.record(.released(certificate.set)), .release(certificate.set)]
    }

    /// R5: the aggregator published what came out.
    package mutating func receive(_ result: RoundResult) throws(SecureSumError) -> [Action] {
        guard result.context == rules.context else { throw .otherContext }
        guard result.isSigned(by: rules.aggregatorKey) else { throw .badSignature }
        guard state == .released, let releasedSet else { throw .unexpected }
        guard result.set == releasedSet.hash else { throw .secondSet }
        return finishReleased()
    }

    /// The epoch is over, its answer long given: a site that released waits no longer for the result.
    package mutating func epochEnded() -> [Action] {
        guard !isClosed else { return [] }
        return state == .released ? finishReleased() : close(.abandoned)
    }

    private mutating func finishReleased() -> [Action] {
        releasedSet?.survivors.contains(position) == true
            ? close(.included) : close(.excluded, proof: .setWithoutMe)
    }
}

// MARK: Void and end

extension SiteRoundStateMachine {
    /// Promises never to release shares and never to sign a set in this context.
    ///
    /// On the complete graph a site may promise it even after it signed a set: with Q such promises fewer than t sites
    /// are left that could release. In a sparse graph all holders of one neighbourhood may be among those few, so there
    /// a signed set excludes the promise.
    package mutating func voidRequested() throws(SecureSumError) -> [Action] {
        if hasSignedVoid { return [.signVoid] }
        switch state {
        case .open, .dealt, .acknowledged, .bound, .exposed, .closed(.refused): break
        case .setSigned where rules.parameters.isComplete: break
        default: throw .unexpected
        }
        let wasRefused = state == .closed(.refused)
        apply(.voidSigned)
        var actions: [Action] = [.record(.voidSigned), .signVoid]
        // Nothing can be rebuilt without this site: its own promise is proof enough.
        if rules.parameters.quorum == rules.count, !wasRefused { actions += close(.voided, proof: .ownVoid) }
        return actions
    }

    /// A quorum promised: nothing of this context will ever be unmasked.
    package mutating func receive(_ certificate: VoidCertificate) throws(SecureSumError) -> [Action] {
        try rules.check(certificate)
        guard !isClosed else { return [] }
        return close(.voided, proof: .voidCertificate)
    }

    /// An officer's order, a restore from a backup, or an epoch that ended a day ago.
    package mutating func abandon() -> [Action] {
        isClosed ? [] : close(.abandoned)
    }

    /// - Parameter proof: why an exposed update can be in no sum of this context; nil where nothing shows it.
    private mutating func close(_ outcome: Outcome, proof: UpdateLife.Proof? = nil) -> [Action] {
        let change = isExposed ? updateChange(at: outcome, proof: proof) : nil
        apply(.closed(outcome))
        return (change.map { [.update($0)] } ?? []) + [.record(.closed(outcome)), .erase]
    }

    /// What the end of this context means for an exposed update.
    private func updateChange(at outcome: Outcome, proof: UpdateLife.Proof?) -> UpdateChange {
        guard let proof else { return .spent }
        // After a release in a sparse graph, a void certificate contradicts what a quorum allows: assume the worst.
        if outcome == .voided, releasedSet != nil, !rules.parameters.isComplete { return .spent }
        return .free(proof)
    }
}

// MARK: Replay

extension SiteRoundStateMachine {
    /// The machine as it was when the last of `records` was written.
    ///
    /// Acceptances are not recorded: a restarted site checks the stored envelopes again.
    package init(rules: RoundRules, position: Position, replaying records: some Sequence<Record>) {
        self.init(rules: rules, position: position)
        for record in records { apply(record) }
    }

    private mutating func apply(_ record: Record) {
        switch record {
        case .dealt(let header):
            ownHeader = header
            state = .dealt
        case .acknowledged: state = .acknowledged
        case .bound(let manifest):
            self.manifest = manifest
            state = .bound
        case .exposed(let statement):
            input = statement
            state = .exposed
        case .setSigned(let set):
            signedSet = set
            state = .setSigned
        case .released(let set):
            releasedSet = set
            state = .released
        case .voidSigned:
            hasSignedVoid = true
            if state != .closed(.refused) { state = .voidSigned }
        case .closed(let outcome): state = .closed(outcome)
        }
    }
}
