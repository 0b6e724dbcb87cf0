// SPDX-License-Identifier: Apache-2.0
// Batch normalisation, forward and backward; it mixes examples, and workers meet in it.

import Tensors

/// y = f((x − mean)/√(variance + ε)·weight + bias) with the mean and variance of each channel over the batch and its
/// positions; outside training with the running ones.
///
/// Shapes: x and y `[channels, size…]`, all four parameters `[channels]`; f is the identity or ReLU. The running
/// statistics lie in the flat vector, so that they are averaged over sites, but no optimiser moves them. A frozen layer
/// normalises with them in training, too, and leaves them as they are: it computes what it does in predictions.
/// Source: Ioffe & Szegedy 2015, Algorithm 1 (arXiv:1502.03167); momentum and the unbiased running variance as
/// torch.nn.BatchNorm2d.
package struct BatchNorm: BlockedLayer {
    package static let kind = "batchNorm"
    package var epsilon: Double
    package var momentum: Double
    package var appliesReLU: Bool

    package init(epsilon: Double = 1e-5, momentum: Double = 0.1, relu: Bool = false) {
        self.epsilon = epsilon
        self.momentum = momentum
        appliesReLU = relu
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard epsilon > 0, momentum >= 0, momentum <= 1 else {
            throw ShapeError("batchNorm needs an epsilon above 0 and a momentum between 0 and 1")
        }
        return try single(inputs)
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let channels = inputs[0].sizes[0]
        return [
            ParameterDeclaration("weight", [channels], .ones), ParameterDeclaration("bias", [channels], .zeros),
            ParameterDeclaration("running_mean", [channels], .zeros, isTrained: false),
            ParameterDeclaration("running_var", [channels], .ones, isTrained: false),
        ]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { BatchNormOperation(self, context) }
}

/// The means and variances of a batch, and what follows from them for every channel.
private final class BatchStatistics {
    let layer: BatchNorm
    let kernels: ChannelKernels
    let parameters: [Floats]
    /// Each worker's Σ (x − shift), Σ (x − shift)², Σ dy, Σ dy·x by channel, the shift being the running mean.
    let sums: [DoubleBuffer]
    let worker: Int
    let exchange: WorkerExchange
    private let memory: FloatBuffer
    /// Positions of a channel in the whole batch.
    private var count = 0.0
    private var means: [Double]
    private var inverseDeviations: [Double]

    init(_ layer: BatchNorm, _ context: OperationContext) {
        let shape = context.inputs[0].shape
        let channels = shape.sizes[0]
        self.layer = layer
        kernels = ChannelKernels(
            channels: channels, positions: shape.count / channels, layout: context.inputs[0].layout)
        parameters = context.parameters
        sums = context.exchange.sums(node: context.node, count: 4 * channels)
        worker = context.worker
        exchange = context.exchange
        memory = FloatBuffer(count: 5 * channels)
        means = .init(repeating: 0, count: channels)
        inverseDeviations = .init(repeating: 1, count: channels)
    }

    private func row(_ index: Int) -> Floats { memory.floats.rows(index..<index + 1, width: kernels.channels) }
    var scale: Floats { row(0) }
    var offset: Floats { row(1) }
    var gradientFactor: Floats { row(2) }
    var inputFactor: Floats { row(3) }
    var gradientOffset: Floats { row(4) }

    func begin(batchExamples: Int) {
        count = Double(batchExamples * kernels.positions)
        sums[worker].clear()
    }

    private func total(_ index: Int) -> Double { sums.reduce(0) { $0 + $1[index] } }

    /// Makes the affine map of this batch from the sums of all workers.
    func finishForward() {
        let channels = kernels.channels
        for c in 0..<channels {
            let shiftedMean = total(c) / count
            let variance = max(total(channels + c) / count - shiftedMean * shiftedMean, 0)
            setMap(c, mean: Double(parameters[2][c]) + shiftedMean, variance: variance)
        }
    }

    /// Makes the affine map of the running statistics.
    ///
    /// An average over sites may round a small variance below zero.
    func useRunningStatistics() {
        for c in 0..<kernels.channels {
            setMap(c, mean: Double(parameters[2][c]), variance: max(Double(parameters[3][c]), 0))
        }
    }

    private func setMap(_ c: Int, mean: Double, variance: Double) {
        means[c] = mean
        inverseDeviations[c] = 1 / (variance + layer.epsilon).squareRoot()
        let factor = Double(parameters[0][c]) * inverseDeviations[c]
        scale[c] = Float(factor)
        offset[c] = Float(Double(parameters[1][c]) - mean * factor)
    }

    /// With g = dy and n positions in the batch: dx = weight/σ·(g − mean(g) − x̂·mean(g·x̂)), as a map of g and x.
    func finishBackward() {
        let channels = kernels.channels
        for c in 0..<channels {
            let factor = Double(parameters[0][c]) * inverseDeviations[c]
            let gradientSum = total(2 * channels + c)
            let product = (total(3 * channels + c) - means[c] * gradientSum) * inverseDeviations[c]  // Σ g·x̂
            let slope = -factor * product * inverseDeviations[c] / count
            gradientFactor[c] = Float(factor)
            inputFactor[c] = Float(slope)
            gradientOffset[c] = Float(-factor * gradientSum / count - slope * means[c])
        }
    }

    /// dweight += Σ g·x̂ and dbias += Σ g over this worker's examples.
    func addGradients(weight: Floats, bias: Floats) {
        let (channels, own) = (kernels.channels, sums[worker])
        for c in 0..<channels {
            let gradientSum = own[2 * channels + c]
            weight[c] += Float((own[3 * channels + c] - means[c] * gradientSum) * inverseDeviations[c])
            bias[c] += Float(gradientSum)
        }
    }

    /// running = (1 − momentum)·running + momentum·(this batch's), the variance unbiased.
    func updateRunningStatistics() {
        let momentum = layer.momentum
        for c in 0..<kernels.channels {
            let inverse = inverseDeviations[c]
            let variance = (1 / (inverse * inverse) - layer.epsilon) * count / max(count - 1, 1)
            parameters[2][c] = Float((1 - momentum) * Double(parameters[2][c]) + momentum * means[c])
            parameters[3][c] = Float((1 - momentum) * Double(parameters[3][c]) + momentum * variance)
        }
    }
}

/// Runs at the end of the stage before: forward it sums up the inputs, backward it makes the input's gradient.
private final class BatchNormCollector: Operation {
    private let statistics: BatchStatistics

    init(_ statistics: BatchStatistics, input: Slot) {
        self.statistics = statistics
        super.init(inputs: [input], output: Slot(viewOf: input, as: input.shape, lengths: input.lengths))
    }

    override var readsInputs: Bool { true }

    override func begin(_ step: Step) { statistics.begin(batchExamples: step.batchExamples) }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            statistics.kernels.addMoments(
                inputs[0].values(example..<example + 1, of: examples), shift: statistics.parameters[2],
                to: statistics.sums[statistics.worker])
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            // dx = weight/σ·(g − mean(g) − x̂·mean(g·x̂))
            statistics.kernels.combine(
                outputGradient.values(one, of: examples), inputs[0].values(one, of: examples),
                a: statistics.gradientFactor, b: statistics.inputFactor, d: statistics.gradientOffset,
                into: dx.values(one, of: examples))
        }
    }
}

