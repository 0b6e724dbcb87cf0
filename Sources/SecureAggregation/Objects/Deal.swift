// SPDX-License-Identifier: Apache-2.0
// R1: a dealer's header and envelopes, made once from its secrets.

package import Federation

/// What a dealer sends in leg R1. It is stored before it is sent: made again, the envelopes have other bytes, and their
/// header would be a second one.
package struct Deal: Hashable, Sendable {
    package let header: DealHeader
    /// By neighbour; none for those that are absent from the epoch.
    package let envelopes: [Position: [UInt8]]
}

/// The seeds of a dealer and everybody's shares of them, as they are sealed: secrets.
package struct DealtSeeds: Sendable, Unprinted {
    /// b_u.
    package let selfSeed: HeldSecret
    /// s_uw for the neighbours w above the dealer, ascending.
    package let pairSeeds: [HeldSecret]
    /// The items of each member of N[u], in the order of their index.
    package private(set) var items: [Position: [[UInt8]]]

    package init(selfSeed: HeldSecret, pairSeeds: [HeldSecret], items: [Position: [[UInt8]]]) {
        self.selfSeed = selfSeed
        self.pairSeeds = pairSeeds
        self.items = items
    }

    /// Overwrites everybody's shares, which together are the secrets; the seeds are wiped by themselves. Shares that an
    /// ``EnvelopeContent`` still refers to stay.
    package mutating func wipe() {
        for holder in items.keys {
            for index in items[holder, default: []].indices { overwrite(&items[holder, default: []][index]) }
        }
        items = [:]
    }

    /// - Parameters:
    ///   - holders: N[u].
    ///   - threshold: t.
    /// - Throws: `.cryptographyFailed`.
    package init(
        _ secrets: borrowing DealSecrets, holders: [Position], threshold: Int
    ) throws(SecureSumError) {
        var pairSeeds: [HeldSecret] = []
        for partner in secrets.partners { pairSeeds.append(HeldSecret(secrets.pairSeed(with: partner))) }
        self.init(
            selfSeed: HeldSecret(secrets.selfSeed()), pairSeeds: pairSeeds,
            items: Dictionary(
                uniqueKeysWithValues: zip(holders, try secrets.shares(for: holders, threshold: threshold))))
    }
}

extension RoundRules {
    /// What a dealer deals in this round.
    ///
    /// - Throws: `.cryptographyFailed`.
    /// - Precondition: the secrets are of this context and of the neighbours above the dealer.
    package func seeds(
        of dealer: Position, from secrets: borrowing DealSecrets
    ) throws(SecureSumError) -> DealtSeeds {
        precondition(secrets.context == context, "the secrets of this context")
        return try DealtSeeds(
            secrets, holders: graph.closedNeighbourhood(of: dealer), threshold: parameters.threshold)
    }

    /// Seals the shares for each neighbour and signs the header over all of it.
    ///
    /// - Parameters:
    ///   - envelopeKeys: of all positions, in order; nil for an absent site, which gets no envelope: zeros stand in the
    ///     place of its hash.
    /// - Throws: `.cryptographyFailed`, also where a neighbour's key is none.
    /// - Precondition: seeds and items are as many as the graph asks.
    package func makeDeal(
        _ seeds: DealtSeeds, dealer: Position, envelopeKeys: [EnvelopePublicKey?], signedBy key: StatementKey
    ) throws(SecureSumError) -> Deal {
        let neighbours = graph.neighbours(of: dealer)
        let above = neighbours.filter { $0 > dealer }
        precondition(seeds.pairSeeds.count == above.count, "one seed for each neighbour above")
        func items(_ holder: Position) -> [[UInt8]] {
            guard let items = seeds.items[holder], items.count == 1 + above.count else {
                preconditionFailure("every member of N[u] holds a share of each secret")
            }
            return items
        }
        var envelopes: [Position: [UInt8]] = [:]
        for holder in neighbours {
            guard let envelopeKey = envelopeKeys[holder - 1] else { continue }
            let content = EnvelopeContent(
                shares: items(holder), pairSeed: above.firstIndex(of: holder).map { seeds.pairSeeds[$0] })
            envelopes[holder] = try Envelope.seal(
                content, to: envelopeKey, context: context, dealer: dealer, holder: holder)
        }
        let header = try DealHeader(
            context: context, dealer: dealer,
            selfCommitment: .commitment(to: seeds.selfSeed.secret, context: context),
            pairCommitments: seeds.pairSeeds.map { .commitment(to: $0.secret, context: context) },
            envelopeHashes: neighbours.map { envelopes[$0].map(sha256) ?? .zeros },
            shareRoots: graph.closedNeighbourhood(of: dealer).map { holder in
                ShareTree(items: items(holder), context: context, dealer: dealer, holder: holder).root
            }, signedBy: key)
        return Deal(header: header, envelopes: envelopes)
    }
}
