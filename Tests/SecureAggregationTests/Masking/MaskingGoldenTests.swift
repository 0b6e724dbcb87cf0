// SPDX-License-Identifier: Apache-2.0
// Masks, chunks, roots and sums equal those that other programs computed.

import Federation
import Randomness
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct MaskStreamGoldenTests {
    private struct File: Decodable {
        struct Stream: Decodable {
            let key: String
            let start: String
            let thousand: String
            let carry: String

            /// As they are once the underscores are gone.
            enum CodingKeys: String, CodingKey {
                case key
                case start = "bytes064"
                case thousand = "bytesAtBlock100032"
                case carry = "bytesAtBlock2^32-148"
            }
        }

        let prg: Stream
    }

    @Test func streamOfASecretIsAsPublished() throws {
        let file = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").prg
        var stream = try SecretBytes(copying: try golden(file.key)).keyedStream()
        let zeros = [UInt8](repeating: 0, count: 64)
        for (block, hex) in [(0, file.start), (1_000, file.thousand), (1 << 32 - 1, file.carry)] {
            var bytes = [UInt8](repeating: 9, count: hex.utf8.count / 2)
            bytes.withUnsafeMutableBytes { bytes in
                zeros.withUnsafeBytes { stream.fill(bytes, fromBlock: UInt64(block), encrypting: $0) }
            }
            #expect(bytes == (try golden(hex)))
        }
    }
}

/// The round of seven sites: 3 dealt and was lost, 6 stays silent when shares are asked for.
@Suite struct SecureSumGoldenTests {
    private struct File: Decodable { let round: SevenSitesRound }

    private struct SevenSitesRound: Decodable {
        let n: Int
        let t: Int
        let dimension: Int
        let ringBits: Int
        let context: String
        let inputs: [String: [Int64]]
        let selfSeeds: [String: String]
        let pairSeeds: [String: String]
        let masked: [String: [UInt32]]
        let droppedAfterSharing: [Int]
        let silentInUnmask: [Int]
        let secretsReconstructed: [String]
        let sharesSent: [String: [String: String]]
        let sumOfSurvivors: [Int64]
    }

    private let round: SevenSitesRound
    private let context: Digest
    private let layout: MaskLayout

    init() throws {
        round = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").round
        context = try #require(Digest(hex: round.context))
        layout = try MaskLayout(
            summing: [
                RingSection(
                    name: "values", count: round.dimension, elementBits: .bits32(ringBits: round.ringBits))
            ])
    }

    private func seed(_ first: Position, _ second: Position) throws -> SecretBytes {
        SecretBytes(copying: try golden(round.pairSeeds["\(min(first, second))-\(max(first, second))"]))
    }

    private func plain(_ position: Position) throws -> RingVector {
        var vector = RingVector(layout: layout.ring)
        for (index, value) in try #require(round.inputs["\(position)"]).enumerated() {
            vector[section: 0, index: index] = value
        }
        for index in 0..<4 { vector[section: 1, index: index] = 1 }
        return vector
    }

    private func masked(_ position: Position) throws -> [UInt8] {
        var masks = SiteMasks(
            position: position, selfSeed: SecretBytes(copying: try golden(round.selfSeeds["\(position)"])),
            context: context)
        for other in 1...round.n where other != position {
            masks.addPair(with: other, seed: try seed(position, other))
        }
        return try maskedBytes(of: plain(position), layout: layout, masks: masks).bytes
    }

    private func plan() -> UnmaskingPlan {
        UnmaskingPlan(
            graph: .complete(round.n), dealers: .full(round.n),
            survivors: PositionSet(
                rosterCount: round.n, (1...round.n).filter { !round.droppedAfterSharing.contains($0) }))
    }

    @Test func maskedVectorsAreAsPublished() throws {
        for position in 1...round.n {
            let vector = try RingVector.decode(masked(position), layout: layout.ring)
            let words = vector.withWords32(section: 0) { Array($0) }
            #expect(words == (try #require(round.masked["\(position)"])))
        }
    }

    @Test func secretsToRebuildAreAsPublished() throws {
        let plan = plan()
        let names = plan.secrets.map { secret in
            plan.pair(of: secret).map { "pair-\($0.lower)-\($0.upper)" } ?? "self-\(secret.dealer)"
        }
        #expect(Set(names) == Set(round.secretsReconstructed))
        #expect(names.count == round.secretsReconstructed.count)
    }

    @Test func publishedSharesRebuildTheSeeds() throws {
        let responders = (1...round.n).filter {
            !round.droppedAfterSharing.contains($0) && !round.silentInUnmask.contains($0)
        }
        #expect(responders.count >= round.t)
        #expect(!round.sharesSent.isEmpty)
        for (name, sent) in round.sharesSent {
            let holders = sent.keys.compactMap(Int.init).sorted()
            #expect(holders == responders)
            let shares = try holders.map { try golden(sent["\($0)"]) }
            // Every t of them, in a row.
            for first in 0...holders.count - round.t {
                let used = first..<first + round.t
                let secret = try ShareInterpolation(positions: Array(holders[used])).secret(from: Array(shares[used]))
                let dealer = String(name.dropFirst("self-".count))
                #expect(secret.exposedBytes() == (try golden(round.selfSeeds[dealer])))
            }
        }
    }

    @Test func unmaskedSumIsAsPublished() throws {
        let plan = plan()
        var accumulator = RingAccumulator(layout: layout.ring)
        for position in plan.survivors.positions {
            let bytes = try masked(position)
            var contribution = try accumulator.begin(byteCount: bytes.count)
            try bytes.withUnsafeBytes { try accumulator.add(packed: $0, to: &contribution) }
            try accumulator.finish(contribution)
        }
        var sum = try accumulator.total()
        var unmasking = Unmasking(layout: layout, plan: plan, context: context)
        for secret in plan.secrets {
            if let pair = plan.pair(of: secret) {
                unmasking.add(secret, seed: try seed(pair.lower, pair.upper))
            } else {
                unmasking.add(secret, seed: SecretBytes(copying: try golden(round.selfSeeds["\(secret.dealer)"])))
            }
        }
        try unmasking.remove(from: &sum)
        #expect((0..<round.dimension).map { sum[section: 0, index: $0] } == round.sumOfSurvivors)
        #expect(unmasking.checkLanesHold(in: sum))
    }
}

