// SPDX-License-Identifier: Apache-2.0
// From summed histograms and moments to accuracy, AUC with its bracket, losses and errors.

import NeuralNetworks

/// An AUC computed from histograms: the true value lies in `lower...upper`.
package struct AreaUnderCurve: Hashable, Sendable {
    package var lower: Double
    package var upper: Double
    /// Ties counted half; exact when scores lie on the bin grid.
    package var middle: Double { (lower + upper) / 2 }
}

/// What an evaluation round says about a model. Values that are not defined are nil.
package struct EvaluationMetrics: Hashable, Sendable {
    package var rows: Int
    package var accuracy: Double?
    /// One-against-rest and macro-averaged for several classes.
    package var auc: AreaUnderCurve?
    package var logLoss: Double?
    package var brier: Double?
    /// In the label's unit.
    package var meanAbsoluteError: Double?
    package var rootMeanSquaredError: Double?
    package var rSquared: Double?

    /// The names and values for reports, in a fixed order.
    package var named: [(name: String, value: Double)] {
        let pairs: [(String, Double?)] = [
            ("accuracy", accuracy), ("auc", auc?.middle), ("aucLower", auc?.lower), ("aucUpper", auc?.upper),
            ("logLoss", logLoss), ("brier", brier), ("meanAbsoluteError", meanAbsoluteError),
            ("rootMeanSquaredError", rootMeanSquaredError), ("rSquared", rSquared),
        ]
        return [("rows", Double(rows))] + pairs.compactMap { name, value in value.map { (name, $0) } }
    }
}

extension EvaluationSum {
    /// The metrics in summed counts.
    ///
    /// Errors: ``SumError/implausible`` for sums that no data can give.
    package func metrics(
        of counts: Counts, labelRange: (minimum: Double, maximum: Double)
    ) throws(SumError) -> EvaluationMetrics {
        try requirePlausible(counts)
        func moment(_ moment: Moment) -> Int64 { counts.moments[moment.rawValue] }
        let rows = moment(.rows)
        var metrics = EvaluationMetrics(rows: Int(rows))
        guard rows > 0 else { return metrics }
        func mean(_ element: Moment) -> Double { Double(moment(element)) / Self.unitsPerOne / Double(rows) }
        switch task {
        case .binary, .multiclass:
            metrics.accuracy = Double(moment(.correct)) / Double(rows)
            metrics.logLoss = mean(.logLoss)
            metrics.brier = mean(.squaredError)
            metrics.auc = areaUnderCurve(of: counts)
        case .regression:
            let span = labelRange.maximum - labelRange.minimum
            metrics.meanAbsoluteError = mean(.absoluteError) * span
            metrics.rootMeanSquaredError = mean(.squaredError).squareRoot() * span
            let variance = mean(.squaredLabel) - mean(.label) * mean(.label)
            metrics.rSquared = variance > 0 ? 1 - mean(.squaredError) / variance : nil
        }
        return metrics
    }

    /// Refuses shapes of another study, negative sums, more correct answers than rows, and moments beyond what the rows
    /// can have added.
    private func requirePlausible(_ counts: Counts) throws(SumError) {
        let elements = Self.tableCount(task) * bins
        guard counts.positives.count == elements, counts.negatives.count == elements,
            counts.moments.count == Moment.allCases.count, counts.moments.allSatisfy({ $0 >= 0 })
        else { throw .implausible }
        let rows = counts.moments[Moment.rows.rawValue]
        guard counts.moments[Moment.correct.rawValue] <= rows else { throw .implausible }
        try requireEveryRowOnce(counts, rows: rows)
        // In doubles, because the products may not fit; one part in 10⁹ for their rounding.
        let largest = Double(rows) * Self.unitsPerOne * (1 + 1e-9)
        for moment in Moment.allCases {
            let limit =
                switch moment {
                case .rows, .correct: Double(Int64.max)
                case .logLoss: 30.0
                case .squaredError where task != .regression: Double(Self.tableCount(task))
                case .squaredError, .absoluteError, .label, .squaredLabel: Self.largestTerm
                }
            guard Double(counts.moments[moment.rawValue]) <= largest * limit else { throw .implausible }
        }
    }

    /// Refuses histograms that do not hold every row once in each table, and with several classes every row as the
    /// positive of exactly one.
    private func requireEveryRowOnce(_ counts: Counts, rows: Int64) throws(SumError) {
        var unclaimed = rows
        for start in stride(from: 0, to: counts.positives.count, by: bins) {
            var left = rows
            for bin in start..<start + bins {
                for count in [counts.positives[bin], counts.negatives[bin]] {
                    guard (0...left).contains(count) else { throw .implausible }
                    left -= count
                }
                guard counts.positives[bin] <= unclaimed else { throw .implausible }
                unclaimed -= counts.positives[bin]
            }
            guard left == 0 else { throw .implausible }
        }
        if case .multiclass = task, unclaimed != 0 { throw .implausible }
    }

    /// Each bin is a group of scores that cannot be told apart. Classes without positives or negatives are left out of
    /// the mean.
    private func areaUnderCurve(of counts: Counts) -> AreaUnderCurve? {
        let brackets = stride(from: 0, to: counts.positives.count, by: bins).compactMap { start in
            var pairs = RankedPairs()
            for bin in start..<start + bins {
                pairs.add(positives: Double(counts.positives[bin]), negatives: Double(counts.negatives[bin]))
            }
            return pairs.area
        }
        guard !brackets.isEmpty else { return nil }
        let count = Double(brackets.count)
        return AreaUnderCurve(
            lower: brackets.reduce(0) { $0 + $1.lower } / count, upper: brackets.reduce(0) { $0 + $1.upper } / count)
    }
}
