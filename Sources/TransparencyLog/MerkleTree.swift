// SPDX-License-Identifier: Apache-2.0
// RFC 6962 hash trees: root, inclusion path, and the root of leaves that come one after the other.

package import Federation

/// The binary hash tree of RFC 6962 §2.1 over leaf hashes.
///
/// A tree of n > 1 leaves splits at the largest power of two below n; a node is SHA-256(0x01 || left || right), a leaf
/// SHA-256(0x00 || content), the root of no leaves SHA-256 of nothing.
package enum MerkleTree {
    /// SHA-256(0x00 || content).
    package static func leafHash(_ content: [UInt8]) -> Digest {
        unsafe content.withUnsafeBytes { unsafe leafHash($0) }
    }

    /// SHA-256(0x00 || content).
    package static func leafHash(_ content: UnsafeRawBufferPointer) -> Digest {
        var hash = BlobHasher()
        unsafe withUnsafeBytes(of: UInt8(0)) { unsafe hash.update($0) }
        unsafe hash.update(content)
        return hash.finish()
    }

    /// SHA-256(0x01 || left || right).
    package static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
        var hash = BlobHasher()
        unsafe withUnsafeBytes(of: UInt8(1)) { unsafe hash.update($0) }
        unsafe left.bytes.withUnsafeBytes { unsafe hash.update($0) }
        unsafe right.bytes.withUnsafeBytes { unsafe hash.update($0) }
        return hash.finish()
    }

    /// The root over leaf hashes.
    package static func root(of leaves: [Digest]) -> Digest {
        var tree = MerkleRoot()
        for leaf in leaves { tree.append(leaf) }
        return tree.root
    }

    /// The hashes that lead from a leaf to the root, from the leaf up (RFC 6962 §2.1.1).
    ///
    /// - Precondition: there is a leaf at `index`.
    package static func inclusionPath(to index: Int, in leaves: [Digest]) -> [Digest] {
        StoredMerkleTree(leaves: leaves).inclusionPath(to: index)
    }

    /// The root to which a path leads; nil unless it is as long as the place in the tree asks.
    ///
    /// Source: RFC 9162 §2.1.3.2.
    /// - Parameters:
    ///   - index: of the leaf, from 0.
    ///   - count: leaves of the tree.
    package static func root(of leaf: Digest, at index: Int, count: Int, path: [Digest]) -> Digest? {
        guard index >= 0, index < count else { return nil }
        // Places of this node and of the last node on its level.
        var (place, last) = (index, count - 1)
        var hash = leaf
        for sibling in path {
            guard last > 0 else { return nil }
            if place % 2 == 1 || place == last {
                hash = nodeHash(sibling, hash)
                // A last node without a sibling rises unchanged until it is a right child.
                while place % 2 == 0, place > 0 { (place, last) = (place / 2, last / 2) }
            } else {
                hash = nodeHash(hash, sibling)
            }
            (place, last) = (place / 2, last / 2)
        }
        return last == 0 ? hash : nil
    }

    /// Whether a path leads from a leaf to a root.
    package static func contains(
        leaf: Digest, at index: Int, count: Int, path: [Digest], root expected: Digest
    ) -> Bool {
        root(of: leaf, at: index, count: count, path: path) == expected
    }
}

/// A tree whose nodes are all kept: for more than one path.
///
/// Level 0 are the leaves; a node of the next level is made of two, and a last one without a sibling rises unchanged, which
/// gives the same tree as splitting at powers of two.
package struct StoredMerkleTree: Sendable {
    private let levels: [[Digest]]

    package init(leaves: [Digest]) {
        var levels = [leaves]
        while let below = levels.last, below.count > 1 {
            levels.append(
                stride(from: 0, to: below.count, by: 2).map { index in
                    index + 1 < below.count ? MerkleTree.nodeHash(below[index], below[index + 1]) : below[index]
                })
        }
        self.levels = levels
    }

    package var root: Digest { levels.last?.first ?? Digest(of: [], domain: "") }

    /// The hashes that lead from a leaf to the root, from the leaf up.
    ///
    /// - Precondition: there is a leaf at `index`.
    package func inclusionPath(to index: Int) -> [Digest] {
        precondition(levels[0].indices.contains(index), "a path leads from a leaf of the tree")
        var path: [Digest] = []
        var place = index
        for level in levels.dropLast() {
            if level.indices.contains(place ^ 1) { path.append(level[place ^ 1]) }
            place /= 2
        }
        return path
    }
}

/// The root of a tree whose leaves come one after the other.
///
/// Memory: one hash for each binary one of the number of leaves, those of the complete subtrees, largest first.
package struct MerkleRoot: Hashable, Sendable {
    private var subtrees: [Digest] = []
    /// Leaves so far.
    package private(set) var count = 0

    package init() {}

    /// Adds a leaf hash at the right.
    package mutating func append(_ leaf: Digest) {
        var hash = leaf
        // As many complete subtrees end here as the count has ones at its low end.
        for _ in 0..<(~count).trailingZeroBitCount { hash = MerkleTree.nodeHash(subtrees.removeLast(), hash) }
        subtrees.append(hash)
        count += 1
    }

    /// Of all leaves so far.
    package var root: Digest {
        guard let last = subtrees.last else { return Digest(of: [], domain: "") }
        return subtrees.dropLast().reversed().reduce(last) { MerkleTree.nodeHash($1, $0) }
    }
}
