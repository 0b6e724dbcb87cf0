// SPDX-License-Identifier: Apache-2.0
// A checked model: its graph, its head, and the layout of its parameters.

/// A model whose layers are known to fit, and the layout of its parameters in one flat vector.
///
/// A network holds no parameters: they are `[Float]` values of ``parameterCount`` elements, which is also what is sent,
/// clipped, summed and stored.
package struct Network: Hashable, Sendable {
    package let specification: ModelSpecification
    /// Features per example.
    package let inputs: Int
    package let head: Head
    package let graph: Graph
    private let layerRates: LayerRates

    /// Lays out the parameters of `specification` for examples of `inputs` features.
    ///
    /// - Throws: ``ModelError`` naming the layer that does not fit and what would.
    package init(
        _ specification: ModelSpecification, inputs: Int, head: Head, layerRates: LayerRates = .none
    ) throws(ModelError) {
        graph = try specification.graph(inputs: inputs, head: head).applying(layerRates)
        self.layerRates = layerRates
        self.specification = specification
        self.inputs = inputs
        self.head = head
    }

    /// The length of the flat parameter vector, in floats.
    package var parameterCount: Int { graph.parameterCount }
    /// The named tensors in the order of the flat vector, without gaps.
    package var slices: [ParameterSlice] { graph.slices }
    /// What the head is trained for.
    package var objective: Objective { Objective(head.loss) }

    /// The parameters a study starts from; see ``Graph/initialParameters(seed:)``.
    package func initialParameters(seed: UInt64) -> [Float] { graph.initialParameters(seed: seed) }

    /// Two networks are the same when they were made from the same.
    package static func == (one: Network, other: Network) -> Bool {
        one.specification == other.specification && one.inputs == other.inputs && one.head == other.head
            && one.layerRates == other.layerRates
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(specification)
        hasher.combine(inputs)
        hasher.combine(head)
        hasher.combine(layerRates)
    }
}

extension Network {
    /// The predictions for each example, dropout off: probabilities (logistic, softmax) or values (linear).
    ///
    /// Shapes: features `[rows, inputs]`, result `[rows, outputs]`, row-major.
    /// - Precondition: `parameters.count == parameterCount` and `features.count == rows · inputs`.
    package func outputs(parameters: [Float], features: [Float], rows: Int, threads: Int = 1) -> [Float] {
        precondition(parameters.count == parameterCount, "\(parameters.count) parameters for \(parameterCount)")
        precondition(features.count == rows * inputs, "\(features.count) features for \(rows) rows")
        guard rows > 0 else { return [] }
        return predictor(rows: rows, threads: threads)
            .predictions(parameters, Examples(count: rows, inputs: [.floats(features)]))[0]
    }

    /// The mean loss over all examples, dropout off.
    ///
    /// Shapes: features `[rows, inputs]`, targets `[rows]`.
    /// - Throws: ``TrainingError`` when the shapes disagree, there is no example, or a target is out of range.
    package func loss(parameters: [Float], features: [Float], targets: [Float], rows: Int) throws(TrainingError)
        -> Double
    {
        try check(features: features, targets: targets, rows: rows)
        guard parameters.count == parameterCount else {
            throw .wrongCount(.parameters, expected: parameterCount, actual: parameters.count)
        }
        let examples = Examples(count: rows, inputs: [.floats(features)], targets: [targets])
        return predictor(rows: rows, threads: 1).loss(parameters, examples)
    }

    private func predictor(rows: Int, threads: Int) -> Predictor {
        do {
            return try Predictor(graph, objective: objective, examples: rows, threads: threads)
        } catch {
            // The specification checked that the last layer has what the head needs.
            preconditionFailure("a head that does not fit: \(error)")
        }
    }

    /// A table as examples of this network.
    ///
    /// Shapes: features `[rows, inputs]`, row-major; targets `[rows]`.
    /// - Throws: ``TrainingError`` when the shapes disagree, there is no example, or a target is out of range.
    package func examples(features: [Float], targets: [Float]) throws(TrainingError) -> Examples {
        try check(features: features, targets: targets, rows: targets.count)
        return Examples(count: targets.count, inputs: [.floats(features)], targets: [targets])
    }

    /// Checks that a table fits this network and that its head can learn the targets.
    private func check(
        features: [Float], targets: [Float], rows: Int
    ) throws(TrainingError) {
        guard rows > 0 else { throw .noExamples }
        guard targets.count == rows else { throw .wrongCount(.targets, expected: rows, actual: targets.count) }
        let (expected, overflow) = rows.multipliedReportingOverflow(by: inputs)
        guard !overflow, features.count == expected else {
            throw .wrongCount(.features, expected: overflow ? .max : expected, actual: features.count)
        }
        try head.check(targets: targets)
    }
}
