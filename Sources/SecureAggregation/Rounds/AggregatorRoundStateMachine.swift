// SPDX-License-Identifier: Apache-2.0
// The aggregator's half of one attempt at a secure sum: what it may send, and what must be on disk before.

package import Federation

/// The states of the aggregator in one attempt (privacy design review, §4.3).
///
/// It sees no time: the caller says when a leg's deadline has passed. Every ``Record`` is written to disk before the
/// actions after it are performed; a restart replays them. Nothing the machine decides protects a site from a lying
/// aggregator, which runs a program of its own; the sites' half does.
///
/// | from | event | to |
/// |---|---|---|
/// | dealing | all acknowledge all, or deadline | collecting, or finished(degraded) |
/// | collecting | all inputs, or deadline | certifying, or voiding |
/// | certifying | Q signatures | logging (strict) or unmasking |
/// | certifying | deadline | voiding, where enough sites are left to promise it |
/// | logging | cosigned | unmasking |
/// | unmasking | t shares of each secret | finished(released), or finished(blamed), finished(garbage) |
/// | voiding | Q promises | finished(voided) |
package struct AggregatorRoundStateMachine: Sendable {
    package enum Outcome: String, CaseIterable, Hashable, Sendable {
        /// The sum was formed.
        case released
        /// A dealer's shares contradict what it committed to.
        case blamed
        /// All secrets were rebuilt, and the check lanes still do not count the survivors.
        case garbage
        /// Too few sites dealt; nobody had uploaded.
        case degraded
        case voided
        case abandoned
    }

    package enum State: Hashable, Sendable {
        case dealing, collecting, certifying, logging, unmasking, voiding
        case finished(Outcome)
    }

    package enum Record: Hashable, Sendable {
        case manifest(Manifest)
        case input(InputStatement)
        case proposal(SetProposal)
        case certificate(SetCertificate)
        case logged
        case voiding
        case voidCertificate(VoidCertificate)
        case finished(Outcome)
    }

    package enum Action: Hashable, Sendable {
        case record(Record)
        /// Sign the manifest of these dealers and hand it to ``AggregatorRoundStateMachine/signed(_:)-manifest``.
        case signManifest(PositionSet, headers: [Digest])
        case sendManifest(Manifest)
        /// Sign and send a receipt for the stored input.
        case receipt(InputStatement)
        case signProposal(SurvivorSet)
        case sendProposal(SetProposal, inputs: [InputStatement])
        /// Write the certificate to the log and wait for the witnesses.
        case log(SetCertificate)
        case sendCertificate(SetCertificate, inputs: [InputStatement])
        case requestVoid
        case sendVoidCertificate(VoidCertificate)
        /// Every secret can be rebuilt.
        case unmask(SetCertificate)
    }

    package let rules: RoundRules
    package private(set) var state = State.dealing
    package private(set) var manifest: Manifest?
    package private(set) var inputs: [Position: InputStatement] = [:]
    package private(set) var proposal: SetProposal?
    package private(set) var certificate: SetCertificate?
    package private(set) var voidCertificate: VoidCertificate?

    private var headers: [Position: Digest] = [:]
    private var acknowledgements: [Position: PositionSet] = [:]
    private var setSignatures: [Position: [UInt8]] = [:]
    private var voidSignatures: [Position: [UInt8]] = [:]

    package init(rules: RoundRules) { self.rules = rules }

    /// The survivors' statements, ascending; what a proposal and a certificate travel with.
    package var survivingInputs: [InputStatement] {
        proposal?.set.survivors.positions.compactMap { inputs[$0] } ?? []
    }

    private var isFinished: Bool {
        if case .finished = state { true } else { false }
    }
}

// MARK: Dealing

extension AggregatorRoundStateMachine {
    /// A dealer's header and envelopes are stored.
    package mutating func receive(_ header: DealHeader) throws(SecureSumError) -> [Action] {
        guard state == .dealing else { throw .unexpected }
        guard header.context == rules.context else { throw .otherContext }
        guard let key = rules.key(of: header.dealer), header.isSigned(by: key) else { throw .badSignature }
        guard headers[header.dealer] == nil || headers[header.dealer] == header.hash else { throw .secondHeader }
        headers[header.dealer] = header.hash
        return []
    }

