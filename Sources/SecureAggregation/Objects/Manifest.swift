// SPDX-License-Identifier: Apache-2.0
// O7: the set over which everybody masks.

package import Federation

/// V1, the sites whose deals stand, with their headers (O7). One for each context.
///
/// Bytes: `fl/secagg/v1 manifest` LF || context || bitmap of V1 || SHA-256 of each dealer's header with its signature,
/// ascending || signature by the aggregator.
package struct Manifest: SignedObject {
    private static let label = "fl/secagg/v1 manifest\n"

    package var context: Digest
    package var dealers: PositionSet
    /// SHA-256 of each dealer's header with its signature, ascending.
    package var headers: [Digest]
    /// By the aggregator.
    package var signature: [UInt8]

    /// - Precondition: one header for each dealer.
    package init(context: Digest, dealers: PositionSet, headers: [Digest], signedBy key: StatementKey)
        throws(SecureSumError)
    {
        precondition(headers.count == dealers.count, "one header for each dealer")
        self.context = context
        self.dealers = dealers
        self.headers = headers
        signature = []
        self = try signed(by: key)
    }

    /// SHA-256 of the bytes before the signature: what inputs and sets are bound to.
    package var hash: Digest { sha256(signedBytes) }

    /// SHA-256 of the header that `position` dealt with; nil where it is not in V1.
    package func header(of position: Position) -> Digest? {
        guard dealers.contains(position) else { return nil }
        return headers[dealers.positions.count { $0 < position }]
    }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.raw(dealers.bitmap)
        writer.digests(headers)
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        dealers = try reader.positionSet(rosterCount: rosterCount)
        headers = try reader.digests(dealers.count)
        signature = try reader.signature()
        try reader.end()
    }
}
