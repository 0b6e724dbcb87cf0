// SPDX-License-Identifier: Apache-2.0
// Metrics of predictions against scikit-learn and lifelines, against loops over all pairs, and where they do not exist.

import NeuralNetworks
import Randomness
import Testing

/// The expected numbers are those of scikit-learn 1.9.1 and lifelines 0.30.3 with NumPy 2.4.6, on the same formulas in
/// Python, `//` for whole division, predictions rounded to float32 and then taken as float64:
///
/// - two classes: `accuracy_score(y, p >= 0.5)`, `roc_auc_score(y, p)`, `average_precision_score(y, p)`,
///   `f1_score(y, p >= 0.5)`, `brier_score_loss(y, p)`, `log_loss(y, p)`;
/// - several, with a = `q.argmax(1)`: `accuracy_score(t, a)`, `f1_score(t, a, average="macro")`, `log_loss(t, q)`,
///   `((q - eye(4)[t]) ** 2).sum(1).mean()`, and over classes k with 0 < sum(t == k) < len(t) the mean of
///   `roc_auc_score(t == k, q[:, k])` and of `average_precision_score(t == k, q[:, k])`;
/// - calibration, over the bins b of `digitize(p, linspace(0, 1, 16)[1:-1])`: Σ of
///   `abs(hit[b].mean() - p[b].mean()) * len(b) / len(p)`, where p = `q.max(1)` and hit = (a == t) for several classes;
/// - `mean_absolute_error`, `root_mean_squared_error`; `lifelines.utils.concordance_index(times, -risks, events)`.
@Suite struct PredictionMetricsTests {
    private func expectClose(
        _ value: Double?, _ expected: Double, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            value.map { abs($0 - expected) < 1e-6 } == true,
            "\(comment): \(String(describing: value)), not \(expected)",
            sourceLocation: sourceLocation)
    }

    private func generator(_ name: String) -> SeededGenerator { SeededGenerator(seed: 5, stream: name) }

    @Test func binaryMetricsAreThoseOfScikitLearn() {
        let rows = 0..<203
        let metrics = PredictionMetrics.binary(
            probabilities: rows.map { Float(($0 * 37 + 11) % 101 + 1) / 104 },
            labels: rows.map { ($0 * $0 * 7 + 3 * $0 + $0 / 10) % 5 < 2 ? 1 : 0 })
        #expect(metrics.rows == 203)
        expectClose(metrics.auc, 0.497_883_491_231_606_47, "AUC")
        expectClose(metrics.averagePrecision, 0.414_429_175_181_158_84, "average precision")
        expectClose(metrics.f1, 0.439_560_439_560_439_55, "F1")
        expectClose(metrics.brier, 0.327_789_337_499_267_25, "Brier")
        expectClose(metrics.calibrationError, 0.256_441_833_598_199_7, "calibration")
        expectClose(metrics.logLoss, 0.953_073_922_148_642_6, "log loss")
        expectClose(metrics.accuracy, 0.497_536_945_812_807_9, "accuracy")
        #expect(metrics.meanAbsoluteError == nil && metrics.concordance == nil)
    }

    private static let classCases: [(remainder: Int, expected: [Double])] = [
        (
            4,
            [
                0.26, 0.499_687_110_712_242_7, 0.254_794_372_826_319_7, 0.216_178_957_429_600_78,
                0.828_361_899_320_011_3, 0.179_332_971_970_240_28, 1.588_498_632_598_766_7,
            ]
        ),
        // The fourth class is no row's target, but the answer for some.
        (
            3,
            [
                0.366_666_666_666_666_64, 0.503_665_854_613_417_7, 0.338_730_113_435_374_85,
                0.336_915_613_686_123_55, 0.745_850_019_518_260_9, 0.095_999_638_609_636_906, 1.398_156_388_132_830_5,
            ]
        ),
    ]

    @Test(arguments: classCases)
    func metricsOfClassesAreThoseOfScikitLearn(_ test: (remainder: Int, expected: [Double])) {
        let rows = 0..<150
        let probabilities = rows.flatMap { row in
            let raw = (0..<4).map { Float(1 + (row * 13 + $0 * 29 + row * $0 * 7) % 17) }
            return raw.map { $0 / raw.reduce(0, +) }
        }
        let labels = rows.map { Float(($0 * $0 + 2 * $0 + $0 / 7) % 4 % test.remainder) }
        let metrics = PredictionMetrics.multiclass(probabilities: probabilities, labels: labels, classes: 4)
        let values = [
            metrics.accuracy, metrics.auc, metrics.averagePrecision, metrics.f1, metrics.brier,
            metrics.calibrationError, metrics.logLoss,
        ]
        for (index, expected) in test.expected.enumerated() { expectClose(values[index], expected, "value \(index)") }
    }

    @Test func errorsOfValuesAreThoseOfScikitLearn() {
        let rows = 0..<90
        let metrics = PredictionMetrics.regression(
            predictions: rows.map { Float(($0 * 53 + 7) % 89) / 8 },
            targets: rows.map { Float(($0 * 29 + 3) % 83) / 16 }
        )
        expectClose(metrics.meanAbsoluteError, 3.841_666_666_666_667, "mean absolute error")
        expectClose(metrics.rootMeanSquaredError, 4.719_483_478_682_339, "root of the mean squared error")
    }

    @Test func concordanceIsThatOfLifelines() {
        let rows = 0..<120
        let metrics = PredictionMetrics.survival(
            risks: rows.map { Float(($0 * 31 + 5) % 47) / 8 }, times: rows.map { Float(1 + ($0 * 17 + 3) % 29) },
            isEvent: rows.map { ($0 * $0 + $0 / 3) % 3 != 1 })
        expectClose(metrics.concordance, 0.515_966_386_554_621_9, "concordance")
    }

    @Test func areaUnderTheCurveCountsPairs() {
        var random = generator("pairs")
        for rows in 2...40 {
            let scores = (0..<rows).map { _ in Float(random.index(below: 9)) / 8 }
            let labels = (0..<rows).map { _ in Float(random.index(below: 2)) }
            var (right, pairs) = (0.0, 0.0)
            for positive in 0..<rows where labels[positive] == 1 {
                for negative in 0..<rows where labels[negative] == 0 {
                    pairs += 1
                    right += scores[positive] > scores[negative] ? 1 : scores[positive] == scores[negative] ? 0.5 : 0
                }
            }
            let auc = PredictionMetrics.binary(probabilities: scores, labels: labels).auc
            if pairs == 0 { #expect(auc == nil) } else { expectClose(auc, right / pairs, "\(rows) rows") }
        }
    }

    @Test func concordanceCountsPairs() {
        var random = generator("concordance")
        for rows in 0...40 {
            let risks = (0..<rows).map { _ in Float(random.index(below: 7)) }
            let times = (0..<rows).map { _ in Float(random.index(below: 12)) }
            let isEvent = (0..<rows).map { _ in random.index(below: 3) > 0 }
            var (right, pairs) = (0.0, 0.0)
            for early in 0..<rows where isEvent[early] {
                for late in 0..<rows
                where times[late] > times[early] || times[late] == times[early] && !isEvent[late] {
                    pairs += 1
                    right += risks[early] > risks[late] ? 1 : risks[early] == risks[late] ? 0.5 : 0
                }
            }
            let index = PredictionMetrics.survival(risks: risks, times: times, isEvent: isEvent).concordance
            if pairs == 0 { #expect(index == nil) } else { expectClose(index, right / pairs, "\(rows) rows") }
        }
    }

    @Test func perfectAndReversedPredictionsAreAtTheEnds() {
        let labels: [Float] = [0, 1, 0, 1, 1]
        let perfect = PredictionMetrics.binary(probabilities: labels, labels: labels)
        #expect(perfect.accuracy == 1 && perfect.auc == 1 && perfect.averagePrecision == 1 && perfect.f1 == 1)
        #expect(perfect.brier == 0 && perfect.calibrationError == 0 && perfect.logLoss == 0)
        let reversed = PredictionMetrics.binary(probabilities: labels.map { 1 - $0 }, labels: labels)
        #expect(reversed.accuracy == 0 && reversed.auc == 0 && reversed.f1 == 0)
        #expect(reversed.brier == 1 && reversed.calibrationError == 1)
        expectClose(reversed.logLoss, 29.933_606_208_922_594, "−ln 10⁻¹³")
        let risks: [Float] = [4, 3, 2, 1]
        let falling = PredictionMetrics.survival(
            risks: risks, times: [1, 2, 3, 4], isEvent: [true, true, true, false])
        #expect(falling.concordance == 1)
    }

    @Test func nothingGivesNothing() {
        let empty = PredictionMetrics(rows: 0)
        #expect(PredictionMetrics.binary(probabilities: [], labels: []) == empty)
        #expect(PredictionMetrics.multiclass(probabilities: [], labels: [], classes: 3) == empty)
        #expect(PredictionMetrics.regression(predictions: [], targets: []) == empty)
        #expect(PredictionMetrics.survival(risks: [], times: [], isEvent: []) == empty)
        #expect(empty.named.map(\.name) == ["rows"])
    }

    @Test func oneClassHasNoRankingAndNoF1() {
        for label in [0, 1] as [Float] {
            let metrics = PredictionMetrics.binary(probabilities: [0.2, 0.7], labels: [label, label])
            #expect(metrics.auc == nil && metrics.averagePrecision == nil && metrics.f1 == nil)
            #expect(metrics.accuracy == 0.5)
            #expect(metrics.brier != nil && metrics.logLoss != nil && metrics.calibrationError != nil)
        }
        let classes = PredictionMetrics.multiclass(
            probabilities: [0.5, 0.3, 0.2, 0.1, 0.6, 0.3], labels: [1, 1], classes: 3)
        #expect(classes.auc == nil && classes.averagePrecision == nil && classes.f1 == nil)
        #expect(classes.accuracy == 0.5)
    }

    @Test func survivalWithoutEventsHasNoConcordance() {
        #expect(
            PredictionMetrics.survival(risks: [1, 2], times: [1, 2], isEvent: [false, false])
                == PredictionMetrics(rows: 2))
        let together = PredictionMetrics.survival(risks: [1, 2], times: [3, 3], isEvent: [true, true])
        #expect(together.concordance == nil, "two events at one time make no pair")
    }

    @Test func predictionsThatAreNotFiniteGiveNothing() {
        for wrong in [Float.nan, .infinity, -.infinity] {
            let empty = PredictionMetrics(rows: 2)
            #expect(PredictionMetrics.binary(probabilities: [0.5, wrong], labels: [0, 1]) == empty)
            #expect(
                PredictionMetrics.multiclass(probabilities: [0.5, 0.5, wrong, 1], labels: [0, 1], classes: 2) == empty)
            #expect(PredictionMetrics.regression(predictions: [wrong, 1], targets: [0, 1]) == empty)
            #expect(PredictionMetrics.survival(risks: [1, wrong], times: [0, 1], isEvent: [true, true]) == empty)
        }
    }

    @Test func theFirstOfEqualClassesIsTheAnswer() {
        #expect(firstLargest([0.2, 0.4, 0.4]) == 1)
        #expect(firstLargest([Double]()) == nil)
        #expect(firstLargest([0.2, .nan]) == nil)
    }
}
