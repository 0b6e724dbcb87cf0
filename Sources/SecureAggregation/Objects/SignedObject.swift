// SPDX-License-Identifier: Apache-2.0
// What all objects of a secure sum have in common: one spelling, read strictly, and a signature at its end.

package import Federation

/// A place in a roster, counted from 1 in the order of the site ids.
package typealias Position = Int

/// An object whose last 64 bytes are an Ed25519 signature over all bytes before them.
package protocol SignedObject: Hashable, Sendable {
    /// Everything that is signed, label first.
    var signedBytes: [UInt8] { get }
    /// 64 bytes.
    var signature: [UInt8] { get set }
}

extension SignedObject {
    /// What is sent and stored: ``signedBytes`` and the signature.
    package var bytes: [UInt8] { signedBytes + signature }

    /// The same with a signature of `key`. Ed25519 is deterministic: signed again, it has the same bytes.
    ///
    /// - Throws: `.cryptographyFailed`.
    package func signed(by key: StatementKey) throws(SecureSumError) -> Self {
        var object = self
        object.signature = try Signature.make(key, signedBytes)
        return object
    }

    package func isSigned(by key: StatementPublicKey) -> Bool {
        key.verifies(signature, of: signedBytes, domain: "")
    }
}

/// Ed25519 signatures without a domain of their own: the label at the start of the signed bytes is the domain.
enum Signature {
    static let byteCount = 64

    static func make(_ key: StatementKey, _ message: [UInt8]) throws(SecureSumError) -> [UInt8] {
        do { return try key.sign(message, domain: "") } catch { throw .cryptographyFailed }
    }
}

/// A signature by the statement key of a roster's position.
package struct PositionSignature: Hashable, Sendable {
    package var position: Position
    /// 64 bytes.
    package var signature: [UInt8]

    package init(position: Position, signature: [UInt8]) {
        self.position = position
        self.signature = signature
    }

    /// The signature of `position` over `message`, the bytes of a set or of a void statement.
    package init(position: Position, over message: [UInt8], signedBy key: StatementKey) throws(SecureSumError) {
        self.init(position: position, signature: try Signature.make(key, message))
    }

    package func verifies(_ message: [UInt8], by key: StatementPublicKey) -> Bool {
        key.verifies(signature, of: message, domain: "")
    }
}

/// SHA-256 of bytes that carry their own label.
func sha256(_ bytes: [UInt8]) -> Digest {
    var hash = BlobHasher()
    unsafe bytes.withUnsafeBytes { unsafe hash.update($0) }
    return hash.finish()
}

extension Digest {
    /// 32 zero bytes: the place of a digest that there is not.
    static let zeros = Digest(bytes: [UInt8](repeating: 0, count: 32)) ?? Digest(of: [], domain: "")

    /// H(x): what a dealer publishes of a secret before anybody masks with it.
    ///
    /// Source: privacy design review §3.1, O4: SHA-256("fl/secagg/v1 commit" || context || x).
    package static func commitment(to secret: [UInt8], context: Digest) -> Digest {
        Digest(of: context.bytes + secret, domain: "fl/secagg/v1 commit")
    }
}

// MARK: Bounds

/// What a parser accepts at most, whoever sends the bytes.
package enum ObjectLimits {
    /// Depth of a tree over one dealer's share items: 2¹⁴ is more than ``SumParameters/mostSites``.
    package static let longestPath = 14
}

// MARK: Reading and writing

/// A reader whose every complaint is ``SecureSumError/malformed``.
typealias SecureSumReader = ByteReader<SecureSumError>

extension SecureSumReader {
    init(_ bytes: [UInt8], label: String) throws(SecureSumError) {
        try self.init(bytes, label: label, malformed: .malformed)
    }

    mutating func position(in rosterCount: Int = SumParameters.mostSites) throws(SecureSumError) -> Position {
        let position = Int(try integer(UInt32.self))
        guard (1...max(rosterCount, 1)).contains(position) else { throw .malformed }
        return position
    }

    mutating func positionSet(rosterCount: Int) throws(SecureSumError) -> PositionSet {
        guard (0...SumParameters.mostSites).contains(rosterCount),
            let set = PositionSet(rosterCount: rosterCount, bitmap: try raw((rosterCount + 7) / 8))
        else { throw .malformed }
        return set
    }

    /// Reads `count` digests; nothing is set aside for them before their bytes are seen to be there.
    mutating func digests(_ count: Int) throws(SecureSumError) -> [Digest] {
        guard (0...self.count / 32).contains(count) else { throw .malformed }
        return try readEach(0..<count) { (reader, _) throws(SecureSumError) in try reader.digest() }
    }

    mutating func signature() throws(SecureSumError) -> [UInt8] { try raw(Signature.byteCount) }

    /// A count and as many signatures, positions ascending.
    mutating func positionSignatures(rosterCount: Int) throws(SecureSumError) -> [PositionSignature] {
        let count = Int(try integer(UInt32.self))
        guard count <= rosterCount else { throw .malformed }
        var last = 0
        return try readEach(0..<count) { (reader, _) throws(SecureSumError) in
            let position = try reader.position(in: rosterCount)
            guard position > last else { throw .malformed }
            last = position
            return PositionSignature(position: position, signature: try reader.signature())
        }
    }

    /// Reads one value for each of `indices`.
    mutating func readEach<Value>(
        _ indices: Range<Int>, _ read: (inout Self, Int) throws(SecureSumError) -> Value
    ) throws(SecureSumError) -> [Value] {
        var values: [Value] = []
        for index in indices { values.append(try read(&self, index)) }
        return values
    }
}

extension ByteWriter {
    mutating func position(_ position: Position) { integer(UInt32(position)) }
    mutating func digest(_ digest: Digest) { raw(digest.bytes) }
    mutating func digests(_ digests: [Digest]) { for digest in digests { raw(digest.bytes) } }

    mutating func positionSignatures(_ signatures: [PositionSignature]) {
        integer(UInt32(signatures.count))
        for one in signatures {
            position(one.position)
            raw(one.signature)
        }
    }
}
