// SPDX-License-Identifier: Apache-2.0
// The tree over the share items that one dealer sealed to one holder; a released share travels with its path.

package import Federation
import TransparencyLog

/// The share items of one dealer for one holder, in the order of their index.
///
/// RFC 6962 tree; leaf = SHA-256(0x00 || `fl/secagg/v1 share` LF || context || u32 dealer || u32 holder || u32 index ||
/// item). The holder recomputes the root before it acknowledges, so that at a release a wrong share and a wrong
/// responder can be told apart.
/// Source: privacy design review §3.1, O5; A11 (b).
package struct ShareTree: Sendable {
    private let tree: StoredMerkleTree

    /// - Precondition: every item has 40 bytes.
    package init(items: [[UInt8]], context: Digest, dealer: Position, holder: Position) {
        tree = StoredMerkleTree(
            leaves: items.enumerated().map { index, item in
                Self.leaf(
                    item: item, of: SecretID(dealer: dealer, index: UInt32(index)), context: context, holder: holder)
            })
    }

    package var root: Digest { tree.root }

    /// From the leaf of `index` up to the root.
    package func path(to index: Int) -> [Digest] { tree.inclusionPath(to: index) }

    /// Whether `path` leads from an item to the root of a tree of `itemCount` items.
    package static func leads(
        _ path: [Digest], from item: [UInt8], of secret: SecretID, to root: Digest, context: Digest, holder: Position,
        itemCount: Int
    ) -> Bool {
        MerkleTree.contains(
            leaf: leaf(item: item, of: secret, context: context, holder: holder), at: Int(secret.index),
            count: itemCount, path: path, root: root)
    }

    package static func leaf(item: [UInt8], of secret: SecretID, context: Digest, holder: Position) -> Digest {
        precondition(item.count == ShareItem.byteCount, "a share has 40 bytes")
        var writer = ByteWriter(label: "fl/secagg/v1 share\n")
        writer.digest(context)
        writer.position(secret.dealer)
        writer.position(holder)
        writer.integer(secret.index)
        writer.raw(item)
        return MerkleTree.leafHash(writer.bytes)
    }
}
