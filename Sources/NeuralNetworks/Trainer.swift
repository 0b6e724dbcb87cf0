// SPDX-License-Identifier: Apache-2.0
// Local training: the loop over batches, with the memory it reuses from step to step and round to round.

import Randomness
import Tensors

/// Trains one network on one thread, and keeps its memory for the next round.
///
/// Not sendable: a trainer belongs to the thread, or the actor, that trains. After the first step of a run nothing is
/// allocated until the run ends.
package final class Trainer {
    package let network: Network
    private var workspace: Workspace
    private let gradients: FloatBuffer
    private var optimizer: Optimizer

    package init(network: Network) {
        self.network = network
        workspace = Workspace(for: network, capacity: 1)
        gradients = FloatBuffer(count: network.parameterCount)
        optimizer = Optimizer(.sgd(momentum: 0, nesterov: false, weightDecay: 0), slices: network.slices)
    }

    /// Trains `parameters` in place with a fresh optimiser.
    ///
    /// Shapes: parameters, `reference` and `correction` `[parameterCount]`; features `[rows, inputs]`, row-major;
    /// targets `[rows]`.
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
    /// - Throws: ``TrainingError``, or what `onBatch` throws. The parameters are then half trained: discard them.
    package func run(
        parameters: inout [Float], features: [Float], targets: [Float], plan: LocalTraining, order: BatchOrder,
        firstGlobalStep: Int = 0, totalGlobalSteps: Int, proximal: (mu: Double, reference: [Float])? = nil,
        correction: [Float]? = nil, from checkpoint: TrainingCheckpoint? = nil, saving: CheckpointSaving? = nil,
        onBatch: (_ step: Int, _ loss: Double) throws -> Void = { _, _ in }
    ) throws -> TrainingSummary {
        try check(parameters, features, targets, plan, firstGlobalStep, totalGlobalSteps, proximal, correction)
        prepareMemory(rows: targets.count, plan: plan)

        var batches = BatchSequence(rows: targets.count, batchSize: plan.batchSize, order: order)
        var dropout: SeededGenerator? = order.dropoutGenerator
        var weights = GradientWeights(
            optimizer: plan.optimizer, baseRate: plan.learningRate, proximalWeight: proximal?.mu ?? 0)
        var (lossSum, examples, rateSum) = (0.0, 0, 0.0)
        func learningRate(_ step: Int) -> Double {
            plan.schedule.rate(base: plan.learningRate, step: firstGlobalStep + step, totalSteps: totalGlobalSteps)
        }
        if let checkpoint {
            try restore(checkpoint, &parameters, &dropout, plan: plan)
            lossSum = checkpoint.lossSum
            for step in 0..<checkpoint.steps {
                examples += batches.next().count
                weights.advance(rate: learningRate(step))
                rateSum += learningRate(step)
            }
        }

        for step in (checkpoint?.steps ?? 0)..<plan.steps {
            let batch = batches.next()
            gather(batch, features, targets)
            let loss = unsafe parameters.withUnsafeBufferPointer {
                unsafe pass($0, rows: batch.count, dropout: &dropout)
            }
            guard loss.isFinite else { throw TrainingError.nonFiniteLoss(step: step) }
            lossSum += loss * Double(batch.count)
            examples += batch.count

            let rate = learningRate(step)
            adjustGradients(parameters, proximal, correction)
            unsafe parameters.withUnsafeMutableBufferPointer {
                unsafe optimizer.update(Floats($0), gradient: gradients.floats, step: step, rate: rate)
            }
            weights.advance(rate: rate)
            rateSum += rate
            try onBatch(step, loss)
            guard let saving, step + 1 < plan.steps, saving.isDue(batches.isAtEndOfEpoch) else { continue }
            try saving.save(
                TrainingCheckpoint(
                    steps: step + 1, lossSum: lossSum, dropout: dropout?.words ?? [], parameters: parameters,
                    optimizerState: optimizer.state.array))
        }

        guard unsafe parameters.withUnsafeBufferPointer(allFinite) else { throw TrainingError.nonFiniteParameters }
        return TrainingSummary(
            steps: plan.steps, examples: examples, meanLoss: lossSum / Double(examples),
            normalizingWeight: weights.total, learningRateSum: rateSum)
    }

    /// Grows the workspace to the batch and gives the optimiser zeroed state of its size.
    private func prepareMemory(rows: Int, plan: LocalTraining) {
        let capacity = min(rows, plan.batchSize)
        if workspace.capacity < capacity { workspace = Workspace(for: network, capacity: capacity) }
        if optimizer.specification == plan.optimizer {
            optimizer.reset()
        } else {
            optimizer = Optimizer(plan.optimizer, slices: network.slices)
        }
    }

    /// Takes over what cannot be replayed.
    private func restore(
        _ checkpoint: TrainingCheckpoint, _ parameters: inout [Float], _ dropout: inout SeededGenerator?,
        plan: LocalTraining
    ) throws(TrainingError) {
        guard (0...plan.steps).contains(checkpoint.steps), let generator = SeededGenerator(words: checkpoint.dropout)
        else { throw .invalidPlan(.checkpoint) }
        for (values, expected) in [
            (checkpoint.parameters, network.parameterCount), (checkpoint.optimizerState, optimizer.state.count),
        ] where values.count != expected {
            throw .wrongCount(.checkpoint, expected: expected, actual: values.count)
        }
        parameters = checkpoint.parameters
        dropout = generator
        for (place, value) in checkpoint.optimizerState.enumerated() { optimizer.state[place] = value }
    }

    /// Copies the rows of a batch to the front of the workspace.
    private func gather(_ batch: ArraySlice<Int32>, _ features: [Float], _ targets: [Float]) {
        let inputs = network.inputs
        let x = unsafe workspace.features(rows: batch.count).base
        let t = unsafe workspace.targets(rows: batch.count)
        unsafe features.withUnsafeBufferPointer { features in
            for (place, row) in batch.enumerated() {
                let source = unsafe UnsafeBufferPointer(
                    rebasing: features[Int(row) * inputs..<(Int(row) + 1) * inputs])
                guard let first = source.baseAddress else { return }
                unsafe (x + place * inputs).update(from: first, count: inputs)
                unsafe t[place] = targets[Int(row)]
            }
        }
    }

    /// Forward and backward over the gathered batch: its mean loss, and the gradients of the parameters.
    private func pass(
        _ parameters: UnsafeBufferPointer<Float>, rows: Int, dropout: inout SeededGenerator?
    ) -> Double {
        unsafe network.lossAndGradient(
            parameters, input: workspace.features(rows: rows).readOnly,
            targets: .init(workspace.targets(rows: rows)), in: workspace, dropout: &dropout,
            gradients: gradients.elements)
    }

    private func adjustGradients(
        _ parameters: [Float], _ proximal: (mu: Double, reference: [Float])?, _ correction: [Float]?
    ) {
        let g = unsafe gradients.elements
        if let proximal {
            unsafe parameters.withUnsafeBufferPointer { w in
                unsafe proximal.reference.withUnsafeBufferPointer { reference in
                    unsafe add(Float(proximal.mu), timesDifferenceOf: w, and: reference, to: g)
                }
            }
        }
        if let correction {
            unsafe correction.withUnsafeBufferPointer { unsafe add(1, times: $0, to: g) }
        }
    }

    private func check(
        _ parameters: [Float], _ features: [Float], _ targets: [Float], _ plan: LocalTraining, _ firstGlobalStep: Int,
        _ totalGlobalSteps: Int, _ proximal: (mu: Double, reference: [Float])?, _ correction: [Float]?
    ) throws(TrainingError) {
        try plan.check()
        guard firstGlobalStep >= 0, totalGlobalSteps >= 1 else { throw .invalidPlan(.totalSteps) }
        try network.check(parameters: parameters, features: features, targets: targets, rows: targets.count)
        let expected = network.parameterCount
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
}
