// SPDX-License-Identifier: Apache-2.0
// What training a model takes of a machine, said before any of it is taken: memory and arithmetic.

package import Tensors

/// The memory and the arithmetic of a model's training.
///
/// Nothing overflows: what does not fit into an `Int` is the largest one, which no limit allows.
package struct TrainingCost: Hashable, Sendable {
    /// How a model is to be trained.
    package struct Setting: Hashable, Sendable {
        /// The most examples of a batch.
        package var batchSize: Int
        /// Workers at most.
        package var threads: Int
        /// Vectors of the size of the parameters that the optimiser keeps.
        package var stateVectors: Int
        package var precision = Precision.float32
        package var isPrivate = false
        package var largestPatient = 1
        /// Vectors of the size of the parameters that the caller keeps besides.
        package var furtherVectors = 0

        package init(batchSize: Int, threads: Int, stateVectors: Int) {
            self.batchSize = batchSize
            self.threads = threads
            self.stateVectors = stateVectors
        }
    }

    private let parameters: Int
    /// Values of one example at all edges, and at the largest.
    private let values: Int
    private let largestValues: Int
    /// What layers keep of one example between the directions beside their outputs, with its gradient.
    private let keptValues: Int
    /// What layers write for one example at a time.
    private let passingValues: Int
    /// The gradients that layers keep for each patient at most.
    private let patientValues: Int
    /// Multiplications and additions of one example in training: forward, and twice as much backward.
    package let operationsOfExample: Int

    package init(_ graph: Graph) {
        parameters = graph.parameterCount
        values = graph.shapes.reduce(0) { $0.plus($1.count) }
        largestValues = graph.shapes.map(\.count).max() ?? 0
        keptValues = graph.nodes.reduce(0) { $0.plus(Self.keptValues($1, graph)) }
        passingValues = graph.nodes.reduce(0) { $0.plus(Self.passingValues($1, graph)) }
        patientValues = graph.nodes.indices.reduce(0) { $0.plus(Self.patientValues($1, graph)) }
        operationsOfExample = graph.operations.times(3)
    }

    /// Multiplications and additions of training on so many examples, repetitions counted.
    package func operations(examples: Int) -> Int { operationsOfExample.times(examples) }

    // MARK: Memory

    /// About so many bytes a training takes at its highest, apart from its data: more rather than less.
    ///
    /// The parameters, the optimiser's state, a gradient for each worker; copies of parameters and state (the ones to
    /// start from, to go on with, and the best so far, those of proximal term and correction, one checkpoint); layers'
    /// outputs and their gradients for a batch. Plans reuse memory, and images go through a few at a time: such models
    /// take less.
    package func memoryBytes(_ setting: Setting) -> Int {
        let workers = max(min(setting.threads, setting.batchSize), 1)
        let share =
            setting.isPrivate && setting.largestPatient > 1
            ? setting.batchSize : setting.batchSize.plus(workers - 1) / workers
        let examples = share.times(workers)
        // The engine's parameters, the trainer's two, start, trained and best ones, and the checkpoint's.
        let vectors = workers.plus(setting.stateVectors.times(2)).plus(setting.furtherVectors).plus(7)
        var floats = parameters.times(vectors)
        floats = floats.plus(values.times(2).plus(largestValues.times(2)).plus(keptValues).times(examples))
        floats = floats.plus(passingValues.times(workers))
        // Besides, a patient's gradient that was made for its norm and dropped.
        if setting.isPrivate { floats = floats.plus(patientValues.times(examples)).plus(parameters.times(workers)) }
        // What products read in bfloat16, half as large: weights of each worker, inputs and gradients.
        if setting.precision == .bfloat16 {
            floats = floats.plus(parameters.times(workers)).plus(values.times(examples))
        }
        return floats.times(MemoryLayout<Float>.stride)
    }

    /// About so many bytes a prediction takes at its highest, apart from its data, on one thread.
    package var predictionBytes: Int {
        let chunk = max(min(Predictor.largestChunk, Predictor.chunkFloats / max(largestValues, 1)), 1)
        return parameters.times(3).plus(values.plus(keptValues).times(chunk)).plus(passingValues).times(
            MemoryLayout<Float>.stride)
    }

    /// The largest batch whose training takes at most `bytes`; nil: not even a batch of one does.
    package func largestBatch(_ setting: Setting, within bytes: Int) -> Int? {
        var (fitting, exceeding) = (0, setting.batchSize.plus(1))
        while fitting + 1 < exceeding {
            var tried = setting
            tried.batchSize = fitting + (exceeding - fitting) / 2
            if memoryBytes(tried) <= bytes { fitting = tried.batchSize } else { exceeding = tried.batchSize }
        }
        return fitting > 0 ? fitting : nil
    }

    // MARK: Layers

    /// Gates and states of recurrent layers, projections and probabilities of attention; with their gradients.
    private static func keptValues(_ node: Node, _ graph: Graph) -> Int {
        let shapes = node.inputs.map { graph.shapes[$0].sizes }
        switch node.layer {
        case let layer as any RecurrentLayer:
            let directions = layer.isBidirectional ? 2 : 1
            let perStep = directions.times(layer.layers).times(type(of: layer).gateCount + 3).times(layer.hidden)
            return shapes[0][0].times(2).times(perStep)
        case let layer as MultiHeadAttention:
            let (steps, others) = (shapes[0][0], shapes[shapes.count - 1][0])
            let projections = max(steps, others).times(4).times(shapes[0][1])
            // Of long sequences the probabilities are computed again.
            let isLong = max(steps, others) > MultiHeadAttention.mostKeptSteps
            let probabilities = isLong ? 0 : layer.heads.times(steps).times(others)
            return probabilities.plus(projections).times(2)
        default: return 0
        }
    }

    /// Attention: the gradient of one example's scores, its dropped probabilities, and those computed again.
    private static func passingValues(_ node: Node, _ graph: Graph) -> Int {
        guard let layer = node.layer as? MultiHeadAttention else { return 0 }
        let shapes = node.inputs.map { graph.shapes[$0].sizes }
        let (steps, others) = (shapes[0][0], shapes[shapes.count - 1][0])
        let copies =
            1 + (layer.dropout > 0 ? 1 : 0) + (max(steps, others) > MultiHeadAttention.mostKeptSteps ? 1 : 0)
        return layer.heads.times(steps).times(others).times(copies)
    }

    /// Layers keep a patient's gradient only where it is no larger than an example's output, or the output's norms.
    private static func patientValues(_ node: Int, _ graph: Graph) -> Int {
        let parameters = graph.slicesOfNode[node].reduce(0) { $0.plus(graph.slices[$1].count) }
        return min(parameters.times(2), graph.shapes[graph.inputShapes.count + node].count.times(2))
    }
}

/// Sums and products of numbers that are not negative; past the largest `Int` they stay there.
extension Int {
    fileprivate func plus(_ other: Int) -> Int {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }

    fileprivate func times(_ other: Int) -> Int {
        let (product, overflows) = multipliedReportingOverflow(by: other)
        return overflows ? .max : product
    }
}