    package mutating func receive(_ acknowledgement: DealAcknowledgement) throws(SecureSumError) -> [Action] {
        guard state == .dealing else { throw .unexpected }
        guard acknowledgement.context == rules.context else { throw .otherContext }
        guard let key = rules.key(of: acknowledgement.site), acknowledgement.isSigned(by: key) else {
            throw .badSignature
        }
        guard headers[acknowledgement.site] != nil else { throw .unexpected }
        acknowledgements[acknowledgement.site] = acknowledgement.accepted
        return everybodyAcceptsAll ? selectDealers() : []
    }

    private var everybodyAcceptsAll: Bool {
        acknowledgements.count == rules.count
            && acknowledgements.allSatisfy { site, accepted in
                rules.graph.neighbours(of: site).allSatisfy(accepted.contains)
            }
    }

    private mutating func selectDealers() -> [Action] {
        var selection = DealerSelection(
            graph: rules.graph, rosterCount: rules.count, accepted: acknowledgements)
        let dealers = selection.select()
        do throws(SecureSumError) { try rules.check(dealers: dealers) } catch { return finish(.degraded) }
        return [.signManifest(dealers, headers: dealers.positions.compactMap { headers[$0] })]
    }

    /// The manifest is signed: from here on there is no other in this context.
    package mutating func signed(_ manifest: Manifest) throws(SecureSumError) -> [Action] {
        guard state == .dealing else { throw .unexpected }
        try rules.check(manifest)
        apply(.manifest(manifest))
        return [.record(.manifest(manifest)), .sendManifest(manifest)]
    }
}

// MARK: Inputs and certificate

extension AggregatorRoundStateMachine {
    /// A site's whole vector is stored and its chunks hash to the root of its statement.
    package mutating func receive(_ input: InputStatement) throws(SecureSumError) -> [Action] {
        if inputs[input.site] == input { return [.receipt(input)] }
        guard state == .collecting, let manifest else { throw .unexpected }
        guard input.context == rules.context, input.manifest == manifest.hash else { throw .otherManifest }
        guard manifest.dealers.contains(input.site), let key = rules.key(of: input.site), input.isSigned(by: key)
        else { throw .badSignature }
        guard inputs[input.site] == nil else { throw .secondInput }
        apply(.input(input))
        let actions: [Action] = [.record(.input(input)), .receipt(input)]
        return inputs.count == manifest.dealers.count ? actions + closeCollection() : actions
    }

    private mutating func closeCollection() -> [Action] {
        guard let manifest else { return [] }
        let survivors = PositionSet(rosterCount: rules.count, inputs.keys)
        do throws(SecureSumError) { try rules.check(survivors: survivors) } catch { return beginVoid() }
        let statements = survivors.positions.compactMap { inputs[$0] }
        return [
            .signProposal(
                SurvivorSet(
                    context: rules.context, manifest: manifest.hash, survivors: survivors,
                    inputs: SurvivorSet.hash(of: statements)))
        ]
    }

    /// The proposal is signed: from here on there is no other in this context.
    package mutating func signed(_ proposal: SetProposal) throws(SecureSumError) -> [Action] {
        guard state == .collecting, let manifest else { throw .unexpected }
        let statements = proposal.set.survivors.positions.compactMap { inputs[$0] }
        try rules.check(proposal, inputs: statements, boundTo: manifest, verifier: nil)
        apply(.proposal(proposal))
        return [.record(.proposal(proposal)), .sendProposal(proposal, inputs: statements)]
    }

    /// A survivor signed the set.
    package mutating func receiveSetSignature(_ one: PositionSignature) throws(SecureSumError) -> [Action] {
        guard state == .certifying, let proposal else { throw .unexpected }
        guard proposal.set.survivors.contains(one.position) else { throw .signerNotAllowed }
        guard let key = rules.key(of: one.position),
            key.verifies(one.signature, of: proposal.set.bytes, domain: "")
        else { throw .badSignature }
        setSignatures[one.position] = one.signature
        guard setSignatures.count >= rules.parameters.quorum else { return [] }
        let certificate = SetCertificate(set: proposal.set, signatures: Self.sorted(setSignatures))
        apply(.certificate(certificate))
        let record = Action.record(.certificate(certificate))
        return rules.terms.isStrict
            ? [record, .log(certificate)] : [record, .sendCertificate(certificate, inputs: survivingInputs)]
    }

