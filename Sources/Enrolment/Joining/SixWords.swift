// SPDX-License-Identifier: Apache-2.0
// Six words that both ends of a telephone call read to each other.

package import Federation

/// The fingerprint of one joining party and of the federation it joins: 66 bits in six words.
///
/// The first 66 bits of SHA-256(`fl/enrol/v1 words` LF || root hash || LP(name) || SHA-256(SubjectPublicKeyInfo of the
/// certificate request) || statement key || witness key || descriptor hash), eleven to a word of the list.
package struct SixWords: Hashable, Sendable, CustomStringConvertible {
    package let words: [String]

    package init(
        rootHash: Digest, party: SiteID, publicKeyHash: Digest, keys: PartyKeys, descriptorHash: Digest
    ) {
        var writer = ByteWriter(label: "fl/enrol/v1 words\n")
        writer.raw(rootHash.bytes)
        writer.prefixed(party.rawValue)
        writer.raw(publicKeyHash.bytes + keys.statement.bytes + keys.witness.bytes + descriptorHash.bytes)
        let digest = Digest(of: writer.bytes, domain: "").bytes
        words = (0..<6).map { word in
            let index = (word * 11..<word * 11 + 11).reduce(0) { value, bit in
                value << 1 | Int(digest[bit / 8] >> (7 - UInt8(bit % 8)) & 1)
            }
            return WordList.words[index]
        }
    }

    package var description: String { words.joined(separator: " ") }
}
