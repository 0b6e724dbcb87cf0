// SPDX-License-Identifier: Apache-2.0
// Writes the fixed byte layouts of protocol/enrolment.md: a label line, big-endian integers, prefixed strings.

import Federation

/// Bytes of one object, in order. `LP(x)` is a 16-bit length and then x.
struct ByteWriter {
    private(set) var bytes: [UInt8]

    /// - Parameter label: the first line, which says what the bytes are; it ends in a line feed.
    init(label: String) { bytes = Array(label.utf8) }

    mutating func raw(_ more: some Sequence<UInt8>) { bytes += more }
    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func integer<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
    }

    /// - Precondition: at most 65 535 bytes.
    mutating func prefixed(_ more: some Collection<UInt8>) {
        precondition(more.count <= Int(UInt16.max), "a prefixed string has at most 65 535 bytes")
        integer(UInt16(more.count))
        bytes += more
    }

    mutating func prefixed(_ text: String) { prefixed(Array(text.utf8)) }
}

/// Reads what ``ByteWriter`` writes; every deviation is ``EnrolmentError/malformed``.
struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8], label: String) throws(EnrolmentError) {
        let label = Array(label.utf8)
        guard bytes.starts(with: label) else { throw .malformed }
        rest = bytes.dropFirst(label.count)
    }

    /// Reads bytes without a label.
    init(unlabelled bytes: [UInt8]) { rest = bytes[...] }

    /// How many bytes are left.
    var count: Int { rest.count }

    mutating func raw(_ count: Int) throws(EnrolmentError) -> [UInt8] {
        guard count <= rest.count else { throw .malformed }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func byte() throws(EnrolmentError) -> UInt8 { try raw(1)[0] }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) throws(EnrolmentError) -> Value {
        try raw(MemoryLayout<Value>.size).reduce(0) { $0 << 8 | Value($1) }
    }

    mutating func prefixed() throws(EnrolmentError) -> [UInt8] { try raw(Int(try integer(UInt16.self))) }

    /// A prefixed string that is a party's or a federation's name.
    mutating func name() throws(EnrolmentError) -> String {
        let text = String(decoding: try prefixed(), as: UTF8.self)
        guard PartyName.isName(text) else { throw .malformed }
        return text
    }

    mutating func key() throws(EnrolmentError) -> StatementPublicKey {
        guard let key = StatementPublicKey(bytes: try raw(32)) else { throw .malformed }
        return key
    }

    mutating func digest() throws(EnrolmentError) -> Digest {
        guard let digest = Digest(bytes: try raw(32)) else { throw .malformed }
        return digest
    }

    /// Nothing may follow.
    func end() throws(EnrolmentError) {
        guard rest.isEmpty else { throw .malformed }
    }
}
