// SPDX-License-Identifier: Apache-2.0
// Losses of single examples against loops in double precision and their central differences.

import AllocationCounter
import Glibc
import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct LossTests {
    static func random(_ count: Int, _ stream: String, scale: Float = 3) -> [Float] {
        var generator = SeededGenerator(seed: 17, stream: stream)
        return (0..<count).map { _ in scale * (2 * generator.uniformFloat() - 1) }
    }

    /// Compares sum and gradient, scaled by a half, with a formula in double.
    static func check(
        _ loss: some Loss, _ z: [Float], targets: [Float], output: Shape, _ comment: String = "",
        formula: ([Double]) -> Double
    ) {
        let run = LossRun(loss, z, targets: targets, output: output, scale: 0.5)
        let x = z.map { Double($0) }
        let exact = formula(x)
        #expect(abs(run.sum - exact) <= 2e-6 * max(abs(exact), 1), "\(comment): \(run.sum), not \(exact)")
        #expect(GoldenVectors.agree(run.gradient, slopes(at: x) { formula($0) / 2 }), "\(comment): gradient")
    }

    // MARK: Classes

    static let softmaxLosses: [SoftmaxCrossEntropy] = [
        .init(), .init(labelSmoothing: 0.1), .init(focalGamma: 2), .init(focalGamma: 0.5),
        .init(classWeights: [0.5, 2, 1, 0.25, 3]), .init(classWeights: [0.5, 2, 1, 0, 3], labelSmoothing: 0.2),
        .init(classWeights: [0.5, 2, 1, 0, 3], focalGamma: 1.5),
    ]

    /// Σ over rows, by the definition of each option.
    private static func crossEntropy(
        _ loss: SoftmaxCrossEntropy, _ rows: [[Double]], _ targets: [Float]
    ) -> Double {
        zip(rows, targets).reduce(0) { sum, row in
            let (z, target) = row
            guard target >= 0 else { return sum }
            let logSum = log(z.reduce(0) { $0 + exp($1) })
            let weights = loss.classWeights.isEmpty ? z.map { _ in 1 } : loss.classWeights.map { Double($0) }
            let own = weights[Int(target)] * (logSum - z[Int(target)])
            let all = zip(weights, z).reduce(0) { $0 + $1.0 * (logSum - $1.1) }
            let smoothing = Double(loss.labelSmoothing)
            let rest = 1 - exp(z[Int(target)] - logSum)
            let focus = loss.focalGamma == 0 ? 1 : pow(rest, Double(loss.focalGamma))
            return sum + focus * ((1 - smoothing) * own + smoothing / Double(z.count) * all)
        }
    }

    @Test(arguments: softmaxLosses) func softmaxOverRowsFollowsItsFormula(_ loss: SoftmaxCrossEntropy) {
        let targets: [Float] = [0, 4, -1, 2, 3, 1, 1, -1, 2, 0, 4, 3, 3, 2, 1, 0, 4, 2]
        for output in [Shape([5]), Shape([6, 5])] {
            Self.check(loss, Self.random(90, "z"), targets: targets, output: output) { z in
                Self.crossEntropy(loss, (0..<18).map { Array(z[$0 * 5..<$0 * 5 + 5]) }, targets)
            }
        }
        let weights = targets.reduce(0.0) {
            $0 + ($1 < 0 ? 0 : loss.classWeights.isEmpty ? 1 : Double(loss.classWeights[Int($1)]))
        }
        #expect(LossRun(loss, Self.random(90, "z"), targets: targets, output: Shape([5])).weight == weights)
    }

    @Test(arguments: softmaxLosses) func softmaxOverPlanesFollowsItsFormula(_ loss: SoftmaxCrossEntropy) {
        let positions = 19
        let targets = (0..<2 * positions).map { Float(($0 * 7) % 6 - 1) }
        Self.check(loss, Self.random(10 * positions, "z"), targets: targets, output: Shape([5, 1, positions])) { z in
            let rows = (0..<2 * positions).map { place in
                (0..<5).map { z[(place / positions * 5 + $0) * positions + place % positions] }
            }
            return Self.crossEntropy(loss, rows, targets)
        }
    }

    @Test(arguments: [2, 15, 16, 37, 150]) func softmaxTakesAnyNumberOfClasses(classes: Int) {
        for smoothing: Float in [0, 0.1] {
            let loss = SoftmaxCrossEntropy(
                classWeights: (0..<classes).map { Float($0 % 5 + 1) / 2 }, labelSmoothing: smoothing)
            let targets = (0..<5).map { Float(($0 * 31) % (classes + 1) - 1) }
            Self.check(loss, Self.random(5 * classes, "z"), targets: targets, output: Shape([classes])) { z in
                Self.crossEntropy(loss, (0..<5).map { Array(z[$0 * classes..<($0 + 1) * classes]) }, targets)
            }
        }
    }

    @Test func softmaxStaysFiniteForExtremeLogits() {
        for gamma: Float in [0, 0.5, 2] {
            let loss = SoftmaxCrossEntropy(focalGamma: gamma)
            for output in [Shape([2]), Shape([2, 1, 1])] {
                for (logit, expected) in [(Float(1000), 0.0), (-1000, 1000)] {
                    let run = LossRun(loss, [logit, 0], targets: [0], output: output)
                    #expect(run.sum == expected)
                    #expect(run.gradient == (expected == 0 ? [0, 0] : [-1, 1]))
                }
            }
        }
    }

    @Test func ignoredTargetsMayComeWithAnything() {
        let z: [Float] = [.nan, .infinity, 1, 2]
        for output in [Shape([2]), Shape([2, 1, 1])] {
            let run = LossRun(SoftmaxCrossEntropy(), z, targets: [-1, -1], output: output, scale: .infinity)
            #expect(run.sum == 0 && run.weight == 0 && run.gradient == [0, 0, 0, 0])
        }
        let wide = LossRun(
            SoftmaxCrossEntropy(), .init(repeating: .nan, count: 40), targets: [-1, -1], output: Shape([20]),
            scale: .infinity)
        #expect(wide.sum == 0 && wide.gradient.allSatisfy { $0 == 0 })
        let run = LossRun(
            SigmoidCrossEntropy(focalGamma: 1), z, targets: .init(repeating: .nan, count: 4), output: Shape([2]),
            scale: .infinity)
        #expect(run.sum == 0 && run.weight == 0 && run.gradient == [0, 0, 0, 0])
    }

    @Test func aNaNThatCountsShowsInTheLoss() {
        #expect(LossRun(SoftmaxCrossEntropy(), [.nan, 1], targets: [1], output: Shape([2])).sum.isNaN)
        #expect(LossRun(SoftmaxCrossEntropy(), [.nan, 1], targets: [1], output: Shape([2, 1, 1])).sum.isNaN)
        #expect(LossRun(SigmoidCrossEntropy(), [.nan], targets: [1], output: Shape([1])).sum.isNaN)
        #expect(LossRun(MeanSquaredError(), [.nan], targets: [1], output: Shape([1])).sum.isNaN)
        #expect(LossRun(CoxPartialLikelihood(), [.nan, 0], targets: [1, 1, 2, 1], output: Shape([1])).sum.isNaN)
    }

    @Test(arguments: [(Float(1), Float(0)), (2.5, 0), (1, 2), (0.5, 0.5)])
    func sigmoidFollowsItsFormula(positiveWeight: Float, gamma: Float) {
        let loss = SigmoidCrossEntropy(positiveWeight: positiveWeight, focalGamma: gamma)
        let targets: [Float] = (0..<38).map { [0, 1, .nan, 0.25, 1, 0][$0 % 6] }
        let z = Self.random(38, "z", scale: 8)
        Self.check(loss, z, targets: targets, output: Shape([2])) { z in
            zip(z, targets).reduce(0) { sum, pair in
                guard !pair.1.isNaN else { return sum }
                let (t, p) = (Double(pair.1), 1 / (1 + exp(-pair.0)))
                let entropy = -Double(positiveWeight) * t * log(p) - (1 - t) * log(1 - p)
                return sum + (gamma == 0 ? 1 : pow(p * (1 - t) + (1 - p) * t, Double(gamma))) * entropy
            }
        }
        #expect(LossRun(loss, z, targets: targets, output: Shape([2])).weight == 32)
    }

    @Test func sigmoidStaysFiniteForExtremeLogits() {
        for gamma: Float in [0, 0.5, 2] {
            for (logit, target, expected) in [(Float(1000), Float(1), 0.0), (1000, 0, 1000), (-1000, 0, 0)] {
                let run = LossRun(
                    SigmoidCrossEntropy(focalGamma: gamma), [logit], targets: [target], output: Shape([1]))
                #expect(run.sum == expected && run.gradient == [expected == 0 ? 0 : 1])
            }
        }
    }

    // MARK: Regions

    private static let diceLosses: [Dice] = [
        .init(), .init(crossEntropyWeight: 1, smoothing: 0.1), .init(includesBackground: false),
    ]

    @Test(arguments: diceLosses) func diceOfClassesFollowsItsFormula(_ loss: Dice) {
        let (classes, positions) = (3, 18)
        // The second example has no class 2.
        let targets = (0..<2 * positions).map { Float($0 < positions ? ($0 * 5) % 4 - 1 : $0 % 2) }
        let z = Self.random(2 * classes * positions, "z")
        Self.check(loss, z, targets: targets, output: Shape([classes, 2, 9])) { z in
            (0..<2).reduce(0) { sum, example in
                let own = Array(targets[example * positions..<(example + 1) * positions])
                let places = own.indices.filter { own[$0] >= 0 }
                let p = places.map { place in
                    let row = (0..<classes).map { exp(z[(example * classes + $0) * positions + place]) }
                    return row.map { $0 / row.reduce(0, +) }
                }
                let first = loss.includesBackground ? 0 : 1
                let terms = (first..<classes).map { c in
                    let both = zip(p, places).reduce(0) { $0 + (own[$1.1] == Float(c) ? $1.0[c] : 0) }
                    let either = zip(p, places).reduce(0) { $0 + $1.0[c] + (own[$1.1] == Float(c) ? 1 : 0) }
                    return (2 * both + Double(loss.smoothing)) / (either + Double(loss.smoothing))
                }
                let entropy = zip(p, places).reduce(0) { $0 - log($1.0[Int(own[$1.1])]) } / Double(places.count)
                return sum + 1 - terms.reduce(0, +) / Double(terms.count) + Double(loss.crossEntropyWeight) * entropy
            }
        }
    }

    @Test(arguments: [Float(0), 0.7]) func diceOfOneRegionFollowsItsFormula(crossEntropyWeight: Float) {
        let loss = Dice(crossEntropyWeight: crossEntropyWeight)
        let targets: [Float] = (0..<34).map { [0, 1, 0.5, .nan, 1][$0 % 5] }
        Self.check(loss, Self.random(34, "z"), targets: targets, output: Shape([1, 1, 17])) { z in
            (0..<2).reduce(0) { sum, example in
                let pairs = (example * 17..<example * 17 + 17).compactMap { place in
                    targets[place].isNaN ? nil : (1 / (1 + exp(-z[place])), Double(targets[place]))
                }
                let both = pairs.reduce(0) { $0 + $1.0 * $1.1 }
                let either = pairs.reduce(0) { $0 + $1.0 + $1.1 }
                let entropy = pairs.reduce(0) { $0 - $1.1 * log($1.0) - (1 - $1.1) * log(1 - $1.0) }
                return sum + 1 - (2 * both + 1) / (either + 1)
                    + Double(crossEntropyWeight) * entropy / Double(pairs.count)
            }
        }
    }

    @Test func aMapWithoutTargetsHasNoDice() {
        for (output, target) in [(Shape([3, 2, 2]), Float(-1)), (Shape([1, 2, 2]), .nan)] {
            let loss = Dice(crossEntropyWeight: 1)
            let z = [Float](repeating: .nan, count: output.count)
            let run = LossRun(
                loss, z, targets: .init(repeating: target, count: 4), output: output, scale: .infinity)
            #expect(run.sum == 0 && run.gradient.allSatisfy { $0 == 0 })
        }
    }

    // MARK: Values

    @Test func regressionFollowsItsFormulas() {
        let (z, t) = (Self.random(38, "z"), Self.random(38, "t"))
        func sum(_ term: @escaping (Double, Double) -> Double) -> ([Double]) -> Double {
            { z in zip(z, t).reduce(0) { $0 + term($1.0, Double($1.1)) } }
        }
        Self.check(MeanSquaredError(), z, targets: t, output: Shape([2]), "mse", formula: sum { ($0 - $1) * ($0 - $1) })
        Self.check(MeanAbsoluteError(), z, targets: t, output: Shape([2]), "mae", formula: sum { abs($0 - $1) })
        Self.check(
            Huber(delta: 1.5), z, targets: t, output: Shape([2]), "huber",
            formula: sum { z, t in abs(z - t) <= 1.5 ? (z - t) * (z - t) / 2 : 1.5 * (abs(z - t) - 0.75) })
        #expect(LossRun(MeanAbsoluteError(), [1, 2], targets: [1, 0], output: Shape([2])).gradient == [0, 1])
    }

    @Test(arguments: [false, true]) func poissonFollowsItsFormula(isFull: Bool) {
        let counts = (0..<19).map { Float($0 % 5) }
        Self.check(PoissonLoss(isFull: isFull), Self.random(19, "z"), targets: counts, output: Shape([1])) { z in
            zip(z, counts).reduce(0) { sum, pair in
                let t = Double(pair.1)
                let stirling = isFull && t > 1 ? t * log(t) - t + log(2 * .pi * t) / 2 : 0
                return sum + exp(pair.0) - t * pair.0 + stirling
            }
        }
    }

    @Test func survivalFollowsItsFormula() {
        let intervals = 20
        let targets: [Float] = [0, 1, 0, 0, 5, 1, 7, 0, 19, 1, 20, 0]
        Self.check(
            DiscreteTimeSurvival(), Self.random(6 * intervals, "z"), targets: targets, output: Shape([intervals])
        ) { z in
            (0..<6).reduce(0) { sum, row in
                let (k, event) = (Int(targets[2 * row]), targets[2 * row + 1] > 0)
                let hazards = (0..<intervals).map { 1 / (1 + exp(-z[row * intervals + $0])) }
                return sum - hazards[..<k].reduce(0) { $0 + log(1 - $1) } - (event ? log(hazards[k]) : 0)
            }
        }
        let run = LossRun(DiscreteTimeSurvival(), [1000, -1000], targets: [1, 1], output: Shape([2]))
        #expect(run.sum == 2000 && run.gradient == [1, -1])
    }

    // MARK: Batches

    @Test func anExampleHasTheSameGradientAloneAndInABatch() {
        func check(_ loss: some Loss, _ output: Shape, _ targets: [Float]) throws {
            let width = try loss.targetCount(for: output)
            let examples = targets.count / width
            let z = Self.random(examples * output.count, "z")
            let whole = LossRun(loss, z, targets: targets, output: output)
            var alone: [Float] = []
            for example in 0..<examples {
                alone +=
                    LossRun(
                        loss, Array(z[example * output.count..<(example + 1) * output.count]),
                        targets: Array(targets[example * width..<(example + 1) * width]), output: output
                    ).gradient
            }
            #expect(whole.gradient == alone, "\(loss)")
        }
        let classes = (0..<37).map { Float($0 % 3) }
        #expect(throws: Never.self) {
            try check(SoftmaxCrossEntropy(focalGamma: 2), Shape([3]), classes)
            try check(SoftmaxCrossEntropy(labelSmoothing: 0.1), Shape([40]), classes)
            try check(SigmoidCrossEntropy(positiveWeight: 2, focalGamma: 2), Shape([1]), classes.map { $0 / 2 })
            try check(Huber(), Shape([1]), classes)
            try check(PoissonLoss(), Shape([1]), classes)
            try check(DiscreteTimeSurvival(), Shape([3]), classes.flatMap { [$0, 1] })
        }
    }

    @Test(.enabled(if: OptimizerTests.isOptimized)) func lossesOfExamplesAllocateNothing() {
        func check(_ loss: some Loss, _ output: Shape, targets: [Float]) {
            let z = FloatBuffer(Self.random(2 * output.count, "z"))
            let dz = FloatBuffer(count: 2 * output.count)
            let wanted = FloatBuffer(targets)
            let before = consilium_allocations_of_this_thread()
            _ = loss.evaluate(z.floats, targets: wanted.floats, output: output, scale: 1, into: dz.floats)
            _ = loss.weight(targets: wanted.floats, output: output)
            #expect(consilium_allocations_of_this_thread() - before == 0, "\(loss)")
        }
        check(SoftmaxCrossEntropy(classWeights: [1, 2]), Shape([2]), targets: [0, 1])
        check(SoftmaxCrossEntropy(), Shape([2, 1, 1]), targets: [0, 1])
        check(SigmoidCrossEntropy(), Shape([1]), targets: [0, 1])
        check(Dice(), Shape([3, 1, 1]), targets: [0, 1])
        check(MeanSquaredError(), Shape([1]), targets: [0, 1])
        check(MeanAbsoluteError(), Shape([1]), targets: [0, 1])
        check(Huber(), Shape([1]), targets: [0, 1])
        check(PoissonLoss(isFull: true), Shape([1]), targets: [0, 3])
        check(DiscreteTimeSurvival(), Shape([3]), targets: [0, 1, 2, 0])
    }
}
