// SPDX-License-Identifier: Apache-2.0
// The signed objects that a round of the secure sum exchanges, as values.

package import Federation

/// A place in a roster, counted from 1 in the order of the site ids.
package typealias Position = Int

/// A signature by the statement key of a roster's position.
package struct PositionSignature: Hashable, Sendable {
    package var position: Position
    /// 64 bytes.
    package var signature: [UInt8]

    package init(position: Position, signature: [UInt8]) {
        self.position = position
        self.signature = signature
    }
}

/// What a dealer binds itself to before anybody sees a masked value (O4).
package struct DealHeader: Hashable, Sendable {
    package var context: Digest
    package var dealer: Position
    /// H(b_u).
    package var selfCommitment: Digest
    /// H(s_uw) for the neighbours w above the dealer, ascending.
    package var pairCommitments: [Digest]
    /// SHA-256 of the envelope to each neighbour, ascending.
    package var envelopeHashes: [Digest]
    /// Root over the share items sealed to each member of N[u], the dealer among them, ascending.
    package var shareRoots: [Digest]
    package var signature: [UInt8]
}

/// Which dealers a site accepts (O6). A later one by the same site may accept more.
package struct DealAcknowledgement: Hashable, Sendable {
    /// A dealer that is not accepted, and why.
    package struct Complaint: Hashable, Sendable {
        package var dealer: Position
        package var code: UInt8
        /// SHA-256 of the header that the complaint is about, with its signature.
        package var header: Digest
    }

    package var context: Digest
    package var site: Position
    package var accepted: PositionSet
    package var complaints: [Complaint]
    package var signature: [UInt8]
}

/// The set over which everybody masks, V1 (O7). One for each context.
package struct Manifest: Hashable, Sendable {
    package var context: Digest
    package var dealers: PositionSet
    /// SHA-256 of each dealer's header with its signature, ascending.
    package var headers: [Digest]
    /// By the aggregator.
    package var signature: [UInt8]
}

/// What a site says about its masked vector (O8).
package struct InputStatement: Hashable, Sendable {
    package var context: Digest
    package var manifest: Digest
    package var site: Position
    /// Elements of the vector, all sections together.
    package var entries: UInt64
    /// Merkle root over the vector's chunks.
    package var root: Digest
    package var signature: [UInt8]
}

/// The set whose sum may be unmasked, U (O9).
package struct SurvivorSet: Hashable, Sendable {
    package var context: Digest
    package var manifest: Digest
    package var survivors: PositionSet
    /// SHA-256 over the survivors' input statements with their signatures, ascending.
    package var inputs: Digest
}

/// The aggregator's proposal of a set. One for each context.
package struct SetProposal: Hashable, Sendable {
    package var set: SurvivorSet
    package var signature: [UInt8]
}

/// A set with the signatures of a quorum of its members.
package struct SetCertificate: Hashable, Sendable {
    package var set: SurvivorSet
    /// Ascending.
    package var signatures: [PositionSignature]
}

/// The promise of a quorum never to release shares nor to sign a set in a context (O10).
package struct VoidCertificate: Hashable, Sendable {
    package var context: Digest
    /// Ascending.
    package var signatures: [PositionSignature]
}

/// What a site reveals once a set is certified (O11).
package struct ShareRelease: Hashable, Sendable {
    /// One share of one secret.
    package struct Item: Hashable, Sendable {
        package var dealer: Position
        /// 0 for the dealer's self seed, i ≥ 1 for the seed shared with its i-th neighbour above it.
        package var index: UInt32
        /// 40 bytes.
        package var share: [UInt8]
        /// From the item's leaf to the root in the dealer's header.
        package var path: [Digest]
    }

    package var context: Digest
    /// SHA-256 of the set's bytes.
    package var set: Digest
    package var site: Position
    /// Sorted by dealer, then index.
    package var items: [Item]
    package var signature: [UInt8]
}

/// What came out of a round (O12).
package struct RoundResult: Hashable, Sendable {
    package var context: Digest
    package var set: Digest
    package var sum: Digest
    /// The blob `model` of the next round; nil where there is none.
    package var nextModel: Digest?
    package var signature: [UInt8]
}

/// The aggregator's word that a site's input has arrived whole and was stored.
package struct UploadReceipt: Hashable, Sendable {
    package var context: Digest
    /// SHA-256 of the input statement with its signature.
    package var input: Digest
    package var signature: [UInt8]
}
