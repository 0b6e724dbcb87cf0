// SPDX-License-Identifier: Apache-2.0
// How far values and gradients of whole graphs may lie apart, and slopes along random directions.

import NeuralNetworks
import Randomness
import Tensors

/// Distances relative to the sizes of what is compared.
enum Closeness {
    /// The largest difference, relative to the larger of the value, the mean size of all, and a thousandth.
    static func distance(_ values: [Float], _ expected: [Double]) -> Double {
        guard values.count == expected.count else { return .infinity }
        let scale = expected.reduce(0) { $0 + abs($1) } / Double(expected.count)
        return zip(values, expected).reduce(0) { largest, pair in
            let difference = abs(Double(pair.0) - pair.1)
            guard difference.isFinite else { return .infinity }
            return difference == 0 ? largest : max(largest, difference / max(abs(pair.1), scale, 1e-3))
        }
    }

    /// Whether the outputs of two runs agree to 2·10⁻⁵.
    static func agree(_ one: [[[Float]]], _ other: [[[Float]]]) -> Bool {
        zip(one, other).allSatisfy { one, other in
            distance(Array(one.joined()), other.joined().map { Double($0) }) <= 2e-5
        }
    }

    /// Whether two gradients agree in every tensor, relative to the tensor's root mean square; one that is nearly zero,
    /// as before a normalisation, is measured with the others.
    static func agree(_ one: [Float], _ other: [Float], _ graph: Graph, tolerance: Double = 5e-5) -> Bool {
        let sizes = graph.slices.map { slice in
            let square = other[slice.offset..<slice.offset + slice.count].reduce(0) { $0 + Double($1) * Double($1) }
            return (square / Double(slice.count)).squareRoot()
        }
        let floor = max(0.02 * (sizes.max() ?? 0), 5e-3)
        return zip(graph.slices, sizes).allSatisfy { slice, size in
            (slice.offset..<slice.offset + slice.count).allSatisfy {
                abs(Double(one[$0]) - Double(other[$0])) <= tolerance * max(size, floor, abs(Double(other[$0])))
            }
        }
    }
}

/// Compares a gradient with central differences of the reference along random directions.
struct SlopeCheck {
    private let problem: GraphProblem
    private let run: GraphRun
    /// The parts of parameters, and of inputs after them, with the length of each part's gradient.
    private let parts: [Part]

    private struct Part {
        let name: String
        /// nil: parameters.
        let input: Int?
        let range: Range<Int>
        let length: Double
    }

    init(_ problem: GraphProblem, _ run: GraphRun) {
        self.problem = problem
        self.run = run
        func length(_ values: ArraySlice<Float>) -> Double {
            values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        }
        var parts: [Part] = []
        for slice in problem.graph.slices {
            let range = slice.offset..<slice.offset + slice.count
            guard problem.graph.trainedRanges.contains(where: { $0.contains(slice.offset) }) else { continue }
            parts.append(Part(name: slice.name, input: nil, range: range, length: length(run.gradient[range])))
        }
        for (index, gradient) in run.inputGradients.enumerated() {
            guard let gradient else { continue }
            parts.append(
                Part(name: "input \(index)", input: index, range: 0..<gradient.count, length: length(gradient[...])))
        }
        self.parts = parts
    }

    /// The derivative of Σ output·cotangent along a random direction in which every tensor counts alike: the reference's,
    /// and that of the run's gradients.
    func slopes(_ random: inout SeededGenerator) -> (expected: Double, actual: Double) {
        slopes(along: parts, &random)
    }

    /// The tensors whose own slopes disagree.
    func culprits(_ random: inout SeededGenerator) -> [String] {
        parts.compactMap { part in
            let (expected, actual) = slopes(along: [part], &random)
            return abs(expected - actual) > 5e-5 ? "\(part.name) \(actual) for \(expected)" : nil
        }
    }

    private func slopes(along parts: [Part], _ random: inout SeededGenerator) -> (expected: Double, actual: Double) {
        let floor = 0.02 * (self.parts.map(\.length).max() ?? 1)
        var direction = [Double](repeating: 0, count: problem.parameters.count)
        var inputs = problem.referenceInputs.map { $0.rows.map { [Double](repeating: 0, count: $0.count) } }
        var actual = 0.0
        for part in parts {
            let size = 1 / max(part.length, floor, 1e-3)
            for place in part.range {
                let step = random.index(below: 2) == 0 ? size : -size
                if let input = part.input {
                    let width = inputs[input][0].count
                    inputs[input][place / width][place % width] = step
                    actual += step * Double(run.inputGradients[input]?[place] ?? 0)
                } else {
                    direction[place] = step
                    actual += step * Double(run.gradient[place])
                }
            }
        }
        let largest = max(direction.map(abs).max() ?? 0, inputs.joined().joined().map(abs).max() ?? 0)
        let h = 1e-6 / largest
        return ((sum(direction, inputs, h) - sum(direction, inputs, -h)) / (2 * h), actual)
    }

    /// Σ output·cotangent, so far along a direction.
    private func sum(_ direction: [Double], _ inputDirections: [[[Double]]], _ h: Double) -> Double {
        var reference = ReferenceGraph(problem.graph)
        var inputs = problem.referenceInputs
        for (index, rows) in inputDirections.enumerated() {
            inputs[index].rows = zip(inputs[index].rows, rows).map { zip($0, $1).map { $0 + h * $1 } }
        }
        let edges = reference.edges(
            parameters: zip(problem.parameters, direction).map { Double($0) + h * $1 }, inputs: inputs)
        return zip(problem.graph.outputs, problem.cotangents).reduce(0) { sum, pair in
            zip(edges[pair.0].rows.joined(), pair.1.joined()).reduce(sum) { $0 + $1.0 * Double($1.1) }
        }
    }
}

extension GraphProblem {
    var referenceInputs: [ReferenceBatch] {
        zip(inputs, zip(graph.inputShapes, lengths)).map { rows, pair in
            ReferenceBatch(rows: rows.map { $0.map { Double($0) } }, lengths: pair.1)
        }
    }

    /// The problem as a table, with the cotangents as targets.
    var trainingExamples: Examples {
        Examples(
            count: examples,
            inputs: zip(inputs, graph.inputShapes).map { rows, shape in
                shape.holdsTokens ? .tokens(rows.joined().map { Int32($0) }) : .floats(Array(rows.joined()))
            },
            lengths: lengths.map { $0.map { $0.map { Int32($0) } } },
            targets: cotangents.map { Array($0.joined()) })
    }
}

extension Graph {
    /// The layers and where their inputs come from, for the message of a failed test.
    var listing: String {
        "\(inputShapes) " + nodes.map { "\($0.name) = \($0.layer) \($0.inputs)" }.joined(separator: "; ")
            + " → \(outputs)"
    }
}
