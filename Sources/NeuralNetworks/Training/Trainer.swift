// SPDX-License-Identifier: Apache-2.0
// Local training: the loop over batches, with the memory it reuses from step to step and round to round.

import Randomness
package import Tensors

/// Trains one graph, and keeps its memory for the next round.
///
/// Not sendable: a trainer belongs to the thread, or the actor, that trains. After the first step of a run nothing of this
/// project's is allocated until the run ends.
package final class Trainer {
    private let graph: Graph
    private let objective: Objective
    private let threads: Int
    private let kernels: KernelSet
    private let precision: Precision
    private var engine: Engine?
    private let reference: FloatBuffer
    private let correction: FloatBuffer

    /// - Parameters:
    ///   - threads: Workers at most; small models use one.
    ///   - kernels: ``KernelSet/portable`` gives the same bits on every machine.
    package init(
        _ graph: Graph, objective: Objective, threads: Int = 1, kernels: KernelSet = .fastest,
        precision: Precision = .float32
    ) {
        self.graph = graph
        self.objective = objective
        self.threads = threads
        self.kernels = kernels
        self.precision = precision
        reference = FloatBuffer(count: graph.parameterCount)
        correction = FloatBuffer(count: graph.parameterCount)
    }

    package convenience init(network: Network, threads: Int = 1, kernels: KernelSet = .fastest) {
        self.init(network.graph, objective: network.objective, threads: threads, kernels: kernels)
    }

    /// Trains `parameters` in place with a fresh optimiser; where the plan keeps an average, they end as the average.
    ///
    /// Shapes: parameters, `reference` and `correction` `[parameterCount]`.
    /// Each step follows gradient + μ·(w − reference) + correction.
    /// Source: Li et al. 2020, equation 2 (FedProx, arXiv:1812.06127); Karimireddy et al. 2020, Algorithm 1, line 10
    /// (SCAFFOLD, arXiv:1910.06378).
    ///
    /// - Parameters:
    ///   - order: Seeds the order of the examples and the dropout masks.
    ///   - firstGlobalStep: The study's steps before this round, where the schedule goes on.
    ///   - totalGlobalSteps: The steps of the whole study.
    ///   - proximal: FedProx's μ and the global model it pulls towards.
    ///   - correction: SCAFFOLD's c − cᵢ, added to every gradient.
    ///   - checkpoint: Where an earlier run with the same arguments had come to; this one goes on there, to the bit.
    ///   - saving: Gets the state of this run when it is due, after `onBatch`.
    ///   - onBatch: Called after each step with the local step from zero and the batch's loss; what it throws, such as
    ///     a cancellation, ends the run.
    ///   - rateFactor: What the schedule's rate is multiplied with for a local step, such as after a plateau. Asked again for
    ///     the steps before a checkpoint.
    /// - Throws: ``ShapeError`` when the objective does not fit the graph, ``PrecisionError`` when the precision cannot be
    ///   had, ``ExampleError`` when the examples do not fit, ``TrainingError``, or what `onBatch` throws. The
    ///   parameters are then half trained: discard them.
    package func run(
        parameters: inout [Float], examples: Examples, plan: LocalTraining, order: BatchOrder,
        firstGlobalStep: Int = 0, totalGlobalSteps: Int, proximal: (mu: Double, reference: [Float])? = nil,
        correction: [Float]? = nil, from checkpoint: TrainingCheckpoint? = nil, saving: CheckpointSaving? = nil,
        onBatch: (_ step: Int, _ loss: Double) throws -> Void = { _, _ in },
        rateFactor: (_ step: Int) -> Double = { _ in 1 }
    ) throws -> TrainingSummary {
        try check(parameters, plan, firstGlobalStep, totalGlobalSteps, proximal, correction)
        if let checkpoint { try check(checkpoint, plan) }
        try examples.check(graph)
        try objective.check(examples, graph)
        let engine = try engine(batchSize: min(examples.count, plan.batchSize))
        engine.parameters.copy(from: checkpoint?.parameters ?? parameters, at: 0)
        try engine.prepare(
            plan.optimizer, state: checkpoint?.optimizerState, averageDecay: plan.averageDecay,
            average: checkpoint?.average)
        if let proximal { reference.floats.copy(from: proximal.reference, at: 0) }
        if let correction { self.correction.floats.copy(from: correction, at: 0) }

        let dropoutKey = order.dropoutKey
        var progress = Progress(rows: examples.count, plan: plan, order: order, proximalWeight: proximal?.mu ?? 0)
        func learningRate(_ step: Int) -> Double {
            plan.schedule.rate(base: plan.learningRate, step: firstGlobalStep + step, totalSteps: totalGlobalSteps)
                * rateFactor(step)
        }
        if let checkpoint {
            progress.lossSum = checkpoint.lossSum
            for step in 0..<checkpoint.steps {
                progress.count(progress.nextBatch().count, rate: learningRate(step), loss: 0)
            }
        }
        for step in (checkpoint?.steps ?? 0)..<plan.steps {
            let rate = learningRate(step)
            var update = StepUpdate(rate: rate, step: step)
            update.largestNorm = plan.largestNorm
            if let proximal { update.proximal = (Float(proximal.mu), reference.floats) }
            if correction != nil { update.correction = self.correction.floats }
            let batch = progress.nextBatch()
            let loss = engine.step(batch, of: examples, dropoutKey: dropoutKey &+ UInt64(step), update)
            guard loss.isFinite else { throw TrainingError.nonFiniteLoss(step: step) }
            progress.count(batch.count, rate: rate, loss: loss)
            try onBatch(step, loss)
            guard let saving, step + 1 < plan.steps, saving.isDue(progress.isAtEndOfEpoch) else { continue }
            try saving.save(
                TrainingCheckpoint(
                    steps: step + 1, lossSum: progress.lossSum, parameters: engine.parameters.array,
                    optimizerState: engine.optimizerStateValues, average: engine.averageValues))
        }
        guard allFinite(engine.parameters) else { throw TrainingError.nonFiniteParameters }
        parameters = engine.averageValues ?? engine.parameters.array
        return progress.summary(steps: plan.steps)
    }

    /// The engine of the last run, or a new one when batches have another size now: their size decides about the number of
    /// workers, and that about the last bits.
    private func engine(batchSize: Int) throws -> Engine {
        if let engine, engine.batchCapacity == batchSize { return engine }
        var options = Engine.Options(batchSize: batchSize, threads: threads)
        (options.kernels, options.precision) = (kernels, precision)
        let fresh = try Engine(graph, objective: objective, options)
        engine = fresh
        return fresh
    }

    private func check(
        _ parameters: [Float], _ plan: LocalTraining, _ firstGlobalStep: Int, _ totalGlobalSteps: Int,
        _ proximal: (mu: Double, reference: [Float])?, _ correction: [Float]?
    ) throws(TrainingError) {
        try plan.check()
        guard firstGlobalStep >= 0, totalGlobalSteps >= 1 else { throw .invalidPlan(.totalSteps) }
        let expected = graph.parameterCount
        guard parameters.count == expected else {
            throw .wrongCount(.parameters, expected: expected, actual: parameters.count)
        }
        // Kernels may swallow a NaN: the largest of NaN and 1 is 1 to some. In the parameters it stays until the end.
        guard allFinite(parameters) else { throw .nonFiniteParameters }
        if let proximal {
            guard proximal.mu >= 0, proximal.mu.isFinite else { throw .invalidPlan(.proximalTerm) }
            guard proximal.reference.count == expected else {
                throw .wrongCount(.proximalReference, expected: expected, actual: proximal.reference.count)
            }
        }
        if let correction, correction.count != expected {
            throw .wrongCount(.correction, expected: expected, actual: correction.count)
        }
    }

    private func check(_ checkpoint: TrainingCheckpoint, _ plan: LocalTraining) throws(TrainingError) {
        guard (0...plan.steps).contains(checkpoint.steps) else { throw .invalidPlan(.checkpoint) }
        let stateCount = plan.optimizer.stateVectors * graph.parameterCount
        for (values, expected) in [
            (checkpoint.parameters, graph.parameterCount), (checkpoint.optimizerState, stateCount),
        ] where values.count != expected {
            throw .wrongCount(.checkpoint, expected: expected, actual: values.count)
        }
        guard checkpoint.average?.count == plan.averageDecay.map({ _ in graph.parameterCount }) else {
            throw .invalidPlan(.checkpoint)
        }
    }
}

