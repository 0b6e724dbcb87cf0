// SPDX-License-Identifier: Apache-2.0
// Opens a table: finds out about gzip, byte order marks and the encoding, and hands on plain UTF-8.

/// A table's text, opened.
struct TableText {
    /// How much of the text is looked at before the first row is read.
    private static let sampleBytes = 64 * 1024
    private static let gzipMagic: [UInt8] = [0x1F, 0x8B]
    private static let marks: [(bytes: [UInt8], encoding: TextEncoding)] = [
        ([0xEF, 0xBB, 0xBF], .utf8), ([0xFF, 0xFE], .utf16LittleEndian), ([0xFE, 0xFF], .utf16BigEndian),
    ]

    /// UTF-8 without a byte order mark.
    let source: any ByteSource
    let encoding: TextEncoding
    let isCompressed: Bool
    /// The first bytes of the text, up to 64 KiB.
    let sample: [UInt8]

    /// Opens `input`; a byte order mark wins over `encoding`, and without either the text is taken as UTF-8.
    init(_ input: TableInput, encoding given: TextEncoding?) throws(DataError) {
        let raw = try input.open()
        let magic = try raw.prefix(Self.gzipMagic.count)
        isCompressed = magic == Self.gzipMagic
        let whole = PrefixedSource(prefix: magic, rest: raw)
        let plain: any ByteSource = isCompressed ? try InflatingSource(whole) : whole

        let start = try plain.prefix(3)
        let mark = Self.marks.first { start.starts(with: $0.bytes) }
        encoding = mark?.encoding ?? given ?? .utf8
        let text = PrefixedSource(prefix: Array(start.dropFirst(mark?.bytes.count ?? 0)), rest: plain)
        let decoded = encoding.decode(text)
        sample = try decoded.prefix(Self.sampleBytes)
        source = PrefixedSource(prefix: sample, rest: decoded)
    }

    /// Runs `body` on the opened text; when no encoding was given and UTF-8 turns out to be wrong, even at the end of
    /// the file, runs it again on the text as Windows-1252.
    static func read<Result>(
        _ input: TableInput, encoding: TextEncoding?, _ body: (TableText) throws(DataError) -> Result
    ) throws(DataError) -> Result {
        do {
            return try body(try TableText(input, encoding: encoding))
        } catch  where error.code == .wrongEncoding && encoding == nil {
            let text = try TableText(input, encoding: .windows1252)
            // A byte order mark says what the text claims to be; then it is damaged and not of another encoding.
            guard text.encoding == .windows1252 else { throw error }
            return try body(text)
        }
    }
}
