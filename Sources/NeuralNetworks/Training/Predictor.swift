// SPDX-License-Identifier: Apache-2.0
// What a model says about examples: predictions and the mean loss, dropout off and running statistics in use.

package import Tensors

/// Runs one graph over examples without training.
///
/// Each worker takes a run of neighbouring examples through its own plan, a few at a time; the result does not depend on the
/// number of workers. Not sendable: a predictor belongs to the thread that made it.
package final class Predictor {
    private let graph: Graph
    private let objective: Objective
    private let logVariancePlaces: [Int?]
    private let team: WorkerTeam
    private let plans: [Plan]
    private let parameters: FloatBuffer
    private let chunk: Int

    /// Examples that go through a plan at a time at most: enough to fill the kernels, few enough to stay in the cache.
    static let largestChunk = 256
    /// About so many floats of activations a chunk may have.
    static let chunkFloats = 16 << 20

    /// - Parameters:
    ///   - examples: About how many will be asked about at a time.
    ///   - threads: Workers; fewer are used when the work would not pay for them.
    /// - Throws: ``ShapeError`` when the objective does not fit the graph.
    package init(
        _ graph: Graph, objective: Objective, examples: Int, threads: Int, kernels: KernelSet = .fastest
    ) throws(ShapeError) {
        self.graph = graph
        self.objective = objective
        _ = try objective.targetCounts(graph)
        logVariancePlaces = try objective.logVariancePlaces(graph)
        let pays = WorkerTeam.pays(for: max(graph.operations, graph.parameterCount), times: max(examples, 1))
        let workers = pays ? max(min(threads, examples), 1) : 1
        let width = graph.shapes.map(\.count).max() ?? 1
        let share = (max(examples, 1) + workers - 1) / workers
        chunk = max(min(share, Self.largestChunk, Self.chunkFloats / width), 1)
        team = WorkerTeam(count: workers)
        parameters = FloatBuffer(count: graph.parameterCount)
        var options = Plan.Options(capacity: chunk, isTraining: false)
        options.kernels = kernels
        let values = parameters.floats
        plans = (0..<workers).map { _ in Plan(graph, options, parameters: values, gradients: nil) }
    }

    /// The predictions of every output for each example: probabilities, expected values, risks where the output has a loss,
    /// else the output itself. Shapes: one array `[examples, output…]` for each output.
    ///
    /// - Precondition: The examples were checked against the graph, and `parameters.count` is the graph's.
    package func predictions(_ parameters: [Float], _ examples: Examples) -> [[Float]] {
        let results = graph.outputs.map { FloatBufferBox(count: graph.shapes[$0].count * examples.count) }
        run(parameters, examples) { plan, range in
            for (index, output) in plan.outputs.enumerated() {
                // Two outputs may be the same memory: predictions are made where they are returned from.
                let values = results[index].buffer.floats.rows(range, width: output.count)
                values.copy(from: output.floats(0..<range.count))
                guard let term = objective.terms.first(where: { $0.output == index }) else { continue }
                term.loss.predict(values, output: output.shape)
            }
        }
        return results.map { $0.buffer.floats.array }
    }

    /// The objective over all examples; a loss that mixes examples sees all of them at once.
    ///
    /// - Precondition: As for ``predictions(_:_:)``, and the targets were checked.
    package func loss(_ parameters: [Float], _ examples: Examples) -> Double {
        let outputs = graph.outputs.map { FloatBufferBox(count: graph.shapes[$0].count * examples.count) }
        run(parameters, examples) { plan, range in
            for (index, output) in plan.outputs.enumerated() {
                outputs[index].buffer.floats.rows(range, width: output.count).copy(from: output.floats(0..<range.count))
            }
        }
        return objective.terms.enumerated().reduce(0) { total, element in
            let (index, term) = element
            let shape = graph.shapes[graph.outputs[term.output]]
            let targets = FloatBuffer(count: examples.targets[index].count)
            targets.floats.copy(from: examples.targets[index], at: 0)
            let values = outputs[term.output].buffer.floats
            let discarded = FloatBuffer(count: values.count)
            let weight = term.loss.weight(targets: targets.floats, output: shape)
            let sum = term.loss.evaluate(
                values, targets: targets.floats, output: shape, scale: 0, into: discarded.floats)
            guard weight > 0 else { return total }
            let logVariance = logVariancePlaces[index].map { parameters[$0] }
            return total + term.factor(logVariance: logVariance) * sum / weight
                + term.penalty(logVariance: logVariance)
        }
    }

    /// Calls `body` with each chunk of examples after it went forward, on the worker that has it.
    private func run(
        _ values: [Float], _ examples: Examples, _ body: (_ plan: Plan, _ range: Range<Int>) -> Void
    ) {
        parameters.floats.copy(from: values, at: 0)
        let share = (examples.count + team.count - 1) / team.count
        team.run { member in
            let plan = plans[member]
            let end = min((member + 1) * share, examples.count)
            for start in stride(from: member * share, to: end, by: chunk) {
                let range = start..<min(start + chunk, end)
                for (place, row) in range.enumerated() { plan.load(examples, row: row, at: place) }
                plan.forward(
                    examples: range.count, step: Step(dropoutKey: 0, firstExample: start, batchExamples: range.count))
                body(plan, range)
            }
        }
    }
}

/// A buffer that can be an element of an array.
private final class FloatBufferBox {
    let buffer: FloatBuffer

    init(count: Int) { buffer = FloatBuffer(count: count) }
}
