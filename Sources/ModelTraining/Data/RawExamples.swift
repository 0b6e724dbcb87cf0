// SPDX-License-Identifier: Apache-2.0
// Examples as they were read, before what is learned from the training rows is applied to them.

import NeuralNetworks

/// The examples of one file, or some of them.
///
/// Privacy: holds patients' data; it stays in memory and is never written.
struct RawExamples {
    enum Content {
        /// Nothing is left to do.
        case ready(Examples)
        /// The inputs of a table, `[rows, width]`; NaN where a cell was empty.
        case columns([Float], width: Int)
        case texts([String])
    }

    var content: Content
    let count: Int
    /// For each loss `[count, values]`; empty where no labels were asked for.
    var targets: [[Float]]
    /// The patient of each row, where a column tells.
    var patients: [UInt32]?

    func selecting(_ rows: [Int32]) -> RawExamples {
        func select<Value>(_ values: [Value], width: Int) -> [Value] {
            rows.flatMap { values[Int($0) * width..<(Int($0) + 1) * width] }
        }
        let selected: Content =
            switch content {
            case .ready(let examples): .ready(examples.selecting(rows))
            case .columns(let values, let width): .columns(select(values, width: width), width: width)
            case .texts(let texts): .texts(select(texts, width: 1))
            }
        return RawExamples(
            content: selected, count: rows.count,
            targets: targets.map { select($0, width: count == 0 ? 0 : $0.count / count) },
            patients: patients.map { select($0, width: 1) })
    }
}
