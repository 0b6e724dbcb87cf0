// SPDX-License-Identifier: Apache-2.0
// Shares of rows: right for each class, whole patients, the same for ever.

import ClinicalData
import Testing

@Suite struct StratifiedShareTests {
    @Test(arguments: [0.1, 0.25, 0.5]) func eachClassHasItsShare(_ share: Double) {
        let classes = (0..<1_000).map { $0 % 10 == 0 ? 1 : 0 }
        let split = StratifiedShare(classes: classes, share: share, seed: 3, stream: "test")
        #expect((split.held + split.rest).sorted() == Array(0..<1_000))
        #expect(split.held == split.held.sorted() && split.rest == split.rest.sorted())
        for (index, count) in [(0, 900.0), (1, 100.0)] {
            let held = split.held.count { classes[Int($0)] == index }
            #expect(abs(Double(held) - share * count) <= 1)
        }
    }

    @Test func patientsStayTogether() {
        let patients = (0..<300).map { UInt32($0 % 100) }
        let split = StratifiedShare(
            classes: Array(repeating: 0, count: 300), patients: patients, share: 0.2, seed: 1, stream: "test")
        #expect(split.held.count == 60)
        let held = Set(split.held.map { patients[Int($0)] })
        #expect(held.isDisjoint(with: split.rest.map { patients[Int($0)] }))
    }

    @Test func seedAndStreamDecide() {
        let classes = [Int](repeating: 0, count: 50)
        func held(_ seed: UInt64, _ stream: String) -> [Int32] {
            StratifiedShare(classes: classes, share: 0.3, seed: seed, stream: stream).held
        }
        #expect(held(1, "test") == held(1, "test"))
        #expect(held(1, "test") != held(2, "test") && held(1, "test") != held(1, "validation"))
        #expect(StratifiedShare(classes: [], share: 0.5, seed: 1, stream: "test").held.isEmpty)
    }
}
