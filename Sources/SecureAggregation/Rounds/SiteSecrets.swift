// SPDX-License-Identifier: Apache-2.0
// What a site must keep to itself in one context, and the objects it makes of it.

package import Federation

/// A site's own seeds and the shares that others dealt it.
///
/// The root is drawn once and on disk before the first header leaves; everything of the site's own follows from it. The
/// state machine says when an object may be made; this value makes it, any number of times with the same bytes, the
/// deal excepted: an envelope sealed again has other bytes, so it is stored as it was sent.
package struct SiteSecrets: ~Copyable {
    package let rules: RoundRules
    package let position: Position
    private let own: DealSecrets
    private var received: [Position: ReceivedDeal] = [:]

    /// - Parameter root: ρ, 32 bytes of the system's generator, for this context and nothing else.
    package init(rules: RoundRules, position: Position, root: consuming SecretBytes) {
        self.rules = rules
        self.position = position
        own = DealSecrets(
            root: root, context: rules.context,
            partners: rules.graph.neighbours(of: position).filter { $0 > position })
    }

    /// R1: header and envelopes.
    ///
    /// - Throws: as ``RoundRules/makeDeal(_:dealer:envelopeKeys:signedBy:)``.
    package borrowing func deal(
        envelopeKeys: [EnvelopePublicKey?], signedBy key: StatementKey
    ) throws(SecureSumError) -> Deal {
        var seeds = try rules.seeds(of: position, from: own)
        defer { seeds.wipe() }
        return try rules.makeDeal(seeds, dealer: position, envelopeKeys: envelopeKeys, signedBy: key)
    }

    /// R1: opens a neighbour's envelope, checks it against the header, and keeps what is in it.
    ///
    /// - Throws: as ``RoundRules/checkDeal(_:envelope:from:to:with:)``.
    package mutating func receive(
        _ header: DealHeader, envelope: [UInt8], from dealer: Position, with key: EnvelopePrivateKey
    ) throws(SecureSumError) {
        received[dealer] = try rules.checkDeal(header, envelope: envelope, from: dealer, to: position, with: key)
    }

    /// R2: the masks of this site over its neighbours in a manifest.
    ///
    /// - Throws: `.unexpected` while a neighbour's deal is missing, or is not the one that the manifest names.
    package borrowing func masks(for manifest: Manifest) throws(SecureSumError) -> SiteMasks {
        var masks = SiteMasks(position: position, selfSeed: own.selfSeed(), context: rules.context)
        for neighbour in rules.graph.neighbours(of: position) where manifest.dealers.contains(neighbour) {
            guard let deal = received[neighbour], deal.header == manifest.header(of: neighbour) else {
                throw .unexpected
            }
            if neighbour > position {
                masks.addPair(with: neighbour, seed: own.pairSeed(with: neighbour))
            } else if let seed = deal.pairSeed {
                masks.addPair(with: neighbour, seed: seed.secret)
            } else {
                throw .unexpected
            }
        }
        return masks
    }

    /// R4: the shares that a certified set asks of this site.
    ///
    /// - Throws: `.unexpected` while a neighbour's deal is missing; `.cryptographyFailed`.
    package borrowing func release(
        for set: SurvivorSet, boundTo manifest: Manifest, signedBy key: StatementKey
    ) throws(SecureSumError) -> ShareRelease {
        let plan = UnmaskingPlan(graph: rules.graph, dealers: manifest.dealers, survivors: set.survivors)
        var held: [Position: [[UInt8]]] = [:]
        held[position] = try own.shares(for: [position], threshold: rules.parameters.threshold)[0]
        for neighbour in rules.graph.neighbours(of: position) where manifest.dealers.contains(neighbour) {
            guard let deal = received[neighbour] else { throw .unexpected }
            held[neighbour] = deal.shares
        }
        return try rules.release(for: set, plan: plan, holder: position, held: held, signedBy: key)
    }
}