/// Where a run is, and what it adds up on its way.
private struct Progress {
    var lossSum = 0.0
    private var batches: BatchSequence
    private var weights: GradientWeights
    private var (examples, rateSum) = (0, 0.0)

    init(rows: Int, plan: LocalTraining, order: BatchOrder, proximalWeight: Double) {
        batches = BatchSequence(rows: rows, batchSize: plan.examplesPerStep, order: order)
        weights = GradientWeights(
            optimizer: plan.optimizer, baseRate: plan.learningRate, proximalWeight: proximalWeight)
    }

    /// Whether the last batch ended an epoch.
    var isAtEndOfEpoch: Bool { batches.isAtEndOfEpoch }

    /// The rows of the next step. The caller lets go of them before it asks again: else the order is copied.
    mutating func nextBatch() -> ArraySlice<Int32> { batches.next() }

    /// Counts a step.
    mutating func count(_ rows: Int, rate: Double, loss: Double) {
        lossSum += loss * Double(rows)
        examples += rows
        rateSum += rate
        weights.advance(rate: rate)
    }

    func summary(steps: Int) -> TrainingSummary {
        TrainingSummary(
            steps: steps, examples: examples, meanLoss: lossSum / Double(examples), normalizingWeight: weights.total,
            learningRateSum: rateSum)
    }
}
