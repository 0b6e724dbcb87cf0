// SPDX-License-Identifier: Apache-2.0
// Folds: every row in one, classes and patients spread evenly, the same for the same seed.

import ClinicalData
import Testing

@Suite struct StratifiedFoldsTests {
    private func counts(_ folds: StratifiedFolds, where isCounted: (Int) -> Bool = { _ in true }) -> [Int] {
        (0..<folds.count).map { fold in folds.folds.indices.count { isCounted($0) && folds.folds[$0] == fold } }
    }

    private func differAtMostByOne(_ counts: [Int]) -> Bool { (counts.max() ?? 0) - (counts.min() ?? 0) <= 1 }

    @Test func classesAndRowsAreSpreadEvenly() {
        for rows in [0, 1, 3, 10, 97, 500] {
            let classes = (0..<rows).map { $0 % 7 == 0 ? 2 : $0 % 3 == 0 ? 1 : 0 }
            for count in [2, 3, 5, 10] {
                let folds = StratifiedFolds(classes: classes, count: count, seed: 3)
                #expect(differAtMostByOne(counts(folds)), "\(rows) rows, \(count) folds")
                for label in 0...2 {
                    #expect(differAtMostByOne(counts(folds) { classes[$0] == label }), "\(rows) rows, class \(label)")
                }
            }
        }
    }

    @Test func everyRowIsLeftOutOnce() {
        let folds = StratifiedFolds(classes: (0..<50).map { $0 % 2 }, count: 4, seed: 1)
        var leftOut: [Int32] = []
        for fold in 0..<4 {
            let (training, test) = folds.rows(leavingOut: fold)
            #expect((training + test).sorted() == Array(0..<50))
            #expect(training == training.sorted() && test == test.sorted())
            leftOut += test
        }
        #expect(leftOut.sorted() == Array(0..<50))
    }

    @Test func patientsStayTogether() {
        let patients = (0..<300).map { UInt32($0 * $0 % 83) }
        let classes = patients.map { Int($0 % 3) }
        let folds = StratifiedFolds(classes: classes, patients: patients, count: 5, seed: 9)
        var foldOfPatient: [UInt32: Int32] = [:]
        for (row, patient) in patients.enumerated() {
            #expect(
                foldOfPatient.updateValue(folds.folds[row], forKey: patient) ?? folds.folds[row] == folds.folds[row])
        }
        let patientCounts = (0..<5).map { fold in foldOfPatient.values.count { $0 == fold } }
        #expect(differAtMostByOne(patientCounts))
        // Patients of one row each are rows.
        let alone = StratifiedFolds(classes: classes, patients: (0..<300).map { $0 }, count: 5, seed: 9)
        #expect(alone == StratifiedFolds(classes: classes, count: 5, seed: 9))
    }

    @Test func aPatientOfSeveralClassesCountsToTheMostFrequent() {
        // Patients 0 to 3 are of class 1 by most of their rows, patients 4 to 7 of class 0, as the lower of equals.
        let patients = (0..<8 as Range<UInt32>).flatMap { Array(repeating: $0, count: $0 < 4 ? 3 : 2) }
        let classes = (0..<8).flatMap { $0 < 4 ? [0, 1, 1] : [1, 0] }
        for seed in 0..<20 as Range<UInt64> {
            let folds = StratifiedFolds(classes: classes, patients: patients, count: 2, seed: seed)
            let firsts = (0..<8).map { patient in folds.folds[patients.firstIndex(of: UInt32(patient)) ?? 0] }
            #expect(firsts[..<4].count { $0 == 0 } == 2 && firsts[4...].count { $0 == 0 } == 2, "seed \(seed)")
        }
    }

    @Test func theSeedFixesTheFolds() {
        let classes = (0..<12).map { $0 % 2 }
        let folds = StratifiedFolds(classes: classes, count: 3, seed: 42)
        #expect(folds == StratifiedFolds(classes: classes, count: 3, seed: 42))
        #expect(folds != StratifiedFolds(classes: classes, count: 3, seed: 43))
        // Pinned: another order would change every cross-validation that was published with its seed.
        #expect(folds.folds == [1, 0, 1, 1, 0, 2, 2, 1, 0, 0, 2, 2])
    }
}
