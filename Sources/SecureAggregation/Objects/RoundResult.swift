// SPDX-License-Identifier: Apache-2.0
// O12 and the receipt: what the aggregator says of a round and of an upload.

package import Federation

/// What came out of a round (O12).
///
/// Bytes: `fl/secagg/v1 result` LF || context || SHA-256 of the set || SHA-256 of the sum || SHA-256 of the next blob
/// `model`, or zeros || signature by the aggregator.
package struct RoundResult: SignedObject {
    private static let label = "fl/secagg/v1 result\n"

    package var context: Digest
    package var set: Digest
    package var sum: Digest
    /// The blob `model` of the next round; nil where there is none.
    package var nextModel: Digest?
    package var signature: [UInt8]

    package init(context: Digest, set: Digest, sum: Digest, nextModel: Digest?, signedBy key: StatementKey)
        throws(SecureSumError)
    {
        self.context = context
        self.set = set
        self.sum = sum
        self.nextModel = nextModel
        signature = []
        self = try signed(by: key)
    }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digests([context, set, sum, nextModel ?? .zeros])
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        set = try reader.digest()
        sum = try reader.digest()
        let next = try reader.digest()
        nextModel = next == .zeros ? nil : next
        signature = try reader.signature()
        try reader.end()
    }
}

/// The aggregator's word that a site's input has arrived whole and was stored.
///
/// Bytes: `fl/secagg/v1 receipt` LF || context || SHA-256 of the input statement with its signature || signature by the
/// aggregator. With it a site proves that it was left out although it had delivered.
package struct UploadReceipt: SignedObject {
    private static let label = "fl/secagg/v1 receipt\n"

    package var context: Digest
    /// SHA-256 of the input statement with its signature.
    package var input: Digest
    package var signature: [UInt8]

    package init(context: Digest, input: Digest, signedBy key: StatementKey) throws(SecureSumError) {
        self.context = context
        self.input = input
        signature = []
        self = try signed(by: key)
    }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digests([context, input])
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        input = try reader.digest()
        signature = try reader.signature()
        try reader.end()
    }
}
