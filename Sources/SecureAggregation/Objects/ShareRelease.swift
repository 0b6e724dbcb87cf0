// SPDX-License-Identifier: Apache-2.0
// O11: what a site reveals once a set is certified.

package import Federation

/// A site's shares for a certified set (O11).
///
/// Bytes: `fl/secagg/v1 shares` LF || context || SHA-256 of the set || u32 site || u32 count || count × (u32 dealer,
/// u32 index, share (40), u8 length of the path, path), ascending by dealer, then index || signature.
package struct ShareRelease: SignedObject {
    private static let label = "fl/secagg/v1 shares\n"

    /// One share of one secret.
    package struct Item: Hashable, Sendable {
        package var secret: SecretID
        /// 40 bytes.
        package var share: [UInt8]
        /// From the item's leaf to the root in the dealer's header.
        package var path: HashPath

        package init(secret: SecretID, share: [UInt8], path: HashPath) {
            self.secret = secret
            self.share = share
            self.path = path
        }
    }

    package var context: Digest
    /// SHA-256 of the set's bytes.
    package var set: Digest
    package var site: Position
    /// Sorted by dealer, then index.
    package var items: [Item]
    package var signature: [UInt8]

    package init(context: Digest, set: Digest, site: Position, items: [Item], signedBy key: StatementKey)
        throws(SecureSumError)
    {
        self.context = context
        self.set = set
        self.site = site
        self.items = items
        signature = []
        self = try signed(by: key)
    }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.digest(set)
        writer.position(site)
        writer.integer(UInt32(items.count))
        for item in items {
            writer.position(item.secret.dealer)
            writer.integer(item.secret.index)
            writer.raw(item.share)
            writer.byte(UInt8(item.path.count))
            writer.raw(item.path.bytes)
        }
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        set = try reader.digest()
        site = try reader.position()
        let count = Int(try reader.integer(UInt32.self))
        var last = SecretID(dealer: 0, index: 0)
        // The loop ends where the bytes do, whatever the count says.
        items = try reader.readEach(0..<count) { (reader, _) throws(SecureSumError) in
            let item = try Item(&reader)
            guard last < item.secret else { throw .malformed }
            last = item.secret
            return item
        }
        signature = try reader.signature()
        try reader.end()
    }
}

extension ShareRelease.Item {
    fileprivate init(_ reader: inout SecureSumReader) throws(SecureSumError) {
        // At once: a round of 500 sites has some hundred thousand of these.
        let fields = try reader.raw(8 + ShareItem.byteCount + 1)
        func number(_ range: Range<Int>) -> UInt32 { fields[range].reduce(0) { $0 << 8 | UInt32($1) } }
        let (dealer, index) = (Position(number(0..<4)), number(4..<8))
        share = Array(fields[8..<8 + ShareItem.byteCount])
        let length = Int(fields[8 + ShareItem.byteCount])
        guard (1...SumParameters.mostSites).contains(dealer), index < UInt32(SumParameters.mostSites),
            ShareItem.isShare(share), length <= ObjectLimits.longestPath
        else { throw .malformed }
        path = HashPath(bytes: try reader.raw(32 * length))
        secret = SecretID(dealer: dealer, index: index)
    }
}
