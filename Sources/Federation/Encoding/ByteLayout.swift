// SPDX-License-Identifier: Apache-2.0
// Writes and reads fixed byte layouts: a label line, big-endian integers, prefixed strings.

/// Bytes of one object, in order. `LP(x)` is a 16-bit length and then x.
package struct ByteWriter {
    package private(set) var bytes: [UInt8]

    /// - Parameter label: what the bytes are; where it is a line, it ends in a line feed.
    package init(label: String) { bytes = Array(label.utf8) }

    package mutating func raw(_ more: [UInt8]) { bytes += more }
    package mutating func raw(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    package mutating func byte(_ value: UInt8) { bytes.append(value) }

    package mutating func integer<Value: FixedWidthInteger>(_ value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    /// - Precondition: at most 65 535 bytes.
    package mutating func prefixed(_ more: some Collection<UInt8>) {
        precondition(more.count <= Int(UInt16.max), "a prefixed string has at most 65 535 bytes")
        integer(UInt16(more.count))
        bytes += more
    }

    package mutating func prefixed(_ text: String) { prefixed(Array(text.utf8)) }
}

/// Reads what ``ByteWriter`` writes; every deviation is `malformed`, the error of the reader's owner.
package struct ByteReader<Failure: Error> {
    private var rest: ArraySlice<UInt8>
    package let malformed: Failure

    package init(_ bytes: [UInt8], label: String, malformed: Failure) throws(Failure) {
        let label = Array(label.utf8)
        guard bytes.starts(with: label) else { throw malformed }
        rest = bytes.dropFirst(label.count)
        self.malformed = malformed
    }

    /// Reads bytes without a label.
    package init(unlabelled bytes: [UInt8], malformed: Failure) {
        rest = bytes[...]
        self.malformed = malformed
    }

    /// How many bytes are left.
    package var count: Int { rest.count }

    package mutating func raw(_ count: Int) throws(Failure) -> [UInt8] {
        guard count <= rest.count else { throw malformed }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    package mutating func byte() throws(Failure) -> UInt8 {
        guard let byte = rest.popFirst() else { throw malformed }
        return byte
    }

    package mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) throws(Failure) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= rest.count else { throw malformed }
        var value = Value.zero
        for byte in rest.prefix(size) { value = value << 8 | Value(truncatingIfNeeded: byte) }
        rest = rest.dropFirst(size)
        return value
    }

    package mutating func prefixed() throws(Failure) -> [UInt8] { try raw(Int(try integer(UInt16.self))) }

    package mutating func key() throws(Failure) -> StatementPublicKey {
        guard let key = StatementPublicKey(bytes: try raw(32)) else { throw malformed }
        return key
    }

    package mutating func digest() throws(Failure) -> Digest {
        guard let digest = Digest(bytes: try raw(32)) else { throw malformed }
        return digest
    }

    /// Nothing may follow.
    package func end() throws(Failure) {
        guard rest.isEmpty else { throw malformed }
    }
}
