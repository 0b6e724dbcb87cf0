// SPDX-License-Identifier: Apache-2.0
// What losses refuse: targets that cannot be learned, outputs of the wrong shape, options without sense. And what they
// make of outputs.

import Glibc
import NeuralNetworks
import Testing

@Suite struct LossTargetsTests {
    /// `good` is one example's target; each of `bad` replaces one of its values in the second of three examples.
    private static func check(_ loss: some Loss, _ output: Shape, good: [Float], bad: [(place: Int, value: Float)]) {
        #expect((try? loss.targetCount(for: output)) == good.count, "\(loss)")
        let targets = good + good + good
        #expect(LossRun.firstUnfit(loss, targets: targets, output: output) == nil, "\(loss)")
        for (place, value) in bad {
            var targets = targets
            targets[good.count + place] = value
            #expect(LossRun.firstUnfit(loss, targets: targets, output: output) == 1, "\(loss): \(value)")
        }
    }

    @Test func targetsThatCannotBeLearnedAreNamed() {
        let noClass: [Float] = [3, -2, 0.5, .nan, .infinity, -.infinity]
        Self.check(SoftmaxCrossEntropy(), Shape([3]), good: [2], bad: noClass.map { (0, $0) })
        Self.check(SoftmaxCrossEntropy(), Shape([2, 3]), good: [2, -1], bad: noClass.map { (1, $0) })
        Self.check(SoftmaxCrossEntropy(), Shape([3, 1, 2]), good: [2, -1], bad: noClass.map { (1, $0) })
        Self.check(Dice(), Shape([3, 1, 2]), good: [2, -1], bad: noClass.map { (1, $0) })
        let noShare: [Float] = [-0.1, 1.1, .infinity]
        Self.check(SigmoidCrossEntropy(), Shape([2]), good: [0.5, .nan], bad: noShare.map { (1, $0) })
        Self.check(Dice(), Shape([1, 1, 2]), good: [0.5, .nan], bad: noShare.map { (0, $0) })
        let noValue: [Float] = [.nan, .infinity]
        Self.check(MeanSquaredError(), Shape([2]), good: [-1, 2], bad: noValue.map { (1, $0) })
        Self.check(MeanAbsoluteError(), Shape([2]), good: [-1, 2], bad: noValue.map { (1, $0) })
        Self.check(Huber(), Shape([2]), good: [-1, 2], bad: noValue.map { (1, $0) })
        Self.check(PoissonLoss(), Shape([2]), good: [0, 2], bad: (noValue + [-1]).map { (1, $0) })
        Self.check(
            CoxPartialLikelihood(), Shape([1]), good: [3.5, 1], bad: [(0, .nan), (1, 0.5), (1, .nan), (1, -1)])
        Self.check(
            DiscreteTimeSurvival(), Shape([3]), good: [2, 1],
            bad: [(0, 3), (0, -1), (0, 0.5), (0, .nan), (1, 2), (1, .nan)])
        Self.check(DiscreteTimeSurvival(), Shape([3]), good: [3, 0], bad: [(0, 4), (1, 1)])
        Self.check(InfoNCE(), Shape([4]), good: [0], bad: [])
    }

    @Test func outputsAndOptionsThatDoNotFitAreRefused() {
        func refuses(_ loss: some Loss, _ output: Shape) {
            #expect(throws: ShapeError.self, "\(loss)") { try loss.targetCount(for: output) }
        }
        refuses(SoftmaxCrossEntropy(), Shape([1]))
        refuses(SoftmaxCrossEntropy(classWeights: [1, 2]), Shape([3]))
        refuses(SoftmaxCrossEntropy(classWeights: [1, -2]), Shape([2]))
        refuses(SoftmaxCrossEntropy(labelSmoothing: 1), Shape([2]))
        refuses(SoftmaxCrossEntropy(labelSmoothing: 0.1, focalGamma: 2), Shape([2]))
        refuses(SoftmaxCrossEntropy(focalGamma: -1), Shape([2]))
        refuses(SigmoidCrossEntropy(positiveWeight: 0), Shape([1]))
        refuses(SigmoidCrossEntropy(focalGamma: .nan), Shape([1]))
        refuses(Dice(), Shape([3, 4]))
        refuses(Dice(), Shape([300, 4, 4]))
        refuses(Dice(includesBackground: false), Shape([1, 4, 4]))
        refuses(Dice(smoothing: 0), Shape([2, 4, 4]))
        refuses(Huber(delta: 0), Shape([1]))
        refuses(CoxPartialLikelihood(), Shape([2]))
        refuses(DiscreteTimeSurvival(), Shape([2, 2]))
        refuses(InfoNCE(), Shape([3]))
        refuses(InfoNCE(temperature: 0), Shape([4]))
    }

    @Test func outputsBecomePredictions() {
        func check(_ loss: some Loss, _ z: [Float], _ output: Shape, _ expected: [Float]) {
            let values = LossRun.predictions(loss, z, output: output)
            let agrees = values.count == expected.count && zip(values, expected).allSatisfy { abs($0 - $1) < 1e-6 }
            #expect(agrees, "\(loss): \(values)")
        }
        let two = Float(log(2.0))
        let (third, sixth): (Float, Float) = (1 / 3, 1 / 6)
        check(SoftmaxCrossEntropy(), [two, 0], Shape([2]), [2 * third, third])
        check(SoftmaxCrossEntropy(), [two, 0, 0, two], Shape([2, 2]), [2 * third, third, third, 2 * third])
        check(SoftmaxCrossEntropy(), [two, two, 0, 0], Shape([2, 1, 2]), [2 * third, 2 * third, third, third])
        check(Dice(), [two, two, 0, 0], Shape([2, 1, 2]), [2 * third, 2 * third, third, third])
        check(SigmoidCrossEntropy(), [two], Shape([1]), [2 * third])
        check(Dice(), [two, 0], Shape([1, 1, 2]), [2 * third, 0.5])
        check(PoissonLoss(), [two], Shape([1]), [2])
        check(CoxPartialLikelihood(), [two], Shape([1]), [2])
        check(DiscreteTimeSurvival(), [0, two, 0, 0], Shape([2]), [0.5, sixth, 0.5, 0.25])
        check(InfoNCE(), [3, 4, 0, 2], Shape([4]), [0.6, 0.8, 0, 1])
        check(MeanSquaredError(), [3], Shape([1]), [3])
    }
}
