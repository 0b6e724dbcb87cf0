// SPDX-License-Identifier: Apache-2.0
// Which texts mean which code, and which mean "missing": as trimmed text, or as equal numbers.

import Federation

/// The texts that mean "missing" in a column; the empty field always does.
struct MissingCodes {
    private let texts: [[UInt8]]
    /// The same codes as numbers, so that `-9` also covers `-9.0`.
    let numbers: [Double]

    init(_ codes: [String]) {
        texts = codes.map { Array($0.trimmed.utf8) }
        numbers = codes.compactMap { DecimalText.value(of: $0) }
    }

    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        // A handful of short texts: comparing them all costs less than hashing one.
        if text.isEmpty || texts.contains(where: { $0.count == text.count && $0.elementsEqual(text) }) { return true }
        guard !numbers.isEmpty, let number = DecimalText.value(of: text) else { return false }
        return numbers.contains(number)
    }
}

/// The codes of a column.
struct CodeBook {
    static let missing: Int32 = -1
    static let unknown: Int32 = -2

    private let missingCodes: MissingCodes
    private var texts: [[UInt8]: Int32] = [:]
    private var numbers: [(value: Double, code: Int32)] = []

    /// Reads a column planned as `plan` whose contract lists `codes`; a code's number is its index in them.
    init(_ plan: ColumnPlan, codes: [String]) {
        missingCodes = plan.missing
        // With codes of its own, the site says all of them; the contract's are then not understood as well, because
        // the same text may mean something else in the site's table.
        let own = plan.mapping.codes.isEmpty ? codes.map { ($0, $0) } : plan.mapping.codes.sorted { $0.key < $1.key }
        for (text, target) in own {
            guard let code = codes.firstIndex(of: target) else { continue }  // refused by the plan
            texts[Array(text.trimmed.utf8)] = Int32(code)
            if let number = DecimalText.value(of: text) { numbers.append((number, Int32(code))) }
        }
    }

    /// The code of a trimmed text, ``missing`` or ``unknown``.
    func code(of text: UnsafeBufferPointer<UInt8>) -> Int32 {
        if missingCodes.contains(text) { return Self.missing }
        if let code = texts[Array(text)] { return code }
        guard !numbers.isEmpty, let number = DecimalText.value(of: text) else { return Self.unknown }
        return numbers.first { $0.value == number }?.code ?? Self.unknown
    }
}

extension String {
    /// Without blanks and tabs at both ends.
    fileprivate var trimmed: String {
        Array(utf8).withUnsafeBufferPointer { String(decoding: $0.trimmingBlanks, as: UTF8.self) }
    }
}
