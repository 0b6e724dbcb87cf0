// SPDX-License-Identifier: Apache-2.0
// Small contracts and tables for the tests of this module.

import CZlib
import ClinicalData
import Federation

/// The contract most tests use: one column of each kind.
enum Sample {
    static let header = "patient,age,sex,admitted,outcome,part"

    static let contract = DataContract(
        columns: [
            ColumnContract(name: "patient", kind: .patientKey, missingCodes: []),
            number("age", 0...120), category("sex", ["f", "m"]),
            ColumnContract(
                name: "admitted",
                kind: .date(
                    DateColumn(
                        format: .yearMonthDay, earliest: CalendarDay(daysSinceEpoch: 0),
                        latest: CalendarDay(daysSinceEpoch: 20_000), outOfRange: .refuse)), missingCodes: []),
            ColumnContract(
                name: "outcome", kind: .label(.binary(positive: ["1", "2"], negative: ["0"])), missingCodes: ["?"]),
            ColumnContract(
                name: "part", kind: .split(SplitColumn(train: ["train"], test: ["test"])), missingCodes: []),
        ], holdout: Holdout(testFraction: 0, seed: 0))

    /// Eight rows of eight patients, one of them without a label, one kept out.
    static let rows = [
        "p1,63.0,m,1970-01-02,0,train", "p2,41,f,1970-02-01 10:30,1,train", "p3,,m,,2,train",
        "p4,55,?,2000-02-29,0,test",
        "p5,120,f,1999-12-31,1,test", "p6,0,m,2001-01-01,?,test", "p7,70.5,f,2004-06-30,0,train",
        "p8,33,m,2010-10-10,1,other",
    ]

    static var text: String { ([header] + rows).joined(separator: "\n") + "\n" }

    static func number(
        _ name: String, _ range: ClosedRange<Double>, _ rule: OutOfRangeRule = .refuse, missing: [String] = []
    ) -> ColumnContract {
        ColumnContract(
            name: name,
            kind: .number(
                NumberColumn(unit: "a", minimum: range.lowerBound, maximum: range.upperBound, outOfRange: rule)),
            missingCodes: missing)
    }

    static func category(
        _ name: String, _ codes: [String], _ rule: UnknownCodeRule = .missing, missing: [String] = ["?"],
        dropsFirst: Bool = false
    ) -> ColumnContract {
        ColumnContract(
            name: name,
            kind: .category(
                CategoryColumn(codes: codes, unknownCode: rule, dropsFirst: dropsFirst, isStandardized: false)),
            missingCodes: missing)
    }

    static func label(_ name: String = "y") -> ColumnContract {
        ColumnContract(name: name, kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: [])
    }

    /// A contract of these columns, the label `y`, and no patient key.
    static func contract(_ columns: ColumnContract..., testFraction: Double = 0, seed: UInt64 = 0) -> DataContract {
        DataContract(columns: columns + [label()], holdout: Holdout(testFraction: testFraction, seed: seed))
    }
}

/// Loads a table from text under `contract`.
func load(
    _ text: String, _ contract: DataContract = Sample.contract, _ mapping: TableMapping = TableMapping(path: "")
) throws(DataError) -> (table: EncodedTable, report: DataReport) {
    try load(Array(text.utf8), contract, mapping)
}

func load(
    _ bytes: [UInt8], _ contract: DataContract = Sample.contract, _ mapping: TableMapping = TableMapping(path: ""),
    sourceBlock: Int = 1 << 20, blockBytes: Int = 256 << 10
) throws(DataError) -> (table: EncodedTable, report: DataReport) {
    try TableLoader(
        contract: contract, mapping: mapping, input: .memory(bytes, blockBytes: sourceBlock), blockBytes: blockBytes
    ).load()
}

/// The error of `body`; `nil` when it succeeds.
func dataError<Result>(_ body: () throws(DataError) -> Result) -> DataError? {
    do throws(DataError) {
        _ = try body()
        return nil
    } catch { return error }
}

/// Describes a table given as bytes.
func describe(
    _ bytes: [UInt8], separator: Separator? = nil, encoding: TextEncoding? = nil, hasHeader: Bool? = nil,
    sourceBlock: Int = 1 << 20
) throws(DataError) -> TableDescription {
    try TableDescription.describe(
        .memory(bytes, blockBytes: sourceBlock), separator: separator, encoding: encoding, hasHeader: hasHeader)
}

/// One gzip member that holds `bytes`.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    var stream = z_stream()
    deflateInit2_(
        &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
    let written = output.withUnsafeMutableBufferPointer { target in
        bytes.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            deflate(&stream, Z_FINISH)
            return target.count - Int(stream.avail_out)
        }
    }
    deflateEnd(&stream)
    return Array(output.prefix(written))
}

extension String {
    func utf16Bytes(bigEndian: Bool, mark: Bool = true) -> [UInt8] {
        ((mark ? [0xFEFF] : []) + Array(utf16)).flatMap { unit -> [UInt8] in
            let bytes = [UInt8(unit >> 8), UInt8(unit & 0xFF)]
            return bigEndian ? bytes : bytes.reversed()
        }
    }
}
