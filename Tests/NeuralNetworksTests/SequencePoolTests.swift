// SPDX-License-Identifier: Apache-2.0
// The last step of a sequence, and the mean and the maxima over its steps, with lengths.

import NeuralNetworks
import Tensors
import Testing

@Suite struct SequencePoolTests {
    private static let lengths = [4, 2, 0, 1]
    private static let (steps, features) = (4, 3)

    /// Value, and the weight of each step in y.
    private static func check(_ layer: any Layer, weight: (_ step: Int, _ length: Int) -> Double) throws {
        let graph = try Graph(
            inputs: [Shape([steps, features])], nodes: [Node("l", layer, inputs: [0])], outputs: [1])
        #expect(graph.shapes[1] == Shape([features]))
        let x = RecurrentLayerTests.values(lengths.count * steps * features, "x")
        let dy = RecurrentLayerTests.values(lengths.count * features, "dy")
        let run = PlanRun(
            graph, parameters: [:], inputs: [x], lengths: lengths, cotangent: dy, examples: lengths.count, capacity: 6)
        var (y, dx) = ([Double](repeating: 0, count: dy.count), [Double](repeating: 0, count: x.count))
        for (example, length) in lengths.enumerated() {
            for step in 0..<steps {
                for feature in 0..<features {
                    let (source, target) = ((example * steps + step) * features + feature, example * features + feature)
                    y[target] += weight(step, length) * Double(x[source])
                    dx[source] = weight(step, length) * Double(dy[target])
                }
            }
        }
        #expect(GoldenVectors.agree(run.outputs, y))
        #expect(GoldenVectors.agree(run.inputGradient, dx))
    }

    @Test func lastStepIsTheLastThatExists() throws {
        try Self.check(LastStep()) { step, length in step == length - 1 ? 1 : 0 }
    }

    @Test func meanIsOverTheStepsThatExist() throws {
        try Self.check(MeanOverTime()) { step, length in step < length ? 1 / Double(length) : 0 }
    }

    // Of equal values the first counts, as in PyTorch.
    @Test func maximaAreOverTheStepsThatExist() throws {
        let graph = try Graph(
            inputs: [Shape([3, 2])], nodes: [Node("l", MaxOverTime(), inputs: [0])], outputs: [1])
        let run = PlanRun(
            graph, parameters: [:], inputs: [[-1, 4, -2, 7, 9, 7] + [3, 5, 3, 2, 1, 5] + [1, 1, 1, 1, 1, 1]],
            lengths: [2, 3, 0], cotangent: [10, 20, 30, 40, 50, 60], examples: 3, capacity: 4)
        #expect(run.outputs == [-1, 7] + [3, 5] + [0, 0])
        #expect(run.inputGradient == [10, 0, 0, 20, 0, 0] + [30, 40, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0])
    }

    @Test func whatIsNoSequenceIsRefused() {
        for shape in [Shape([3]), Shape([2, 3, 4]), .tokens(3)] {
            #expect(throws: ShapeError.self) { try LastStep().outputShape([shape]) }
            #expect(throws: ShapeError.self) { try MeanOverTime().outputShape([shape]) }
            #expect(throws: ShapeError.self) { try MaxOverTime().outputShape([shape]) }
        }
    }
}