/// Forward it normalises; backward it sums up the gradients and hands them on.
private final class BatchNormOperation: Operation {
    private let statistics: BatchStatistics
    private let gradients: [Floats]
    /// Whether the statistics are those of the batch; else the running ones.
    private let usesBatch: Bool
    private let collect: BatchNormCollector?

    init(_ layer: BatchNorm, _ context: OperationContext) {
        precondition(!context.isPrivate, "batch normalisation mixes patients")
        statistics = BatchStatistics(layer, context)
        gradients = context.gradients
        usesBatch = context.isTraining && !context.isFrozen[2]
        let input = context.inputs[0]
        collect = usesBatch ? BatchNormCollector(statistics, input: input) : nil
        super.init(inputs: [collect?.output ?? input], output: context.output(input.layout, keepsLengths: true))
    }

    override var collector: Operation? { collect }
    override var passesGradient: Bool { true }
    override var readsInputs: Bool { true }
    override var readsOutput: Bool { statistics.layer.appliesReLU }

    override func begin(_ step: Step) {
        guard !usesBatch else { return }
        statistics.begin(batchExamples: step.batchExamples)
        statistics.useRunningStatistics()
    }

    override func enter() {
        guard usesBatch else { return }
        statistics.exchange.wait()
        statistics.finishForward()
    }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            // y = f(x·scale + offset), scale = weight/σ, offset = bias − mean·weight/σ
            statistics.kernels.affine(
                inputs[0].values(one, of: examples), scale: statistics.scale, offset: statistics.offset,
                relu: statistics.layer.appliesReLU, into: output.values(one, of: examples))
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient else { return }
        for example in examples {
            let one = example..<example + 1
            // g = dy·f′; Σ g and Σ g·x by channel. The masked g stays where dy was: it is the collector's alone.
            statistics.kernels.addGradientSums(
                inputs[0].values(one, of: examples),
                maskedBy: statistics.layer.appliesReLU ? output.values(one, of: examples) : nil,
                gradient: outputGradient.values(one, of: examples), to: statistics.sums[statistics.worker],
                at: 2 * statistics.kernels.channels)
            // dx = g·weight/σ: the other two factors are zero where the batch's statistics play no part.
            guard !usesBatch, let dx = inputGradients[0] else { continue }
            statistics.kernels.combine(
                outputGradient.values(one, of: examples), inputs[0].values(one, of: examples),
                a: statistics.scale, b: statistics.inputFactor, d: statistics.gradientOffset,
                into: dx.values(one, of: examples))
        }
    }

    override func leave() {
        guard usesBatch, outputGradient != nil else { return }
        statistics.exchange.wait()
        statistics.finishBackward()
    }

    override func end() {
        guard usesBatch, outputGradient != nil else { return }
        statistics.addGradients(weight: gradients[0], bias: gradients[1])
        // Every worker has read the running mean by now: all have been at the barrier of the backward direction.
        if statistics.worker == 0 { statistics.updateRunningStatistics() }
    }
}
