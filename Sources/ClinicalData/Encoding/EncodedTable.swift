// SPDX-License-Identifier: Apache-2.0
// A site's table after checking: numbers only, one entry a row that has a label.

package import Federation

/// A table encoded under a data contract.
///
/// Privacy: holds patient records as numbers and stays at the site; only sums over it leave. The patient key itself
/// is not kept.
/// Invariant: every array over rows has ``rowCount`` entries.
package struct EncodedTable: Sendable {
    /// The part a row takes.
    package enum Split: UInt8, CaseIterable, Hashable, Sendable {
        case train = 0
        case test = 1
        /// Kept out of both by the split column.
        case excluded = 2
    }

    package let contract: DataContract
    /// Rows that have a label.
    package let rowCount: Int
    /// Shapes: `[contract.featureColumns.count][rowCount]`.
    /// Units: a number in its contract's unit; a date in days since its earliest day; a category as the code's index.
    /// NaN is missing.
    package let features: [[Float]]
    /// 0 or 1, the class index, or the quantity. Shapes: `[rowCount]`.
    package let labels: [Float]
    /// Shapes: `[rowCount]`.
    package let split: [Split]
    /// Indices of the group columns in the contract's columns.
    package let groupColumns: [Int]
    /// The level of each row; the last level is "unknown". Shapes: `[groupColumns.count][rowCount]`.
    package let groups: [[UInt8]]
    /// The patient of each row, numbered from zero in the order of appearance. Shapes: `[rowCount]`.
    package let patients: [UInt32]
    /// Different patients; equal to ``rowCount`` when the contract has no patient key.
    package let patientCount: Int
    /// Names the encoded content, see ``hash(contract:features:labels:groups:split:patients:)``.
    package let contentHash: Digest

    init(
        contract: DataContract, features: [[Float]], labels: [Float], groups: [[UInt8]], assignment: RowAssignment
    ) {
        self.contract = contract
        self.features = features
        self.labels = labels
        self.groups = groups
        rowCount = labels.count
        split = assignment.split
        patients = assignment.patients
        patientCount = assignment.patientCount
        groupColumns = contract.columns.indices.filter {
            if case .group = contract.columns[$0].kind { true } else { false }
        }
        contentHash = Self.hash(
            contract: contract, features: features, labels: labels, groups: groups, split: split, patients: patients)
    }

    /// The rows of one part, ascending.
    package func rows(in part: Split) -> [Int32] {
        var rows: [Int32] = []
        for (row, own) in split.enumerated() where own == part { rows.append(Int32(row)) }
        return rows
    }
}

extension EncodedTable {
    /// SHA-256 over the canonical bytes of the encoded content.
    ///
    /// Bytes, all numbers little-endian: the text `consilium/table/v1` and a zero; the row count (8 bytes); for each
    /// feature column, the label and each group column, in the contract's order: its name's length in UTF-8 bytes
    /// (4 bytes), the name, a tag (`f` feature, `l` label, `g` group) and its values (feature and label as IEEE 754
    /// binary32, missing as 0x7fc00000, zero without sign; group one byte); then `s` and one byte a row for the split;
    /// then `p` and 4 bytes a row for the patient.
    package static func hash(
        contract: DataContract, features: [[Float]], labels: [Float], groups: [[UInt8]], split: [Split],
        patients: [UInt32]
    ) -> Digest {
        var hasher = ContentHasher()
        hasher.add(Array("consilium/table/v1\0".utf8))
        hasher.add(littleEndian: UInt64(labels.count))
        var nextFeature = 0
        var nextGroup = 0
        for column in contract.columns {
            switch column.kind {
            case .number, .category, .date:
                hasher.add(name: column.name, tag: "f")
                hasher.add(features[nextFeature])
                nextFeature += 1
            case .label:
                hasher.add(name: column.name, tag: "l")
                hasher.add(labels)
            case .group:
                hasher.add(name: column.name, tag: "g")
                hasher.add(groups[nextGroup])
                nextGroup += 1
            case .patientKey, .split: break
            }
        }
        hasher.add(Array("s".utf8))
        hasher.add(split.map { $0.rawValue })
        hasher.add(Array("p".utf8))
        hasher.add(patients)
        return hasher.finish()
    }
}

/// Feeds arrays to SHA-256 without copying them where memory already has the canonical form.
private struct ContentHasher {
    private var hash = BlobHasher()

    mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { hash.update($0) } }

    mutating func add(littleEndian number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { hash.update($0) }
    }

    mutating func add(name: String, tag: String) {
        add(littleEndian: UInt32(name.utf8.count))
        add(Array(name.utf8))
        add(Array(tag.utf8))
    }

    mutating func add(_ numbers: [UInt32]) { add(numbers) { $0 } }

    mutating func add(_ values: [Float]) { add(values) { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

    /// Converts some thousand elements at a time, so that the copy stays in the cache.
    @inline(__always)
    private mutating func add<Element>(_ elements: [Element], _ bits: (Element) -> UInt32) {
        let step = 4_096
        var words: [UInt32] = []
        words.reserveCapacity(step)
        for start in stride(from: 0, to: elements.count, by: step) {
            words.removeAll(keepingCapacity: true)
            for element in elements[start..<min(start + step, elements.count)] {
                words.append(bits(element).littleEndian)
            }
            words.withUnsafeBytes { hash.update($0) }
        }
    }

    func finish() -> Digest { hash.finish() }
}
