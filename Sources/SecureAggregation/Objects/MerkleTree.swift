// SPDX-License-Identifier: Apache-2.0
// RFC 6962 trees over leaf hashes.

import Federation

/// Source: RFC 6962 §2.1.
enum MerkleTree {
    static func root(of leaves: [Digest]) -> Digest {
        guard leaves.count > 1 else { return leaves.first ?? Digest(of: [], domain: "") }
        let split = split(leaves.count)
        return node(root(of: Array(leaves[..<split])), root(of: Array(leaves[split...])))
    }

    static func path(to index: Int, in leaves: [Digest]) -> [Digest] {
        guard leaves.count > 1 else { return [] }
        let split = split(leaves.count)
        return index < split
            ? path(to: index, in: Array(leaves[..<split])) + [root(of: Array(leaves[split...]))]
            : path(to: index - split, in: Array(leaves[split...])) + [root(of: Array(leaves[..<split]))]
    }

    static func root(of leaf: Digest, at index: Int, count: Int, path: [Digest]) -> Digest? {
        guard (0..<count).contains(index) else { return nil }
        guard count > 1 else { return path.isEmpty ? leaf : nil }
        guard let last = path.last else { return nil }
        let split = split(count)
        let rest = Array(path.dropLast())
        if index < split { return root(of: leaf, at: index, count: split, path: rest).map { node($0, last) } }
        return root(of: leaf, at: index - split, count: count - split, path: rest).map { node(last, $0) }
    }

    private static func split(_ count: Int) -> Int { 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount) }

    private static func node(_ left: Digest, _ right: Digest) -> Digest {
        Digest(of: left.bytes + right.bytes, domain: "\u{1}")
    }
}
