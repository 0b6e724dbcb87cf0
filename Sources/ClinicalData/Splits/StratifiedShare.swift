// SPDX-License-Identifier: Apache-2.0
// Puts a share of the rows apart, with alike shares of each class, one patient always on one side.

import Randomness

/// A part of the rows that is held back, and the rest.
///
/// Patients of each class are put into a random order; going through all of them, class after class, every
/// (1/share)-th is held back. So each class's share is right to one patient. Classes as in ``StratifiedFolds``.
package struct StratifiedShare: Hashable, Sendable {
    /// The rows held back, in their order.
    package let held: [Int32]
    /// The other rows, in their order.
    package let rest: [Int32]

    /// - Parameters:
    ///   - classes: The class of each row. All the same for a share by chance alone.
    ///   - patients: The patient of each row; `nil`: each row is one of its own.
    ///   - stream: Names the use of the share: shares of two streams are independent.
    ///   - seed: The same seed gives the same share for ever.
    /// - Precondition: `share` in `0...1`, and there is a patient for each row if for any.
    package init(classes: [Int], patients: [UInt32]? = nil, share: Double, seed: UInt64, stream: String) {
        precondition((0...1).contains(share), "a share of \(share)")
        precondition(patients.map { $0.count == classes.count } ?? true, "one patient for each row")
        let rowsOfPatients = StratifiedFolds.rowsOfPatients(patients, rowCount: classes.count)
        let strata = Dictionary(grouping: rowsOfPatients.indices) { patient in
            StratifiedFolds.mostFrequent(rowsOfPatients[patient].map { classes[$0] })
        }
        var generator = SeededGenerator(seed: seed, stream: "share/\(stream)")
        var isHeld = [Bool](repeating: false, count: classes.count)
        var dealt = 0.0
        for (_, members) in strata.sorted(by: { $0.key < $1.key }) {
            var members = members
            generator.shuffle(&members)
            for patient in members {
                let holds = ((dealt + 1) * share).rounded(.down) > (dealt * share).rounded(.down)
                if holds { for row in rowsOfPatients[patient] { isHeld[row] = true } }
                dealt += 1
            }
        }
        let rows = (0..<Int32(classes.count))
        held = rows.filter { isHeld[Int($0)] }
        rest = rows.filter { !isHeld[Int($0)] }
    }
}