/// Sections of every kind, a vector longer than a chunk, and roots: `secagg/masking.json`.
@Suite struct MaskedVectorGoldenTests {
    private let file: FourSites
    private let layout: MaskLayout

    init() throws {
        file = try FourSites.load()
        layout = try file.layout()
    }

    @Test func sectionsAndChunksAreAsPublished() throws {
        #expect(layout.ring.sections.map(\.name) == file.sections.map(\.name))
        #expect(layout.ring.sections.map(\.count) == file.sections.map(\.count))
        for site in file.positions {
            #expect(layout.chunks.map(\.bytes.count) == (try file.site(site)).chunkBytes)
        }
    }

    @Test func maskedChunksAndRootsAreAsPublished() throws {
        for position in file.positions {
            let expected = try file.site(position)
            let plain = file.plain(of: position, layout: layout)
            let masked = try maskedBytes(of: plain, layout: layout, masks: file.masks(of: position))
            #expect(masked.root.hex == expected.merkleRoot)
            for chunk in layout.chunks.dropFirst() {
                #expect(Array(masked.bytes[chunk.bytes]).hex == expected.smallChunks[chunk.index - 1])
            }
            var masker = try ChunkMasker(layout: layout, masks: file.masks(of: position))
            let bytes = plain.packed()
            for chunk in layout.chunks.reversed() {
                try bytes[chunk.bytes].withUnsafeBytes { plain in
                    try masker.mask(chunk, plain: plain) { _, leaf in
                        #expect(leaf.hex == expected.leaves[chunk.index])
                    }
                }
            }
        }
    }

    @Test func sumWithoutTheLostSiteIsAsPublished() throws {
        let survivors = file.positions.filter { $0 != file.lost }
        let plan = UnmaskingPlan(
            graph: .complete(4), dealers: .full(4), survivors: PositionSet(rosterCount: 4, survivors))
        var sum = RingVector(layout: layout.ring)
        for position in survivors {
            let plain = file.plain(of: position, layout: layout)
            let masked = try maskedBytes(of: plain, layout: layout, masks: file.masks(of: position)).bytes
            sum.add(try RingVector.decode(masked, layout: layout.ring))
        }
        var unmasking = Unmasking(layout: layout, plan: plan, context: try file.contextHash())
        for secret in plan.secrets {
            unmasking.add(secret, seed: try file.secrets(of: secret.dealer).secret(at: Int(secret.index)))
        }
        try unmasking.remove(from: &sum)
        let bytes = sum.packed()
        #expect(Digest(of: bytes, domain: "").hex == file.sumSha256)
        for chunk in layout.chunks.dropFirst() {
            #expect(Array(bytes[chunk.bytes]).hex == file.sumSmallChunks[chunk.index - 1])
        }
        #expect(unmasking.checkLanesHold(in: sum))
    }
}
