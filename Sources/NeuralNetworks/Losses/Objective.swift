// SPDX-License-Identifier: Apache-2.0
// What a model is trained for: the losses of its outputs and their weights.

import Tensors

/// A weighted sum of losses, one for each output that is trained.
package struct Objective: Sendable {
    /// One loss and how much it counts.
    package struct Term: Sendable {
        /// The place among the graph's outputs.
        package var output: Int
        package var loss: any Loss
        package var weight: Double
        /// Whether a parameter of the model weighs the loss, besides `weight`: see ``Objective/completing(_:)``.
        package var learnsWeight: Bool

        package init(output: Int = 0, _ loss: any Loss, weight: Double = 1, learnsWeight: Bool = false) {
            self.output = output
            self.loss = loss
            self.weight = weight
            self.learnsWeight = learnsWeight
        }
    }

    package var terms: [Term]

    package init(_ terms: [Term]) { self.terms = terms }
    package init(_ loss: any Loss) { terms = [Term(loss)] }

    /// Whether some loss needs the whole batch at once.
    package var mixesExamples: Bool { terms.contains { $0.loss.mixesExamples } }

    /// The values of each term's target.
    ///
    /// - Throws: ``ShapeError`` when an output does not fit its loss.
    package func targetCounts(_ graph: Graph) throws(ShapeError) -> [Int] {
        var counts: [Int] = []
        for term in terms {
            guard graph.outputs.indices.contains(term.output), terms.count(where: { $0.output == term.output }) == 1
            else {
                throw ShapeError("a loss needs an output of its own; \(term.output) is not there or has two")
            }
            do {
                counts.append(try term.loss.targetCount(for: graph.shapes[graph.outputs[term.output]]))
            } catch {
                var named = error
                named.layer = "loss"
                throw named
            }
        }
        return counts
    }

    /// Checks that every target can be learned.
    ///
    /// - Throws: ``ShapeError`` when an output does not fit its loss, ``ExampleError``.
    package func check(_ examples: Examples, _ graph: Graph) throws {
        let counts = try targetCounts(graph)
        guard examples.targets.count == terms.count else {
            throw ExampleError.targets(expected: terms.count, actual: examples.targets.count)
        }
        for (index, term) in terms.enumerated() {
            let shape = graph.shapes[graph.outputs[term.output]]
            let expected = examples.count * counts[index]
            let targets = FloatBuffer(count: expected)
            guard examples.targets[index].count == expected else {
                throw ExampleError.wrongTargetCount(
                    term: index, expected: expected, actual: examples.targets[index].count)
            }
            targets.floats.copy(from: examples.targets[index], at: 0)
            if let example = term.loss.firstUnfit(targets: targets.floats, output: shape) {
                throw ExampleError.targetOutOfRange(term: index, example: example)
            }
        }
    }
}
