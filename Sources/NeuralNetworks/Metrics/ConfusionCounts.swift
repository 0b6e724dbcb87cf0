// SPDX-License-Identifier: Apache-2.0
// Right and wrong answers for each class: accuracy and F1.

/// The place of the largest score, the first of equal ones; nil when one is NaN or there is none.
package func firstLargest(_ scores: some Collection<Double>) -> Int? {
    var best: (index: Int, score: Double)?
    for (index, score) in scores.enumerated() {
        if score.isNaN { return nil }
        if best.map({ score > $0.score }) ?? true { best = (index, score) }
    }
    return best?.index
}

/// How often each class was the target, the answer, and both.
struct ConfusionCounts {
    private var targets: [Int]
    private var answers: [Int]
    private var hits: [Int]

    init(classes: Int) {
        targets = Array(repeating: 0, count: classes)
        answers = targets
        hits = targets
    }

    mutating func add(target: Int, answer: Int) {
        targets[target] += 1
        answers[answer] += 1
        if target == answer { hits[target] += 1 }
    }

    /// The share of right answers; nil without examples.
    var accuracy: Double? {
        let rows = targets.reduce(0, +)
        return rows > 0 ? Double(hits.reduce(0, +)) / Double(rows) : nil
    }

    /// 2 TP ÷ (2 TP + FP + FN) of one class; nil when it is neither target nor answer of any example.
    func f1(of index: Int) -> Double? {
        let either = targets[index] + answers[index]
        return either > 0 ? 2 * Double(hits[index]) / Double(either) : nil
    }

    /// The mean of F1 over the classes that have one; nil when fewer than two classes are targets.
    var macroF1: Double? {
        guard targets.count(where: { $0 > 0 }) > 1 else { return nil }
        return targets.indices.compactMap { f1(of: $0) }.mean
    }
}
