// SPDX-License-Identifier: Apache-2.0
// The evaluation round's vector: score histograms and moments over the sites' test rows, and the metrics in them.

import NeuralNetworks
package import RingArithmetic

/// The layout and the meaning of the vector that an evaluation round sums.
///
/// Classification: section `positives` and `negatives`, for each class (one for a binary task) a histogram of scores
/// with bin = min(⌊score · bins⌋, bins − 1); then `moments`, 64-bit. Regression: `moments` only.
/// Source: the protocol's fairness statistics, histograms and AUC bracket.
package struct EvaluationSum: Sendable {
    /// Elements of `moments`. Fixed-point ones are in units of 2⁻²⁰, errors of a regression in spans of the label.
    package enum Moment: Int, CaseIterable, Sendable {
        case rows
        case correct
        /// Σ of the cross entropy, each clipped at 30, fixed point.
        case logLoss
        /// Σ(score − label)², fixed point; for several classes summed over the classes. For a regression the squared error
        /// in spans, clipped at ``largestTerm`` like the next.
        case squaredError
        case absoluteError
        /// Σ(label) and Σ(label²) in spans above the minimum, fixed point.
        case label
        case squaredLabel
    }

    package static let unitsPerOne = 1_048_576.0  // 2²⁰
    /// The most that one row adds to a fixed-point moment: the sum over eight thousand million rows does not wrap.
    package static let largestTerm = 1_000.0

    package let task: LearningTask
    package let bins: Int
    package let layout: RingLayout

    package init(task: LearningTask, bins: Int) throws(SumError) {
        self.task = task
        self.bins = bins
        let moments = RingSection(name: "moments", count: Moment.allCases.count, elementBits: .bits64)
        let tables = Self.tableCount(task)
        guard tables > 0 else {
            layout = try ringLayout([moments])
            return
        }
        layout = try ringLayout([
            RingSection(name: "positives", count: tables * bins, elementBits: .bits32(ringBits: 32)),
            RingSection(name: "negatives", count: tables * bins, elementBits: .bits32(ringBits: 32)),
            moments,
        ])
    }

    /// Histograms in each of the two sections.
    static func tableCount(_ task: LearningTask) -> Int {
        switch task {
        case .binary: 1
        case .multiclass(let classes): classes
        case .regression: 0
        }
    }

    /// min(⌊score · bins⌋, bins − 1), with scores held to 0...1; NaN is in bin 0.
    package func bin(of score: Double) -> Int { ProbabilityErrors.bin(of: score, bins: bins) }

    /// One site's counts, exact integers.
    package struct Counts: Hashable, Sendable {
        package var positives: [Int64]
        package var negatives: [Int64]
        package var moments: [Int64]

        package init(positives: [Int64], negatives: [Int64], moments: [Int64]) {
            self.positives = positives
            self.negatives = negatives
            self.moments = moments
        }

        /// The counts that the section called `name` holds.
        ///
        /// - Precondition: ``EvaluationSum/layout`` has the section.
        package func values(of name: String) -> [Int64] {
            switch name {
            case "positives": positives
            case "negatives": negatives
            case "moments": moments
            default: preconditionFailure("an evaluation has no section of this name")
            }
        }
    }

    /// Counts the model's outputs against the labels.
    ///
    /// Shapes: `outputs` is `[rows, task.head.outputs]`, row-major; `labels` is `[rows]`.
    /// Units: outputs are probabilities, or values in the label's unit; `labelRange` is that of the contract.
    /// An output that is NaN counts as wrong with the largest error, so that no model can stop a site.
    /// - Precondition: labels are what ``LearningTask/head`` can learn.
    package func counts(outputs: [Float], labels: [Float], labelRange: (minimum: Double, maximum: Double)) -> Counts {
        let tables = Self.tableCount(task)
        var counts = Counts(
            positives: Array(repeating: 0, count: tables * bins), negatives: Array(repeating: 0, count: tables * bins),
            moments: Array(repeating: 0, count: Moment.allCases.count))
        func add(_ moment: Moment, _ value: Int64) { counts.moments[moment.rawValue] += value }
        let width = task.head.outputs
        precondition(outputs.count == labels.count * width, "one output row for each label")
        for row in labels.indices {
            let label = Double(labels[row])
            add(.rows, 1)
            switch task {
            case .binary:
                let score = Double(outputs[row])
                let isPositive = label > 0.5
                if isPositive { counts.positives[bin(of: score)] += 1 } else { counts.negatives[bin(of: score)] += 1 }
                add(.correct, !score.isNaN && (score >= 0.5) == isPositive ? 1 : 0)
                add(.logLoss, Self.crossEntropy(isPositive ? score : 1 - score))
                add(.squaredError, Self.squaredDifference(score, label))
            case .multiclass(let classes):
                let scores = (0..<classes).map { Double(outputs[row * classes + $0]) }
                let target = Int(label)
                for (index, score) in scores.enumerated() {
                    if index == target {
                        counts.positives[index * bins + bin(of: score)] += 1
                    } else {
                        counts.negatives[index * bins + bin(of: score)] += 1
                    }
                    add(.squaredError, Self.squaredDifference(score, index == target ? 1 : 0))
                }
                add(.correct, firstLargest(scores) == target ? 1 : 0)
                add(.logLoss, Self.crossEntropy(scores[target]))
            case .regression:
                let span = labelRange.maximum - labelRange.minimum
                let error = abs(Double(outputs[row]) - label) / span
                let position = (label - labelRange.minimum) / span
                add(.absoluteError, Self.fixed(error))
                add(.squaredError, Self.fixed(error * error))
                add(.label, Self.fixed(position))
                add(.squaredLabel, Self.fixed(position * position))
            }
        }
        return counts
    }

    /// A quantity as fixed point, held to 0...``largestTerm``; NaN is the largest.
    private static func fixed(_ value: Double) -> Int64 {
        Int64(((value < largestTerm ? max(value, 0) : largestTerm) * unitsPerOne).rounded())
    }

    private static func crossEntropy(_ probability: Double) -> Int64 {
        fixed(ProbabilityErrors.crossEntropy(probability))
    }

    private static func squaredDifference(_ score: Double, _ label: Double) -> Int64 {
        fixed(ProbabilityErrors.squaredDifference(score, label))
    }
}
