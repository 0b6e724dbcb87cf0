// SPDX-License-Identifier: Apache-2.0
// Character encodings of tables, and the sources that turn each of them into checked UTF-8.

import Kernels

/// How the bytes of a table are to be read as text.
package enum TextEncoding: String, CaseIterable, Hashable, Sendable {
    case utf8
    case utf16LittleEndian
    case utf16BigEndian
    /// Windows-1252, which Latin-1 tables are read as, as web browsers do (WHATWG Encoding, §4.2).
    case windows1252

    func decode(_ source: any ByteSource) -> any ByteSource {
        switch self {
        case .utf8: UTF8CheckingSource(source)
        case .utf16LittleEndian: TranscodingSource(source, unitBytes: 2, isBigEndian: false)
        case .utf16BigEndian: TranscodingSource(source, unitBytes: 2, isBigEndian: true)
        case .windows1252: TranscodingSource(source, unitBytes: 1, isBigEndian: false)
        }
    }
}

/// Passes UTF-8 on and refuses anything else.
final class UTF8CheckingSource: ByteSource {
    private let source: any ByteSource
    private var state = consilium_utf8_state()
    private var offset = 0

    init(_ source: any ByteSource) { self.source = source }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        let count = try source.read(into: buffer)
        let bytes = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let checked = consilium_check_utf8(&state, bytes, count)
        guard checked == count, count > 0 || state.due == 0 || buffer.count == 0 else {
            throw DataError(
                .wrongEncoding, "the table is not UTF-8 text from byte \(offset + checked) on",
                hint: "name its encoding in the mapping, for example `encoding: windows1252`")
        }
        offset += count
        return count
    }
}

/// Turns UTF-16 or Windows-1252 into UTF-8.
final class TranscodingSource: ByteSource {
    private static let inputBytes = 64 * 1024
    /// Bytes 0x80...0x9f; the five that Windows-1252 leaves open stay control characters.
    private static let windowsSpecials: [UInt32] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x9D, 0x017E, 0x0178,
    ]

    private let source: any ByteSource
    private let unitBytes: Int
    private let isBigEndian: Bool
    private var pending: [UInt8] = []
    private var handedOut = 0
    private var highSurrogate: UInt32?

    init(_ source: any ByteSource, unitBytes: Int, isBigEndian: Bool) {
        self.source = source
        self.unitBytes = unitBytes
        self.isBigEndian = isBigEndian
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        while handedOut == pending.count {
            let input = try source.prefix(Self.inputBytes)
            pending.removeAll(keepingCapacity: true)
            handedOut = 0
            if input.isEmpty {
                guard highSurrogate == nil else { throw Self.wrong }
                return 0
            }
            try transcode(input)
        }
        let count = min(buffer.count, pending.count - handedOut)
        buffer.copyBytes(from: pending[handedOut..<handedOut + count])
        handedOut += count
        return count
    }

    private func transcode(_ input: [UInt8]) throws(DataError) {
        guard unitBytes == 2 else {
            for byte in input {
                append((0x80...0x9F).contains(byte) ? Self.windowsSpecials[Int(byte) - 0x80] : UInt32(byte))
            }
            return
        }
        guard input.count.isMultiple(of: 2) else { throw Self.wrong }
        for index in stride(from: 0, to: input.count, by: 2) {
            let (first, second) = (UInt32(input[index]), UInt32(input[index + 1]))
            try append(unit: isBigEndian ? first << 8 | second : second << 8 | first)
        }
    }

    private func append(unit: UInt32) throws(DataError) {
        switch (unit, highSurrogate) {
        case (0xD800...0xDBFF, nil): highSurrogate = unit
        case (0xDC00...0xDFFF, let high?):
            highSurrogate = nil
            append(0x10000 + (high - 0xD800) << 10 + (unit - 0xDC00))
        case (0xD800...0xDFFF, _), (_, .some): throw Self.wrong
        default: append(unit)
        }
    }

    private func append(_ scalar: UInt32) {
        switch scalar {
        case ..<0x80: pending.append(UInt8(scalar))
        case ..<0x800: pending.append(contentsOf: [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 0x3F)])
        case ..<0x10000:
            pending.append(contentsOf: [
                UInt8(0xE0 | scalar >> 12), UInt8(0x80 | scalar >> 6 & 0x3F), UInt8(0x80 | scalar & 0x3F),
            ])
        default:
            pending.append(contentsOf: [
                UInt8(0xF0 | scalar >> 18), UInt8(0x80 | scalar >> 12 & 0x3F), UInt8(0x80 | scalar >> 6 & 0x3F),
                UInt8(0x80 | scalar & 0x3F),
            ])
        }
    }

    private static let wrong = DataError(
        .wrongEncoding, "the table is not UTF-16 text",
        hint: "save it as UTF-8, or name another encoding in the mapping")
}
