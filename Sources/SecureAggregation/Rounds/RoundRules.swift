// SPDX-License-Identifier: Apache-2.0
// What everybody in one attempt holds true before anything is dealt, and the checks that follow from it.

package import Federation

/// The agreed facts of one context: who has which key, who shares with whom, and what the round must not fall below.
///
/// All of it is hashed into the context, so two parties with different rules have different contexts, and nothing that
/// one of them signs means anything to the other.
package struct RoundRules: Sendable {
    package let context: Digest
    package let parameters: SumParameters
    package let graph: NeighbourGraph
    package let terms: RoundTerms
    /// Of positions 1...n, in order.
    package let statementKeys: [StatementPublicKey]
    package let aggregatorKey: StatementPublicKey

    /// - Precondition: one key for each position.
    package init(
        context: Digest, parameters: SumParameters, graph: NeighbourGraph, terms: RoundTerms,
        statementKeys: [StatementPublicKey], aggregatorKey: StatementPublicKey
    ) {
        precondition(statementKeys.count == parameters.count, "one statement key for each position")
        self.context = context
        self.parameters = parameters
        self.graph = graph
        self.terms = terms
        self.statementKeys = statementKeys
        self.aggregatorKey = aggregatorKey
    }

    /// n.
    package var count: Int { parameters.count }

    /// The key of a position; nil outside 1...n.
    package func key(of position: Position) -> StatementPublicKey? {
        (1...count).contains(position) ? statementKeys[position - 1] : nil
    }

    /// The holders of a dealer's shares: its neighbours and itself, within `set`.
    package func holders(of dealer: Position, within set: PositionSet) -> [Position] {
        graph.closedNeighbourhood(of: dealer).filter(set.contains)
    }
}

// MARK: Sets

extension RoundRules {
    /// Whether a set may stand as V1, before a site binds to it.
    ///
    /// - Throws: `.inadmissibleSet` or `.belowFloor`.
    package func check(dealers: PositionSet) throws(SecureSumError) {
        guard graph.isAdmissible(dealers, parameters: parameters) else { throw .inadmissibleSet }
        if let violation = terms.violation(ofDealers: dealers, parameters: parameters) { throw .belowFloor(violation) }
    }

    /// Whether a set may stand as U, before a site signs it or releases for it.
    ///
    /// - Throws: `.inadmissibleSet` or `.belowFloor`.
    package func check(survivors: PositionSet) throws(SecureSumError) {
        guard graph.isAdmissible(survivors, parameters: parameters) else { throw .inadmissibleSet }
        if let violation = terms.violation(of: survivors, parameters: parameters) { throw .belowFloor(violation) }
    }

    /// Leg R1'': the aggregator's manifest, without what a site knows of its own deal.
    package func check(_ manifest: Manifest) throws(SecureSumError) {
        guard manifest.context == context else { throw .otherContext }
        guard manifest.isSigned(by: aggregatorKey) else { throw .badSignature }
        try check(dealers: manifest.dealers)
    }

    /// Legs R3 and R4: a set and the inputs that it stands for.
    ///
    /// - Parameters:
    ///   - inputs: the input statements of all members, ascending.
    ///   - verifier: the position that checks; in a graph it verifies the signatures of its own neighbourhood, whose
    ///     shares alone can be used against it. nil verifies all.
    package func check(
        _ set: SurvivorSet, inputs: [InputStatement], boundTo manifest: Manifest, verifier: Position?
    ) throws(SecureSumError) {
        guard set.context == context else { throw .otherContext }
        guard set.manifest == manifest.hash else { throw .otherManifest }
        guard set.survivors.isSubset(of: manifest.dealers) else { throw .survivorNotInManifest }
        try check(survivors: set.survivors)
        guard inputs.map(\.site) == set.survivors.positions, SurvivorSet.hash(of: inputs) == set.inputs else {
            throw .inputsDoNotMatch
        }
        let watched = verifier.map { Set(graph.closedNeighbourhood(of: $0)) }
        for input in inputs {
            guard input.context == context, input.manifest == set.manifest else { throw .otherManifest }
            if let watched, !parameters.isComplete, !watched.contains(input.site) { continue }
            guard let key = key(of: input.site), input.isSigned(by: key) else { throw .badSignature }
        }
    }

    /// Leg R3: the aggregator's proposal of a set.
    package func check(
        _ proposal: SetProposal, inputs: [InputStatement], boundTo manifest: Manifest, verifier: Position?
    ) throws(SecureSumError) {
        guard proposal.isSigned(by: aggregatorKey) else { throw .badSignature }
        try check(proposal.set, inputs: inputs, boundTo: manifest, verifier: verifier)
    }

    /// Leg R4: a quorum of distinct members signed exactly this set.
    package func check(_ certificate: SetCertificate) throws(SecureSumError) {
        guard certificate.set.context == context else { throw .otherContext }
        try checkQuorum(certificate.signatures, of: certificate.set.bytes, members: certificate.set.survivors)
    }

    package func check(_ certificate: VoidCertificate) throws(SecureSumError) {
        guard certificate.context == context else { throw .otherContext }
        try checkQuorum(
            certificate.signatures, of: VoidCertificate.statement(context), members: .full(count))
    }

    private func checkQuorum(
        _ signatures: [PositionSignature], of message: [UInt8], members: PositionSet
    ) throws(SecureSumError) {
        guard signatures.count >= parameters.quorum else { throw .noQuorum }
        var last = 0
        for one in signatures {
            // Ascending, so that nobody counts twice.
            guard one.position > last, members.contains(one.position) else { throw .signerNotAllowed }
            last = one.position
            guard let key = key(of: one.position), key.verifies(one.signature, of: message, domain: "") else {
                throw .badSignature
            }
        }
    }
}