    /// Strict mode: a quorum of witnesses cosigned a checkpoint that holds the certificate.
    package mutating func logged() throws(SecureSumError) -> [Action] {
        guard state == .logging, let certificate else { throw .unexpected }
        apply(.logged)
        return [.record(.logged), .sendCertificate(certificate, inputs: survivingInputs)]
    }

    private static func sorted(_ signatures: [Position: [UInt8]]) -> [PositionSignature] {
        signatures.map { PositionSignature(position: $0.key, signature: $0.value) }
            .sorted { $0.position < $1.position }
    }
}

// MARK: Deadlines, void, end

extension AggregatorRoundStateMachine {
    /// The time of the present leg is over.
    package mutating func deadline() -> [Action] {
        switch state {
        case .dealing: selectDealers()
        case .collecting: closeCollection()
        case .certifying: mayVoid ? beginVoid() : []
        case .logging: rules.parameters.isComplete ? beginVoid() : []
        // Released shares cannot be taken back: whoever is missing may return.
        case .unmasking, .voiding, .finished: []
        }
    }

    /// Whether a quorum could still promise not to release: on the complete graph also those who signed the set.
    private var mayVoid: Bool {
        rules.parameters.isComplete || rules.count - setSignatures.count >= rules.parameters.quorum
    }

    /// Unmasking waits in vain: on the complete graph the attempt may be voided while fewer than t sites released.
    package mutating func giveUpUnmasking(released: Int) throws(SecureSumError) -> [Action] {
        guard state == .unmasking, rules.parameters.isComplete, released < rules.parameters.threshold else {
            throw .unexpected
        }
        return beginVoid()
    }

    private mutating func beginVoid() -> [Action] {
        apply(.voiding)
        return [.record(.voiding), .requestVoid]
    }

    package mutating func receiveVoidSignature(_ one: PositionSignature) throws(SecureSumError) -> [Action] {
        guard state == .voiding else { throw .unexpected }
        guard let key = rules.key(of: one.position),
            key.verifies(one.signature, of: VoidCertificate.statement(rules.context), domain: "")
        else { throw .badSignature }
        voidSignatures[one.position] = one.signature
        guard voidSignatures.count >= rules.parameters.quorum else { return [] }
        let certificate = VoidCertificate(context: rules.context, signatures: Self.sorted(voidSignatures))
        apply(.voidCertificate(certificate))
        return [
            .record(.voidCertificate(certificate)), .sendVoidCertificate(certificate),
        ]
    }

    /// Every secret of the plan has t good shares.
    package func sharesComplete() throws(SecureSumError) -> [Action] {
        guard state == .unmasking, let certificate else { throw .unexpected }
        return [.unmask(certificate)]
    }

    /// How unmasking ended.
    package mutating func unmasked(_ outcome: Outcome) throws(SecureSumError) -> [Action] {
        guard state == .unmasking, [.released, .blamed, .garbage].contains(outcome) else { throw .unexpected }
        return finish(outcome)
    }

    /// The operator gives the attempt up; sites that uploaded have spent their updates.
    package mutating func abandon() -> [Action] { isFinished ? [] : finish(.abandoned) }

    private mutating func finish(_ outcome: Outcome) -> [Action] {
        apply(.finished(outcome))
        return [.record(.finished(outcome))]
    }
}

// MARK: Replay

extension AggregatorRoundStateMachine {
    /// The machine as it was when the last of `records` was written; its caller repeats the sends.
    ///
    /// Headers, acknowledgements and signatures are asked for again: sites answer with the same bytes.
    package init(rules: RoundRules, replaying records: some Sequence<Record>) {
        self.init(rules: rules)
        for record in records { apply(record) }
    }

    private mutating func apply(_ record: Record) {
        switch record {
        case .manifest(let manifest):
            self.manifest = manifest
            state = .collecting
        case .input(let input): inputs[input.site] = input
        case .proposal(let proposal):
            self.proposal = proposal
            state = .certifying
        case .certificate(let certificate):
            self.certificate = certificate
            state = rules.terms.isStrict ? .logging : .unmasking
        case .logged: state = .unmasking
        case .voiding: state = .voiding
        case .voidCertificate(let certificate):
            voidCertificate = certificate
            state = .finished(.voided)
        case .finished(let outcome): state = .finished(outcome)
        }
    }
}
