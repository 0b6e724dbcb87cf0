// SPDX-License-Identifier: Apache-2.0
// Losses that compare the examples of a batch, against loops in double precision and their central differences.

import Glibc
import NeuralNetworks
import Testing

@Suite struct BatchLossTests {
    /// The negative log partial likelihood by its definition.
    private static func cox(_ z: [Double], _ targets: [Float], _ ties: CoxPartialLikelihood.Ties) -> Double {
        let people = z.indices.map { (z: z[$0], time: targets[2 * $0], event: targets[2 * $0 + 1] > 0) }
        return Set(people.filter(\.event).map(\.time)).sorted().reduce(0) { sum, time in
            let risk = people.filter { $0.time >= time }.reduce(0) { $0 + exp($1.z) }
            let dying = people.filter { $0.time == time && $0.event }
            let dyingRisk = dying.reduce(0) { $0 + exp($1.z) }
            return (0..<dying.count).reduce(sum) { sum, number in
                let share = ties == .efron ? Double(number) / Double(dying.count) : 0
                return sum + log(risk - share * dyingRisk) - dying[number].z
            }
        }
    }

    private static func people(_ count: Int) -> [Float] {
        (0..<count).flatMap { person -> [Float] in
            let time = Float((person * 7) % 9)
            return [time, person % 3 == 0 ? 0 : 1]
        }
    }

    @Test(arguments: [CoxPartialLikelihood.Ties.breslow, .efron], [1, 4, 5, 40])
    func coxFollowsItsFormula(ties: CoxPartialLikelihood.Ties, count: Int) {
        let targets = count == 1 ? [3, 1] : Self.people(count)
        let z = LossTests.random(count, "z")
        if count > 1 {
            LossTests.check(CoxPartialLikelihood(ties: ties), z, targets: targets, output: Shape([1])) {
                Self.cox($0, targets, ties)
            }
        } else {
            #expect(
                LossRun(CoxPartialLikelihood(ties: ties), z, targets: targets, output: Shape([1])).gradient == [0])
        }
        let weight = LossRun(CoxPartialLikelihood(ties: ties), z, targets: targets, output: Shape([1])).weight
        #expect(weight == Double(targets.indices.count { $0 % 2 == 1 && targets[$0] > 0 }))
    }

    @Test func coxWithoutEventsIsZero() {
        let run = LossRun(
            CoxPartialLikelihood(), [1, 2], targets: [1, 0, 2, 0], output: Shape([1]), scale: .infinity)
        #expect(run.sum == 0 && run.weight == 0 && run.gradient == [0, 0])
    }

    @Test(arguments: [Float(1000), -1000]) func coxTakesRisksFarApart(far: Float) {
        // Who leaves first is far from the others; all log terms are those of the largest at risk.
        for targets: [Float] in [[1, 1, 2, 1, 3, 1], [3, 1, 2, 1, 1, 1]] {
            let run = LossRun(CoxPartialLikelihood(), [far, 0, 1], targets: targets, output: Shape([1]))
            #expect(run.sum.isFinite && run.gradient.allSatisfy { abs($0) <= 3 })
            #expect(abs(run.gradient.reduce(0, +)) < 1e-6)
        }
        let run = LossRun(CoxPartialLikelihood(), [far, far, far + 1], targets: Self.people(3), output: Shape([1]))
        #expect(run.sum.isFinite && run.gradient.contains { $0 != 0 })
    }

    @Test(arguments: [true, false]) func pairsFindEachOther(isSymmetric: Bool) {
        let (count, width) = (5, 4)
        let loss = InfoNCE(temperature: 0.5, isSymmetric: isSymmetric)
        let z = LossTests.random(count * 2 * width, "z", scale: 1)
        let targets = [Float](repeating: 0, count: count)
        LossTests.check(loss, z, targets: targets, output: Shape([2 * width])) { z in
            let units: [[Double]] = (0..<2 * count).map { row in
                let values = z[row * width..<(row + 1) * width]
                let length = sqrt(values.reduce(0) { $0 + $1 * $1 })
                return values.map { $0 / length }
            }
            let s: [[Double]] = (0..<count).map { i in
                (0..<count).map { j in
                    let products = zip(units[2 * i], units[2 * j + 1]).map { $0.0 * $0.1 }
                    return products.reduce(0, +) / 0.5
                }
            }
            func entropy(_ logits: [Double], _ target: Int) -> Double {
                log(logits.reduce(0) { $0 + exp($1) }) - logits[target]
            }
            let rows = (0..<count).reduce(0.0) { sum, i in sum + entropy(s[i], i) }
            let columns = (0..<count).reduce(0.0) { sum, i in sum + entropy(s.map { $0[i] }, i) }
            return isSymmetric ? (rows + columns) / 2 : rows
        }
        #expect(LossRun(loss, z, targets: targets, output: Shape([2 * width])).weight == 5)
    }

    @Test func embeddingsWithoutLengthHarmNobody() {
        let run = LossRun(
            InfoNCE(), [0, 0, 0, 0, 1, 2, 2, 1], targets: [0, 0], output: Shape([4]), scale: 0.5)
        #expect(run.sum.isFinite && run.gradient[4...].allSatisfy { $0.isFinite })
    }
}
