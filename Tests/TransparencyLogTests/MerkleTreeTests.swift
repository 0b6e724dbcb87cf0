// SPDX-License-Identifier: Apache-2.0
// Checks hash trees against published roots and proofs, and against themselves under every change.

import Federation
import Foundation
import Testing
import TransparencyLog

private func digest(_ hex: String) throws -> Digest { try #require(Digest(hex: hex)) }

@Suite struct MerkleTreeGoldenTests {
    private struct Roots: Decodable {
        let leavesHex: [String]
        let rootsHex: [String: String]

        func leafHashes() throws -> [Digest] {
            try leavesHex.map { MerkleTree.leafHash(try #require([UInt8](hex: $0))) }
        }
    }

    private struct Proofs: Decodable {
        struct Inclusion: Decodable {
            let index: Int
            let size: Int
            let leafHash: String
            let root: String
            let proof: [String]
        }

        let inclusion: [Inclusion]
    }

    private struct InvalidProofs: Decodable {
        struct Case: Decodable {
            let kind: String
            let why: String
            let index: Int?
            let size: Int?
            let leafHash: String?
            let root: String?
            let proof: [String]
        }

        let cases: [Case]
    }

    /// Sizes 0 to 131 and larger ones; one tree grows through all of them.
    @Test func rootsAreThoseOfAnotherProgram() throws {
        try compare(try GoldenVectors.decode(Roots.self, from: "tlog/roots.json"))
    }

    @Test(.enabled(if: GoldenVectors.published("tlog/published_reference.json") != nil))
    func rootsAreAsPublished() throws {
        let file = try #require(GoldenVectors.published("tlog/published_reference.json"))
        try compare(try GoldenVectors.decode(Roots.self, at: file))
    }

    private func compare(_ file: Roots) throws {
        let leaves = try file.leafHashes()
        var tree = MerkleRoot()
        var compared = 0
        for size in 0...leaves.count {
            if size > 0 { tree.append(leaves[size - 1]) }
            guard let expected = file.rootsHex["\(size)"] else { continue }
            #expect(tree.root == (try digest(expected)), "\(size) leaves")
            #expect(MerkleTree.root(of: Array(leaves.prefix(size))) == tree.root)
            #expect(tree.count == size)
            compared += 1
        }
        #expect(compared > 8)
    }

    @Test func inclusionPathsAreAsPublished() throws {
        let leaves = try GoldenVectors.decode(Roots.self, from: "tlog/roots.json").leafHashes()
        let proofs = try GoldenVectors.decode(Proofs.self, from: "tlog/proofs.json").inclusion
        #expect(proofs.count > 100)
        for proof in proofs {
            let path = try proof.proof.map(digest)
            let root = try digest(proof.root)
            let leaf = try digest(proof.leafHash)
            #expect(MerkleTree.contains(leaf: leaf, at: proof.index, count: proof.size, path: path, root: root))
            #expect(MerkleTree.inclusionPath(to: proof.index, in: Array(leaves.prefix(proof.size))) == path)
        }
    }

    @Test func invalidInclusionPathsAreRefused() throws {
        let cases = try GoldenVectors.decode(InvalidProofs.self, from: "tlog/invalid_proofs.json").cases
            .filter { $0.kind == "inclusion" }
        #expect(cases.count > 20)
        for invalid in cases {
            guard let index = invalid.index, let count = invalid.size, let leaf = invalid.leafHash.flatMap(Digest.init),
                let root = invalid.root.flatMap(Digest.init)
            else { continue }
            // Hashes of another length are no digests: reading them already fails.
            let path = invalid.proof.compactMap(Digest.init(hex:))
            guard path.count == invalid.proof.count else { continue }
            #expect(
                !MerkleTree.contains(leaf: leaf, at: index, count: count, path: path, root: root), "\(invalid.why)")
        }
    }
}

/// Probes of the Go library transparency-dev/merkle (Apache-2.0), unchanged.
@Suite(.enabled(if: GoldenVectors.published("tlog/published_merkle_probes.json") != nil))
struct MerkleProbesGoldenTests {
    private struct File: Decodable {
        struct Probe: Decodable {
            let file: String
            let leafIdx: UInt64
            let treeSize: UInt64
            let root: Data?
            let leafHash: Data?
            let proof: [Data]?
            let wantErr: Bool
        }

        let inclusion: [Probe]
    }

    @Test func verdictsAreThoseOfTheOtherImplementation() throws {
        let file = try #require(GoldenVectors.published("tlog/published_merkle_probes.json"))
        let probes = try GoldenVectors.decode(File.self, at: file).inclusion
        #expect(probes.count > 50)
        for probe in probes { #expect(isAccepted(probe) != probe.wantErr, "\(probe.file)") }
    }

    private func isAccepted(_ probe: File.Probe) -> Bool {
        let path = (probe.proof ?? []).map { Digest(bytes: Array($0)) }
        guard let leaf = probe.leafHash.flatMap({ Digest(bytes: Array($0)) }),
            let root = probe.root.flatMap({ Digest(bytes: Array($0)) }), !path.contains(nil),
            let index = Int(exactly: probe.leafIdx), let count = Int(exactly: probe.treeSize)
        else { return false }
        return MerkleTree.contains(
            leaf: leaf, at: index, count: count, path: path.compactMap { $0 }, root: root)
    }
}

@Suite struct MerkleTreeTests {
    private func leaves(_ count: Int) -> [Digest] {
        (0..<count).map { MerkleTree.leafHash([UInt8(truncatingIfNeeded: $0), UInt8($0 / 256)]) }
    }

    /// The definition of RFC 6962 §2.1, word for word.
    private func definedRoot(_ leaves: [Digest]) -> Digest {
        guard leaves.count > 1 else { return leaves.first ?? Digest(of: [], domain: "") }
        var split = 1
        while 2 * split < leaves.count { split *= 2 }
        return MerkleTree.nodeHash(definedRoot(Array(leaves[..<split])), definedRoot(Array(leaves[split...])))
    }

    @Test func everyPathLeadsToTheRootAndToNothingElse() {
        for count in 1...33 {
            let leaves = leaves(count)
            let root = definedRoot(leaves)
            #expect(MerkleTree.root(of: leaves) == root)
            for index in 0..<count {
                let path = MerkleTree.inclusionPath(to: index, in: leaves)
                func leads(_ path: [Digest], leaf: Int = index, to place: Int = index, of size: Int = count) -> Bool {
                    MerkleTree.contains(leaf: leaves[leaf], at: place, count: size, path: path, root: root)
                }
                #expect(leads(path))
                for other in 0..<count where other != index {
                    #expect(!leads(path, leaf: other))
                    #expect(!leads(path, to: other))
                }
                #expect(!leads(path, to: -1))
                #expect(!leads(path, to: count))
                #expect(!leads(path + [root]))
                #expect(path.isEmpty || !leads(Array(path.dropLast())))
                #expect(path.isEmpty || !leads(Array(path.dropFirst())))
                for step in path.indices {
                    var changed = path
                    changed[step] = leaves[index]
                    #expect(!leads(changed))
                }
            }
        }
    }

    @Test func aLeafIsNoNode() {
        let leaves = leaves(2)
        let node = MerkleTree.nodeHash(leaves[0], leaves[1])
        #expect(MerkleTree.leafHash(leaves[0].bytes + leaves[1].bytes) != node)
        #expect(!MerkleTree.contains(leaf: node, at: 0, count: 2, path: [], root: MerkleTree.root(of: leaves)))
    }
}
