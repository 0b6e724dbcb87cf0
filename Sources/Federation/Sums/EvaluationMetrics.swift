// SPDX-License-Identifier: Apache-2.0
// From summed histograms and moments to accuracy, AUC with its bracket, losses and errors.

#if canImport(Glibc)
    import Glibc
#endif

/// The natural logarithm; the only function of the mathematics library that this module needs.
func logarithm(_ value: Double) -> Double {
    #if canImport(Glibc)
        Glibc.log(value)
    #else
        preconditionFailure("no mathematics library on this platform")
    #endif
}

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
    /// Errors: ``SumError/implausible`` for negative counts or more correct answers than rows.
    package func metrics(
        of counts: Counts, labelRange: (minimum: Double, maximum: Double)
    ) throws(SumError) -> EvaluationMetrics {
        func moment(_ moment: Moment) -> Int64 { counts.moments[moment.rawValue] }
        let rows = moment(.rows)
        let isPlausible =
            counts.positives.allSatisfy { $0 >= 0 } && counts.negatives.allSatisfy { $0 >= 0 } && rows >= 0
            && (0...rows).contains(moment(.correct))
        guard isPlausible else { throw .implausible }
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

    /// cn_b = negatives in bins below b; strict = Σ pos_b cn_b; tie = Σ pos_b neg_b;
    /// AUC in [strict, strict + tie] ÷ (P N). Classes without positives or negatives are left out of the mean.
    private func areaUnderCurve(of counts: Counts) -> AreaUnderCurve? {
        var brackets: [AreaUnderCurve] = []
        for start in stride(from: 0, to: counts.positives.count, by: bins) {
            var negativesBelow = 0.0
            var strict = 0.0
            var tie = 0.0
            var positives = 0.0
            for bin in start..<start + bins {
                let positive = Double(counts.positives[bin])
                let negative = Double(counts.negatives[bin])
                strict += positive * negativesBelow
                tie += positive * negative
                negativesBelow += negative
                positives += positive
            }
            let pairs = positives * negativesBelow
            if pairs > 0 { brackets.append(AreaUnderCurve(lower: strict / pairs, upper: (strict + tie) / pairs)) }
        }
        guard !brackets.isEmpty else { return nil }
        let count = Double(brackets.count)
        return AreaUnderCurve(
            lower: brackets.reduce(0) { $0 + $1.lower } / count, upper: brackets.reduce(0) { $0 + $1.upper } / count)
    }
}
