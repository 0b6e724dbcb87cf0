// SPDX-License-Identifier: Apache-2.0
// The block buffer of a table and the scan over it; memory stays one block, whatever the size of the file.

import Kernels

/// Where fields begin and end, for up to `rowCapacity` rows of `columnCount` fields.
final class FieldPositions {
    let rowCapacity: Int
    let columnCount: Int
    let starts: UnsafeMutablePointer<UInt32>
    let ends: UnsafeMutablePointer<UInt32>
    let lines: UnsafeMutablePointer<UInt32>

    init(rowCapacity: Int, columnCount: Int) {
        self.rowCapacity = rowCapacity
        self.columnCount = columnCount
        starts = .allocate(capacity: rowCapacity * columnCount)
        ends = .allocate(capacity: rowCapacity * columnCount)
        lines = .allocate(capacity: rowCapacity)
    }

    deinit {
        starts.deallocate()
        ends.deallocate()
        lines.deallocate()
    }
}

/// Reads a source block by block and finds the fields of its rows.
final class RowScanner {
    static let rowBytesLimit = 64 << 20

    private let source: any ByteSource
    private var state = consilium_row_scanner()
    /// `capacity` bytes and the kernel's slack.
    private var buffer: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var filled = 0
    private var hasEnded = false

    init(_ source: any ByteSource, separator: Separator, blockBytes: Int) {
        self.source = source
        state.line = 1
        state.separator = separator.byte
        capacity = blockBytes
        buffer = Self.makeBuffer(blockBytes)
    }

    deinit { buffer.deallocate() }

    /// The buffer that field positions count in; valid until the next scan.
    var bytes: UnsafePointer<UInt8> { UnsafePointer(buffer) }

    /// Finds the next rows and returns how many; 0 at the end of the text.
    ///
    /// Rows of another width than `positions.columnCount` are left out and added to `ragged`.
    func scan(into positions: FieldPositions, ragged: inout Places) throws(DataError) -> Int {
        while true {
            let (status, rows) = scanBuffer(into: positions, anyWidth: false)
            switch status {
            case CONSILIUM_SCAN_NEEDS_BYTES:
                if rows == 0, try !refill() { return 0 }
            case CONSILIUM_SCAN_RAGGED: ragged.add(line: Int(state.problem_line))
            default: try refuse(status)
            }
            if rows > 0 { return rows }
        }
    }

    /// Finds one row of any width up to `positions.columnCount` and returns its width, `nil` at the end of the text.
    ///
    /// - Parameter keepsRow: Leaves the row in place to be scanned again.
    func scanFirstRow(into positions: FieldPositions, keepsRow: Bool) throws(DataError) -> Int? {
        while true {
            let before = state
            let (status, rows) = scanBuffer(into: positions, anyWidth: true)
            if rows == 1 {
                let width = Int(state.fields)
                if keepsRow { state = before }
                return width
            }
            guard status == CONSILIUM_SCAN_NEEDS_BYTES else { throw problem(status) }
            if try !refill() { return nil }
        }
    }

    private func scanBuffer(into positions: FieldPositions, anyWidth: Bool) -> (consilium_scan_status, rows: Int) {
        var rows = 0
        let status = consilium_scan_rows(
            &state, bytes, filled, UInt32(positions.columnCount), anyWidth, anyWidth ? 1 : positions.rowCapacity,
            positions.starts, positions.ends, positions.lines, &rows)
        return (status, rows)
    }

    /// Drops the rows already read and fills the buffer up; false when the text has ended.
    private func refill() throws(DataError) -> Bool {
        let rest = filled - state.position
        guard rest <= Self.rowBytesLimit else {
            throw DataError(
                .rowTooLong, "the row on line \(state.line) is longer than 64 MiB",
                hint: "look for a quote that is never closed on that line, or for another separator")
        }
        if hasEnded {
            if rest == 0 { return false }
            throw DataError(
                .malformedQuotes, "a quote is never closed in the row on line \(state.line)",
                hint: "close it, or double it when it is part of the text")
        }
        makeRoom(keeping: rest)
        let free = UnsafeMutableRawBufferPointer(start: buffer + rest, count: capacity - rest)
        let count = try source.fill(free)
        filled = rest + count
        if count < free.count {
            hasEnded = true
            // The last row may lack its end; the slack has room for one.
            if filled > 0, buffer[filled - 1] != UInt8(ascii: "\n"), buffer[filled - 1] != UInt8(ascii: "\r") {
                buffer[filled] = UInt8(ascii: "\n")
                filled += 1
            }
        }
        return true
    }

    /// Moves the last `rest` bytes to the front of a buffer that has room for at least as many again.
    private func makeRoom(keeping rest: Int) {
        let old = buffer
        if rest * 2 > capacity {
            capacity = rest * 2
            buffer = Self.makeBuffer(capacity)
        }
        buffer.update(from: old + state.position, count: rest)
        if buffer != old { old.deallocate() }
        state.position = 0
    }

    private static func makeBuffer(_ capacity: Int) -> UnsafeMutablePointer<UInt8> {
        let count = capacity + Int(CONSILIUM_SCAN_SLACK)
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        buffer.initialize(repeating: 0, count: count)
        return buffer
    }

    private func refuse(_ status: consilium_scan_status) throws(DataError) {
        if status != CONSILIUM_SCAN_FULL { throw problem(status) }
    }

    private func problem(_ status: consilium_scan_status) -> DataError {
        switch status {
        case CONSILIUM_SCAN_ZERO_BYTE:
            DataError(
                .zeroByte, "line \(state.problem_line) holds a zero byte",
                hint: "the file is binary, or UTF-16 without a byte order mark: name its encoding in the mapping")
        case CONSILIUM_SCAN_TEXT_AFTER_QUOTE:
            DataError(
                .malformedQuotes, "line \(state.problem_line) has text after a closing quote",
                hint: "double a quote that is part of the text, and check the separator")
        case CONSILIUM_SCAN_TOO_WIDE:
            DataError(
                .tooManyColumns, "line \(state.problem_line) has more than \(RowReader.columnLimit) columns",
                hint: "check the separator; tables keep one row a patient or visit, not one column")
        default: preconditionFailure("the scanner returned \(status.rawValue)")
        }
    }
}
