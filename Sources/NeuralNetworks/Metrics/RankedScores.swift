// SPDX-License-Identifier: Apache-2.0
// What the order of scores says: pairs of a positive and a negative, the area under the curve, average precision.

/// Pairs of a positive and a negative example, counted from groups of scores that cannot be told apart.
///
/// Also the histograms of an evaluation round are such groups, one a bin.
package struct RankedPairs: Hashable, Sendable {
    /// Pairs in which the positive one has the higher score.
    private var ordered = 0.0
    /// Pairs within one group.
    private var tied = 0.0
    private var positives = 0.0
    private var negatives = 0.0

    package init() {}

    /// Adds a group whose scores are above those of all groups before.
    package mutating func add(positives: Double, negatives: Double) {
        ordered += positives * self.negatives
        tied += positives * negatives
        self.positives += positives
        self.negatives += negatives
    }

    /// The share of ordered pairs, with ties as wrong (lower) and as right (upper); nil without both classes.
    ///
    /// With groups of equal scores, the middle of the two is the area under the ROC curve.
    /// Source: Hanley & McNeil 1982 (Mann–Whitney: ties count half).
    package var area: (lower: Double, upper: Double)? {
        let pairs = positives * negatives
        return pairs > 0 ? (ordered / pairs, (ordered + tied) / pairs) : nil
    }
}

/// Examples of two classes in the order of their scores.
struct RankedScores {
    /// Positives and negatives of each different score, from the lowest up.
    private var groups: [(positives: Int, negatives: Int)] = []

    /// - Precondition: no score is NaN, and there is a class for each.
    init(_ scores: [Float], isPositive: [Bool]) {
        precondition(scores.count == isPositive.count, "\(isPositive.count) classes for \(scores.count) scores")
        var last: Float?
        for row in scores.indices.sorted(by: { scores[$0] < scores[$1] }) {
            if scores[row] != last { groups.append((0, 0)) }
            last = scores[row]
            if isPositive[row] {
                groups[groups.count - 1].positives += 1
            } else {
                groups[groups.count - 1].negatives += 1
            }
        }
    }

    /// The probability that a positive has a higher score than a negative, ties half; nil without both classes.
    var areaUnderCurve: Double? {
        var pairs = RankedPairs()
        for group in groups { pairs.add(positives: Double(group.positives), negatives: Double(group.negatives)) }
        return pairs.area.map { ($0.lower + $0.upper) / 2 }
    }

    /// Σ (Rₙ − Rₙ₋₁) Pₙ over the different scores as thresholds, from the highest down; R recall, P precision. Nil
    /// without both classes.
    ///
    /// Source: scikit-learn, `average_precision_score`: no interpolation.
    var averagePrecision: Double? {
        let positives = groups.reduce(0) { $0 + $1.positives }
        guard positives > 0, groups.contains(where: { $0.negatives > 0 }) else { return nil }
        var (truePositives, predicted, sum) = (0, 0, 0.0)
        for group in groups.reversed() {
            truePositives += group.positives
            predicted += group.positives + group.negatives
            sum += Double(group.positives) / Double(positives) * Double(truePositives) / Double(predicted)
        }
        return sum
    }
}
