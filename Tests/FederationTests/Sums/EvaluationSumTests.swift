// SPDX-License-Identifier: Apache-2.0
// The evaluation round: metrics from summed counts against metrics of the pooled rows.

import Federation
import Randomness
import RingArithmetic
import Testing

@Suite struct EvaluationSumTests {
    private static let unit = (minimum: 0.0, maximum: 1.0)

    /// The exact AUC of pairs, ties counted half.
    private static func area(_ scores: [Double], isPositive: [Bool]) -> Double {
        var wins = 0.0
        var pairs = 0.0
        for (score, positive) in zip(scores, isPositive) where positive {
            for (other, otherPositive) in zip(scores, isPositive) where !otherPositive {
                pairs += 1
                wins += score > other ? 1 : (score == other ? 0.5 : 0)
            }
        }
        return wins / pairs
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>, [16, 1_024])
    func binaryMetricsAreThoseOfTheRows(seed: UInt64, bins: Int) throws {
        var generator = SeededGenerator(seed: seed, stream: "scores")
        let count = 50 + generator.index(below: 200)
        let labels = (0..<count).map { _ in Float(generator.index(below: 2)) }
        let scores = labels.map { min(1, generator.uniformFloat() * 0.7 + $0 * 0.3) }
        let sum = try EvaluationSum(task: .binary, bins: bins)
        // Three sites, pooled by adding.
        let third = count / 3
        let parts = [0..<third, third..<2 * third, 2 * third..<count].map {
            sum.counts(outputs: Array(scores[$0]), labels: Array(labels[$0]), labelRange: Self.unit)
        }
        let pooled = Self.sum(parts)
        #expect(pooled == sum.counts(outputs: scores, labels: labels, labelRange: Self.unit))
        let metrics = try sum.metrics(of: pooled, labelRange: Self.unit)

        let rows = zip(scores, labels).map { (score: Double($0), isPositive: $1 == 1) }
        #expect(metrics.rows == count)
        #expect(metrics.accuracy == Double(rows.count { ($0.score >= 0.5) == $0.isPositive }) / Double(count))
        let brier = rows.reduce(0) { $0 + ($1.score - ($1.isPositive ? 1 : 0)) * ($1.score - ($1.isPositive ? 1 : 0)) }
        #expect(abs(try #require(metrics.brier) - brier / Double(count)) <= 0x1p-20)
        let loss = rows.reduce(0) { $0 - Self.logarithm($1.isPositive ? $1.score : 1 - $1.score) }
        #expect(abs(try #require(metrics.logLoss) - loss / Double(count)) <= 0x1p-20)
        let exact = Self.area(rows.map(\.score), isPositive: rows.map(\.isPositive))
        let auc = try #require(metrics.auc)
        #expect(auc.lower - 1e-12 <= exact && exact <= auc.upper + 1e-12, "seed \(seed)")
        #expect(auc.upper - auc.lower < 4 / Double(bins))
    }

    private static func sum(_ parts: [EvaluationSum.Counts]) -> EvaluationSum.Counts {
        parts.dropFirst().reduce(parts[0]) { left, right in
            EvaluationSum.Counts(
                positives: zip(left.positives, right.positives).map { $0 + $1 },
                negatives: zip(left.negatives, right.negatives).map { $0 + $1 },
                moments: zip(left.moments, right.moments).map { $0 + $1 })
        }
    }

