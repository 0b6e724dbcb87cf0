// SPDX-License-Identifier: Apache-2.0
// The attempt of four sites that `secagg/masking.json` fixes.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

/// `secagg/masking.json`; `make-masking-vectors.py` beside it computes it.
struct FourSites: Decodable {
    struct Section: Decodable {
        let name: String
        let count: Int
        let bits: Int
    }

    struct Site: Decodable {
        let root: String
        let commitments: [String]
        /// By holder.
        let shares: [String: [String]]
        let chunkBytes: [Int]
        let leaves: [String]
        let merkleRoot: String
        /// All but the first.
        let smallChunks: [String]
    }

    /// One secret whose coefficients are many pieces of the stream.
    struct LongPolynomials: Decodable {
        let secret: String
        let key: String
        let threshold: Int
        /// By holder.
        let shares: [String: String]
    }

    let context: String
    let threshold: Int
    let lost: Int
    let sections: [Section]
    let sites: [String: Site]
    let longPolynomials: LongPolynomials
    let sumSha256: String
    let sumSmallChunks: [String]

    static func load() throws -> FourSites { try GoldenVectors.decode(FourSites.self, from: "secagg/masking.json") }

    var positions: [Position] { Array(1...sites.count) }

    func site(_ position: Position) throws -> Site { try #require(sites["\(position)"]) }

    func contextHash() throws -> Digest { try #require(Digest(hex: context)) }

    func secrets(of position: Position) throws -> DealSecrets {
        DealSecrets(
            root: SecretBytes(copying: try #require([UInt8](hex: site(position).root))), context: try contextHash(),
            partners: positions.filter { $0 > position })
    }

    func layout() throws -> MaskLayout {
        try MaskLayout(
            summing: sections.dropLast().map { section in
                RingSection(
                    name: section.name, count: section.count,
                    elementBits: section.bits == 64 ? .bits64 : .bits32(ringBits: section.bits))
            })
    }

    /// The masks of a site over all four.
    func masks(of position: Position) throws -> SiteMasks {
        var masks = SiteMasks(
            position: position, selfSeed: try secrets(of: position).selfSeed(), context: try contextHash())
        for other in positions where other != position {
            let seed = try secrets(of: min(position, other)).pairSeed(with: max(position, other))
            masks.addPair(with: other, seed: seed)
        }
        return masks
    }

    /// The rules that the file states in words.
    func plain(of position: Position, layout: MaskLayout) -> RingVector {
        var vector = RingVector(layout: layout.ring)
        let site = Int64(position)
        for (section, description) in layout.ring.sections.enumerated() {
            for index in 0..<description.count {
                let i = Int64(index)
                vector[section: section, index: index] =
                    switch description.name {
                    case "values": (40_503 * i + 9_973 * site) % 65_535 - 32_767
                    case "wide": (1_000_003 * i + 77 * site) % (1 << 22) - (1 << 21)
                    case "counts": (i % 2 == 0 ? 1 : -1) * (i + 1) * site * ((1 << 40) + 1)
                    case "sums": 123_456 * i * site - (1 << 27)
                    default: 1
                    }
            }
        }
        return vector
    }
}
