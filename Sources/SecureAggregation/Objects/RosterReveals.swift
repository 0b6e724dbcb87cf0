// SPDX-License-Identifier: Apache-2.0
// What the members of a large roster reveal once its draft stands, and the hash and graph key that follow.

package import Federation

/// The nonces of a roster of more than 100 sites (privacy design review, A4).
///
/// Bytes: 32 for each position in order, zeros for an absent site. There are no reveals but complete ones: where one is
/// missing the draft is dead, and nobody can try which subset of reveals gives a graph to its liking.
package struct RosterReveals: Hashable, Sendable {
    package let bytes: [UInt8]
    private let draft: Digest

    /// Checks every nonce against the commitment in the draft.
    ///
    /// - Throws: `.wrongReveal`.
    package init(bytes: [UInt8], of draft: SecureRoster) throws(SecureSumError) {
        guard draft.isSparse, bytes.count == 32 * draft.count else { throw .wrongReveal }
        for (index, entry) in draft.entries.enumerated() {
            let nonce = bytes[32 * index..<32 * index + 32]
            switch entry.presence {
            case .present(let offer):
                guard offer.nonceCommitment == Self.commitment(to: Array(nonce)) else { throw .wrongReveal }
            case .absent:
                guard nonce.allSatisfy({ $0 == 0 }) else { throw .wrongReveal }
            }
        }
        self.bytes = bytes
        self.draft = draft.hash
    }

    /// What an entry commits to: SHA-256("fl/secagg/v1 nonce" || nonce), of 32 bytes.
    package static func commitment(to nonce: [UInt8]) -> Digest { Digest(of: nonce, domain: "fl/secagg/v1 nonce") }

    /// The roster hash of the context: SHA-256(draft || reveals).
    package func rosterHash(of draft: SecureRoster) -> Digest {
        precondition(draft.hash == self.draft, "reveals belong to their draft")
        return sha256(draft.bytes + bytes)
    }

    /// The key of the graph's permutation: SHA-256("fl/secagg/v1 graph" || SHA-256(draft) || reveals).
    package var graphKey: Digest { Self.graphKey(draft: draft, reveals: bytes) }

    /// The same of parts that nobody has checked.
    package static func graphKey(draft: Digest, reveals: [UInt8]) -> Digest {
        Digest(of: draft.bytes + reveals, domain: "fl/secagg/v1 graph")
    }
}