    /// Clipped like the protocol's.
    private static func logarithm(_ value: Double) -> Double { max(-30, naturalLogarithm(max(value, 1e-13))) }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func multiclassMetricsAreThoseOfTheRows(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "scores")
        let classes = 3 + generator.index(below: 3)
        let count = 100
        let labels = (0..<count).map { _ in generator.index(below: classes) }
        let outputs = labels.map { label -> [Float] in
            let raw = (0..<classes).map { generator.uniformFloat() + ($0 == label ? 0.4 : 0) + 0.01 }
            let total = raw.reduce(0, +)
            return raw.map { $0 / total }
        }
        let sum = try EvaluationSum(task: .multiclass(classes: classes), bins: 256)
        #expect(sum.layout.sections.map(\.count) == [classes * 256, classes * 256, 7])
        let counts = sum.counts(
            outputs: outputs.flatMap { $0 }, labels: labels.map { Float($0) }, labelRange: Self.unit)
        let metrics = try sum.metrics(of: counts, labelRange: Self.unit)
        let correct = zip(outputs, labels).count { scores, label in scores.firstIndex(of: scores.max()!) == label }
        #expect(metrics.accuracy == Double(correct) / Double(count))
        let brier = zip(outputs, labels).reduce(0.0) { total, row in
            total
                + row.0.enumerated().reduce(0.0) {
                    let difference = Double($1.element) - ($1.offset == row.1 ? 1 : 0)
                    return $0 + difference * difference
                }
        }
        #expect(abs(try #require(metrics.brier) - brier / Double(count)) <= Double(classes) * 0x1p-20)
        let loss = zip(outputs, labels).reduce(0.0) { $0 - Self.logarithm(Double($1.0[$1.1])) }
        #expect(abs(try #require(metrics.logLoss) - loss / Double(count)) <= 0x1p-20)
        let areas = (0..<classes).map { index in
            Self.area(outputs.map { Double($0[index]) }, isPositive: labels.map { $0 == index })
        }
        let exact = areas.reduce(0, +) / Double(classes)
        let auc = try #require(metrics.auc)
        #expect(auc.lower - 1e-12 <= exact && exact <= auc.upper + 1e-12, "seed \(seed)")
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func regressionMetricsAreThoseOfTheRows(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "values")
        let range = (minimum: -20.0, maximum: 180.0)
        let labels = (0..<150).map { _ in Float(-20 + 200 * generator.uniformDouble()) }
        let outputs = labels.map { $0 + Float(20 * (generator.uniformDouble() - 0.5)) }
        let sum = try EvaluationSum(task: .regression, bins: 1_024)
        #expect(sum.layout.sections.map(\.name) == ["moments"])
        let counts = sum.counts(outputs: outputs, labels: labels, labelRange: range)
        let metrics = try sum.metrics(of: counts, labelRange: range)
        let errors = zip(outputs, labels).map { Double($0) - Double($1) }
        let mean = labels.reduce(0.0) { $0 + Double($1) } / 150
        let total = labels.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        let squares = errors.reduce(0) { $0 + $1 * $1 }
        #expect(abs(try #require(metrics.meanAbsoluteError) - errors.reduce(0) { $0 + abs($1) } / 150) < 1e-3)
        #expect(abs(try #require(metrics.rootMeanSquaredError) - (squares / 150).squareRoot()) < 1e-2)
        #expect(abs(try #require(metrics.rSquared) - (1 - squares / total)) < 1e-3)
        #expect(metrics.accuracy == nil && metrics.auc == nil && metrics.brier == nil && metrics.logLoss == nil)
    }

    // MARK: Edges

    @Test(arguments: [LearningTask.binary, .multiclass(classes: 4), .regression])
    func noRowsGiveNoMetrics(task: LearningTask) throws {
        let sum = try EvaluationSum(task: task, bins: 16)
        let counts = sum.counts(outputs: [], labels: [], labelRange: Self.unit)
        #expect(try sum.metrics(of: counts, labelRange: Self.unit).named.map(\.name) == ["rows"])
    }

    @Test func oneClassAloneHasNoArea() throws {
        let sum = try EvaluationSum(task: .binary, bins: 16)
        for label: Float in [0, 1] {
            let counts = sum.counts(outputs: [0.2, 0.7], labels: [label, label], labelRange: Self.unit)
            let metrics = try sum.metrics(of: counts, labelRange: Self.unit)
            #expect(metrics.auc == nil && metrics.accuracy == 0.5)
        }
        // A class that no row has is left out of the mean over classes.
        let three = try EvaluationSum(task: .multiclass(classes: 3), bins: 16)
        let counts = three.counts(
            outputs: [0.9, 0.1, 0, 0.1, 0.9, 0], labels: [0, 1], labelRange: Self.unit)
        #expect(try three.metrics(of: counts, labelRange: Self.unit).auc?.middle == 1)
    }

    @Test func scoresFallIntoTheirBins() throws {
        let sum = try EvaluationSum(task: .binary, bins: 16)
        let expected: [(score: Double, bin: Int)] = [
            (0, 0), (0.0624, 0), (0.0625, 1), (0.5, 8), (0.9374, 14), (0.9375, 15), (1, 15), (1.5, 15), (-0.1, 0),
            (.infinity, 15), (-.infinity, 0), (.nan, 0), (.greatestFiniteMagnitude, 15),
        ]
        for (score, bin) in expected { #expect(sum.bin(of: score) == bin, "\(score)") }
    }

    @Test func outputsThatAreNotNumbersCountAsWrong() throws {
        let binary = try EvaluationSum(task: .binary, bins: 16)
        for label: Float in [0, 1] {
            let counts = binary.counts(outputs: [.nan], labels: [label], labelRange: Self.unit)
            let metrics = try binary.metrics(of: counts, labelRange: Self.unit)
            #expect(metrics.accuracy == 0 && metrics.brier == 1 && metrics.logLoss == 30)
        }
        let three = try EvaluationSum(task: .multiclass(classes: 3), bins: 16)
        for label: Float in [0, 1, 2] {
            let counts = three.counts(outputs: [.nan, .nan, .nan], labels: [label], labelRange: Self.unit)
            let metrics = try three.metrics(of: counts, labelRange: Self.unit)
            #expect(metrics.accuracy == 0 && metrics.brier == 3 && metrics.logLoss == 30)
        }
        let regression = try EvaluationSum(task: .regression, bins: 16)
        for output: Float in [.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
            let counts = regression.counts(outputs: [output], labels: [0.5], labelRange: Self.unit)
            #expect(try regression.metrics(of: counts, labelRange: Self.unit).meanAbsoluteError == 1_000)
        }
    }

    @Test func theFirstOfEqualScoresIsTheAnswer() throws {
        let sum = try EvaluationSum(task: .multiclass(classes: 3), bins: 16)
        let third = Float(1.0 / 3)
        for (label, accuracy) in [(Float(0), 1.0), (1, 0), (2, 0)] {
            let counts = sum.counts(outputs: [third, third, third], labels: [label], labelRange: Self.unit)
            #expect(try sum.metrics(of: counts, labelRange: Self.unit).accuracy == accuracy)
        }
    }

    @Test func namesAreInAFixedOrder() throws {
        let sum = try EvaluationSum(task: .binary, bins: 16)
        let counts = sum.counts(outputs: [0.2, 0.7], labels: [0, 1], labelRange: Self.unit)
        let metrics = try sum.metrics(of: counts, labelRange: Self.unit)
        #expect(metrics.named.map(\.name) == ["rows", "accuracy", "auc", "aucLower", "aucUpper", "logLoss", "brier"])
    }

    // MARK: Sums that no data can give

    @Test func impossibleCountsAreRefused() throws {
        let sum = try EvaluationSum(task: .binary, bins: 4)
        let good = sum.counts(outputs: [0.2, 0.7, 0.9], labels: [0, 1, 0], labelRange: Self.unit)
        _ = try sum.metrics(of: good, labelRange: Self.unit)
        let changes: [(String, (inout EvaluationSum.Counts) -> Void)] = [
            ("negative bin", { $0.positives[0] = -1 }), ("a row twice", { $0.positives[0] += 1 }),
            ("a row missing", { $0.negatives[0] -= 1 }), ("huge bin", { $0.negatives[0] = .max }),
            ("huge bins", { $0.positives = [.max, .max, .max, .max] }),
            ("more correct than rows", { $0.moments[1] = 4 }), ("negative correct", { $0.moments[1] = -1 }),
            ("negative rows", { $0.moments[0] = -3 }), ("huge rows", { $0.moments[0] = .max }),
            ("negative loss", { $0.moments[2] = -1 }), ("huge loss", { $0.moments[2] = .max }),
            ("negative square", { $0.moments[3] = -1 }), ("square above one", { $0.moments[3] = 4 << 20 }),
            ("missing bin", { $0.positives.removeLast() }), ("missing moment", { $0.moments.removeLast() }),
            ("no rows", { $0.moments[0] = 0 }),
        ]
        for (name, change) in changes {
            var bad = good
            change(&bad)
            #expect(throws: SumError.implausible, "\(name)") { try sum.metrics(of: bad, labelRange: Self.unit) }
        }
        let three = try EvaluationSum(task: .multiclass(classes: 3), bins: 4)
        var counts = three.counts(outputs: [0.9, 0.1, 0, 0.1, 0.9, 0], labels: [0, 1], labelRange: Self.unit)
        // Two classes for one row.
        counts.positives[8] += 1
        counts.negatives[8] -= 1
        #expect(throws: SumError.implausible) { try three.metrics(of: counts, labelRange: Self.unit) }
    }
}
