// SPDX-License-Identifier: Apache-2.0
// Divides rows into folds with alike shares of each class, one patient always in one fold.

import Randomness

/// The parts of a cross-validation.
///
/// Patients of each class are put into a random order and dealt to the folds in turn, each class going on where the
/// one before stopped. So a class's patients differ by at most one between folds, and so do all patients.
/// A patient whose rows are of several classes counts to the most frequent, the lowest of equals.
package struct StratifiedFolds: Hashable, Sendable {
    package let count: Int
    /// The fold of each row, from 0.
    package let folds: [Int32]

    /// - Parameters:
    ///   - classes: The class of each row. All the same for folds by chance alone; the event for survival.
    ///   - patients: The patient of each row, as in ``EncodedTable``; `nil`: each row is one of its own.
    ///   - seed: The same seed gives the same folds for ever.
    /// - Precondition: `count >= 2`, and there is a patient for each row if for any.
    package init(classes: [Int], patients: [UInt32]? = nil, count: Int, seed: UInt64) {
        precondition(count >= 2, "\(count) folds")
        precondition(patients.map { $0.count == classes.count } ?? true, "one patient for each row")
        self.count = count
        let rowsOfPatients = Self.rowsOfPatients(patients, rowCount: classes.count)
        let strata = Dictionary(grouping: rowsOfPatients.indices) { patient in
            Self.mostFrequent(rowsOfPatients[patient].map { classes[$0] })
        }
        var generator = SeededGenerator(seed: seed, stream: "folds")
        var folds = [Int32](repeating: 0, count: classes.count)
        var dealt = 0
        for (_, members) in strata.sorted(by: { $0.key < $1.key }) {
            var members = members
            generator.shuffle(&members)
            for patient in members {
                for row in rowsOfPatients[patient] { folds[row] = Int32(dealt % count) }
                dealt += 1
            }
        }
        self.folds = folds
    }

    /// The rows to train on and those to test on when `fold` is left out, in their order.
    ///
    /// - Precondition: `fold` is in `0..<count`.
    package func rows(leavingOut fold: Int) -> (training: [Int32], test: [Int32]) {
        precondition((0..<count).contains(fold), "fold \(fold) of \(count)")
        let rows = (0..<Int32(folds.count))
        return (rows.filter { folds[Int($0)] != fold }, rows.filter { folds[Int($0)] == fold })
    }

    /// The rows of each patient; patients in the order of their first row.
    static func rowsOfPatients(_ patients: [UInt32]?, rowCount: Int) -> [[Int]] {
        guard let patients else { return (0..<rowCount).map { [$0] } }
        var places: [UInt32: Int] = [:]
        var rows: [[Int]] = []
        for (row, patient) in patients.enumerated() {
            let place = places[patient] ?? rows.count
            if place == rows.count {
                places[patient] = place
                rows.append([])
            }
            rows[place].append(row)
        }
        return rows
    }

    /// - Precondition: there is a class.
    static func mostFrequent(_ classes: [Int]) -> Int {
        if classes.count == 1 { return classes[0] }
        let counts = Dictionary(classes.map { ($0, 1) }, uniquingKeysWith: +)
        return counts.min { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }?.key ?? 0
    }
}
