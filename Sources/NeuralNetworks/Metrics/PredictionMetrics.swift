// SPDX-License-Identifier: Apache-2.0
// What predictions for rows at hand are worth: one report for each kind of task, computed from the rows themselves.

/// How good predictions are, where each can be compared with its target.
///
/// A metric that is not defined is nil and never NaN: every one of them without rows or with a prediction that is not
/// finite, and those that compare classes when all targets are of one class. Evaluation rounds of a federation, which
/// know sums and no rows, share the formulas.
package struct PredictionMetrics: Hashable, Sendable {
    package var rows: Int
    /// The share of right answers: probability at least 0.5, or the first of the largest ones.
    package var accuracy: Double?
    /// Area under the ROC curve, ties half. Of several classes the mean of one against the rest, without the classes
    /// that are the target of none or all.
    package var auc: Double?
    /// Area under the precision–recall curve as average precision; of several classes as for ``auc``.
    package var averagePrecision: Double?
    /// F1 of the positive class, or the mean over the classes that are a target or an answer.
    package var f1: Double?
    /// Mean of (p − y)², summed over the classes when there are several.
    package var brier: Double?
    /// Expected calibration error over 15 bins of equal width: of the positive class's probability, or of the largest.
    package var calibrationError: Double?
    /// Mean of −ln p of the target, each at most 30.
    package var logLoss: Double?
    /// In the target's unit, like the next.
    package var meanAbsoluteError: Double?
    package var rootMeanSquaredError: Double?
    /// Harrell's index.
    package var concordance: Double?

    package init(rows: Int) { self.rows = rows }

    /// The names and values for reports, in a fixed order.
    package var named: [(name: String, value: Double)] {
        let pairs: [(String, Double?)] = [
            ("accuracy", accuracy), ("auc", auc), ("averagePrecision", averagePrecision), ("f1", f1), ("brier", brier),
            ("calibrationError", calibrationError), ("logLoss", logLoss), ("meanAbsoluteError", meanAbsoluteError),
            ("rootMeanSquaredError", rootMeanSquaredError), ("concordance", concordance),
        ]
        return [("rows", Double(rows))] + pairs.compactMap { name, value in value.map { (name, $0) } }
    }

    /// Probabilities of the positive class against labels, of which those above 0.5 are positive.
    ///
    /// Shapes: both `[rows]`. F1 is nil when all labels are of one class.
    /// - Precondition: the arrays are of one length.
    package static func binary(probabilities: [Float], labels: [Float]) -> PredictionMetrics {
        precondition(probabilities.count == labels.count, "\(probabilities.count) predictions, \(labels.count) labels")
        var metrics = PredictionMetrics(rows: labels.count)
        guard !labels.isEmpty, probabilities.allSatisfy(\.isFinite) else { return metrics }
        let isPositive = labels.map { $0 > 0.5 }
        var confusion = ConfusionCounts(classes: 2)
        var calibration = CalibrationBins()
        var (brier, logLoss) = (0.0, 0.0)
        for (score, isPositive) in zip(probabilities, isPositive) {
            let probability = Double(score)
            confusion.add(target: isPositive ? 1 : 0, answer: probability >= 0.5 ? 1 : 0)
            calibration.add(probability, happened: isPositive)
            brier += ProbabilityErrors.squaredDifference(probability, isPositive ? 1 : 0)
            logLoss += ProbabilityErrors.crossEntropy(isPositive ? probability : 1 - probability)
        }
        let ranked = RankedScores(probabilities, isPositive: isPositive)
        metrics.accuracy = confusion.accuracy
        metrics.auc = ranked.areaUnderCurve
        metrics.averagePrecision = ranked.averagePrecision
        metrics.f1 = Set(isPositive).count == 2 ? confusion.f1(of: 1) : nil
        metrics.brier = brier / Double(labels.count)
        metrics.calibrationError = calibration.expectedError
        metrics.logLoss = logLoss / Double(labels.count)
        return metrics
    }

    /// Probabilities of several classes against the number of the right one, from 0.
    ///
    /// Shapes: probabilities `[rows, classes]`, row-major; labels `[rows]`.
    /// - Precondition: there is a probability for each row and class, and labels are whole and in `0..<classes`.
    package static func multiclass(probabilities: [Float], labels: [Float], classes: Int) -> PredictionMetrics {
        precondition(probabilities.count == labels.count * classes, "\(classes) predictions for each label")
        var metrics = PredictionMetrics(rows: labels.count)
        guard !labels.isEmpty, probabilities.allSatisfy(\.isFinite) else { return metrics }
        var confusion = ConfusionCounts(classes: classes)
        var calibration = CalibrationBins()
        var (brier, logLoss) = (0.0, 0.0)
        for (row, label) in labels.enumerated() {
            let target = Int(label)
            let scores = probabilities[row * classes..<(row + 1) * classes].map { Double($0) }
            guard let answer = firstLargest(scores) else { continue }  // NaN, of which there is none
            confusion.add(target: target, answer: answer)
            calibration.add(scores[answer], happened: answer == target)
            for (index, score) in scores.enumerated() {
                brier += ProbabilityErrors.squaredDifference(score, index == target ? 1 : 0)
            }
            logLoss += ProbabilityErrors.crossEntropy(scores[target])
        }
        let ranked = (0..<classes).map { index in
            RankedScores(
                labels.indices.map { probabilities[$0 * classes + index] },
                isPositive: labels.map { Int($0) == index })
        }
        metrics.accuracy = confusion.accuracy
        metrics.auc = ranked.compactMap(\.areaUnderCurve).mean
        metrics.averagePrecision = ranked.compactMap(\.averagePrecision).mean
        metrics.f1 = confusion.macroF1
        metrics.brier = brier / Double(labels.count)
        metrics.calibrationError = calibration.expectedError
        metrics.logLoss = logLoss / Double(labels.count)
        return metrics
    }

    /// Predicted values against true ones, in one unit.
    ///
    /// - Precondition: the arrays are of one length.
    package static func regression(predictions: [Float], targets: [Float]) -> PredictionMetrics {
        precondition(predictions.count == targets.count, "\(predictions.count) predictions, \(targets.count) targets")
        var metrics = PredictionMetrics(rows: targets.count)
        guard predictions.allSatisfy(\.isFinite) else { return metrics }
        let errors = zip(predictions, targets).map { Double($0) - Double($1) }
        metrics.meanAbsoluteError = errors.map { abs($0) }.mean
        metrics.rootMeanSquaredError = errors.map { $0 * $0 }.mean?.squareRoot()
        return metrics
    }

    /// Risks, which order alone counts, against the time of an event or, without one, of the end of observation.
    ///
    /// - Precondition: the arrays are of one length, and no time is NaN.
    package static func survival(risks: [Float], times: [Float], isEvent: [Bool]) -> PredictionMetrics {
        var metrics = PredictionMetrics(rows: times.count)
        guard risks.allSatisfy(\.isFinite) else { return metrics }
        metrics.concordance = Concordance.index(risks: risks, times: times, isEvent: isEvent)
        return metrics
    }
}

extension [Double] {
    /// The mean; nil of nothing.
    var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}
