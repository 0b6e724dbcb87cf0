// SPDX-License-Identifier: Apache-2.0
// Numbers the patients of a table and divides rows into training and test, one patient always on one side.

import Federation

/// Assigns each kept row its patient and its part.
struct RowAssignment {
    /// The patient of each kept row, from zero in the order of appearance; the row's own number without a patient key.
    private(set) var patients: [UInt32] = []
    private(set) var split: [EncodedTable.Split] = []
    private(set) var patientCount = 0

    private let key: (column: Int, missing: MissingCodes)?
    private var splitReader: CodeReader?
    private let trainCodeCount: Int32
    private let holdout: HoldoutHash
    private var keys = TextIndex()
    /// By patient: bit 0 when one of its rows trains, bit 1 when one tests.
    private var parts: [UInt8] = []
    private var missingKeys = Places()

    init(_ plans: [ColumnPlan], holdout: Holdout) {
        self.holdout = HoldoutHash(holdout)
        var key: (column: Int, missing: MissingCodes)?
        var reader: CodeReader?
        var trainCodes = 0
        for plan in plans {
            switch plan.contract.kind {
            case .patientKey: key = (plan.source, plan.missing)
            case .split(let split):
                reader = CodeReader(plan, codes: split.train + split.test)
                trainCodes = split.train.count
            default: break
            }
        }
        self.key = key
        splitReader = reader
        trainCodeCount = Int32(trainCodes)
    }

    mutating func reserve(_ rows: Int) {
        patients.reserveCapacity(rows)
        split.reserveCapacity(rows)
        parts.reserveCapacity(key == nil ? rows : 0)
    }

    mutating func encode(_ batch: RowBatch, kept: [Int]) {
        splitReader?.read(batch)
        for row in kept {
            let patient = patient(batch, row: row)
            patients.append(UInt32(patient))
            let part = splitReader.map { self.part(code: $0.codes[row]) } ?? (parts[patient] == 2 ? .test : .train)
            if part != .excluded { parts[patient] |= part == .test ? 2 : 1 }
            split.append(part)
        }
    }

    /// The patient's number. A new patient gets its side by hash when no column gives it.
    private mutating func patient(_ batch: RowBatch, row: Int) -> Int {
        guard let key else {
            let number = UInt64(batch.firstRow + row)
            parts.append(splitReader == nil && holdout.isTest(row: number) ? 2 : 0)
            patientCount += 1
            return patientCount - 1
        }
        return batch.withField(row: row, column: key.column) { text in
            if key.missing.contains(text) { missingKeys.add(line: batch.line(row)) }
            let (number, isNew) = keys.number(of: text)
            if isNew {
                parts.append(splitReader == nil && holdout.isTest(key: text) ? 2 : 0)
                patientCount += 1
            }
            return number
        }
    }

    private func part(code: Int32) -> EncodedTable.Split {
        if code < 0 { return .excluded }
        return code < trainCodeCount ? .train : .test
    }

    var findings: [DataFinding] {
        let inBoth = parts.count { $0 == 3 }
        return [
            DataFinding(.refusal, .missingPatientKey, missingKeys),
            inBoth > 0 ? DataFinding(.refusal, .patientInBothSplits, count: inBoth) : nil,
        ].compactMap(\.self)
    }
}
