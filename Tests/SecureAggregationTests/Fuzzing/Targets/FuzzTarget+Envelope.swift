// SPDX-License-Identifier: Apache-2.0
// A neighbour's deal: the sealed bytes, and what a dealer may have sealed in them.

import Federation
import SecureAggregation

extension FuzzTarget {
    private static let context = Digest(of: [], domain: "fuzz")
    private static let key = try? EnvelopePrivateKey(seed: [UInt8](repeating: 7, count: 32))

    /// The first byte says how many shares there are and whether a seed follows; bit 7 takes the rest as a sealed envelope.
    static func runEnvelope(_ bytes: [UInt8]) {
        guard let first = bytes.first, let key else { return }
        let rest = Array(bytes.dropFirst())
        let shareCount = Int(first & 0x0f)
        let hasPairSeed = first & 0x10 != 0
        if first & 0x80 != 0 {
            let holder = hasPairSeed ? 2 : 1
            let content = try? Envelope.open(
                rest, with: key, context: context, dealer: 3 - holder, holder: holder, shareCount: shareCount)
            precondition(content == nil, "nobody sealed this")
            return
        }
        guard let content = try? EnvelopeContent(bytes: rest, shareCount: shareCount, hasPairSeed: hasPairSeed) else {
            precondition(rest.count != 40 * shareCount + (hasPairSeed ? 32 : 0), "the length alone decides")
            return
        }
        for share in content.shares {
            // p, 8 bytes little-endian, and everything above it is no element.
            let isShare = (0..<5).allSatisfy { element in
                let value = share[8 * element..<8 * element + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                return value < (1 << 61) - 1
            }
            precondition(isShare == (ShareItem.elements(of: share) != nil), "shares are five elements below p")
            precondition(isShare == ShareItem.isShare(share), "both ways to look agree")
        }
        guard (1...).contains(shareCount) else { return }
        let tree = ShareTree(items: content.shares, context: context, dealer: 1, holder: 2)
        for (index, share) in content.shares.enumerated() {
            precondition(
                ShareTree.leads(
                    tree.path(to: index), from: share, of: SecretID(dealer: 1, index: UInt32(index)), to: tree.root,
                    context: context, holder: 2, itemCount: shareCount), "every item is under the root")
        }
    }
}
