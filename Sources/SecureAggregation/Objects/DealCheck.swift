// SPDX-License-Identifier: Apache-2.0
// R1: what a holder looks at before it acknowledges a deal.

package import Federation

/// What a holder keeps of a deal that holds what it must: a secret.
package struct ReceivedDeal: Equatable, Sendable, Unprinted {
    package let dealer: Position
    /// SHA-256 of the header with its signature.
    package let header: Digest
    private let packedShares: HeldSecret
    /// s_uw, where the dealer is the lower of the two.
    package let pairSeed: HeldSecret?

    fileprivate init(dealer: Position, header: Digest, content: EnvelopeContent) {
        self.dealer = dealer
        self.header = header
        packedShares = HeldSecret(copying: content.shares.flatMap { $0 })
        pairSeed = content.pairSeed
    }

    /// 40 bytes each, in the order of their index; 0 is of the dealer's self seed. Copies that nobody wipes: for a
    /// release, which makes some of them public.
    package var shares: [[UInt8]] {
        let bytes = packedShares.exposedBytes()
        return stride(from: 0, to: bytes.count, by: ShareItem.byteCount).map { start in
            Array(bytes[start..<start + ShareItem.byteCount])
        }
    }
}

extension RoundRules {
    /// All checks of leg R1 on a neighbour's deal, in the order of their codes.
    ///
    /// - Parameters:
    ///   - dealer: whose deal the relay says it is.
    ///   - key: the holder's, of the roster's epoch.
    /// - Throws: `.badDeal` with the code for the acknowledgement; `.notANeighbour`.
    package func checkDeal(
        _ header: DealHeader, envelope: [UInt8], from dealer: Position, to holder: Position,
        with key: EnvelopePrivateKey
    ) throws(SecureSumError) -> ReceivedDeal {
        let neighbours = graph.neighbours(of: dealer)
        guard let place = neighbours.firstIndex(of: holder) else { throw .notANeighbour }
        try checkHeader(header, from: dealer)
        let itemCount = header.itemCount
        guard envelope.count == Envelope.byteCount(shares: itemCount, hasPairSeed: dealer < holder) else {
            throw .badDeal(.counts)
        }
        guard sha256(envelope) == header.envelopeHashes[place] else { throw .badDeal(.envelopeHash) }
        let content: EnvelopeContent
        do {
            content = try Envelope.open(
                envelope, with: key, context: context, dealer: dealer, holder: holder, shareCount: itemCount)
        } catch { throw .badDeal(.unopened) }
        guard content.shares.allSatisfy({ ShareItem.elements(of: $0) != nil }) else { throw .badDeal(.share) }
        let tree = ShareTree(items: content.shares, context: context, dealer: dealer, holder: holder)
        guard tree.root == shareRoot(of: header, for: holder) else { throw .badDeal(.shareRoot) }
        if let seed = content.pairSeed {
            let above = neighbours.filter { $0 > dealer }
            guard let index = above.firstIndex(of: holder),
                Digest.commitment(to: seed.secret, context: context) == header.pairCommitments[index]
            else { throw .badDeal(.commitment) }
        }
        return ReceivedDeal(dealer: dealer, header: header.hash, content: content)
    }

    /// What anybody can check of a header, the aggregator included: codes 1 to 3.
    ///
    /// - Throws: `.badDeal`.
    package func checkHeader(_ header: DealHeader, from dealer: Position) throws(SecureSumError) {
        guard header.dealer == dealer, let key = key(of: dealer), header.isSigned(by: key) else {
            throw .badDeal(.signature)
        }
        guard header.context == context else { throw .badDeal(.context) }
        let neighbours = graph.neighbours(of: dealer)
        guard header.envelopeHashes.count == neighbours.count, header.shareRoots.count == neighbours.count + 1,
            header.pairCommitments.count == neighbours.count(where: { $0 > dealer })
        else { throw .badDeal(.counts) }
    }

    /// The root that a header has for a member of N[u]; nil for others, and where its lists are too short.
    func shareRoot(of header: DealHeader, for holder: Position) -> Digest? {
        guard let place = graph.closedNeighbourhood(of: header.dealer).firstIndex(of: holder),
            place < header.shareRoots.count
        else { return nil }
        return header.shareRoots[place]
    }
}

extension DealHeader {
    /// How many share items each holder has: of the self seed and of each pair seed.
    package var itemCount: Int { 1 + pairCommitments.count }

    /// H of one of the dealer's secrets; nil past the last.
    func commitment(of secret: SecretID) -> Digest? {
        if secret.index == 0 { return selfCommitment }
        return secret.index <= pairCommitments.count ? pairCommitments[Int(secret.index) - 1] : nil
    }
}
