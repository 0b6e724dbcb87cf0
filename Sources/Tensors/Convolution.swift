// SPDX-License-Identifier: Apache-2.0
// A convolution with its two gradients, on oneDNN or on the portable loops.

import COneDNN
import Kernels

/// What a convolution computes: y[o, p] = bias[o] + Σ w[o, c, i]·x[c, window(p, i)].
package struct ConvolutionShape: Hashable, Sendable {
    package var window: SpatialWindow
    package var groups: Int
    package var inputChannels: Int
    package var outputChannels: Int
    package var sourceLayout: Layout
    package var targetLayout: Layout
    package var hasBias: Bool
    /// y = max(0, ·), in the forward direction.
    package var appliesReLU: Bool

    package init(
        window: SpatialWindow, groups: Int, inputChannels: Int, outputChannels: Int, sourceLayout: Layout,
        targetLayout: Layout, hasBias: Bool, appliesReLU: Bool
    ) {
        self.window = window
        self.groups = groups
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.sourceLayout = sourceLayout
        self.targetLayout = targetLayout
        self.hasBias = hasBias
        self.appliesReLU = appliesReLU
    }

    package var weightCount: Int { outputChannels * (inputChannels / groups) * window.kernelPositions }
    package var sourceCount: Int { inputChannels * window.inputPositions }
    package var targetCount: Int { outputChannels * window.outputPositions }
    /// Multiplications and additions for one example.
    package var operations: Int { 2 * weightCount * window.outputPositions }

    /// Whether Winograd's algorithm is taken: large maps with few channels, where it was measured to pay.
    ///
    /// Source: Lavin & Gray 2016 (arXiv:1509.09308). Its rounding error is about twice the direct algorithm's.
    var suitsWinograd: Bool {
        window.rank == 2 && window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1]
            && groups == 1 && sourceLayout == .blocked && targetLayout == .blocked && inputChannels <= 64
            && outputChannels <= 64 && window.output[1] >= 64
    }
}

/// One convolution of a worker: the primitives for each number of examples, and its weights in their layouts.
///
/// A step is ``begin(weights:bias:)``, any number of passes over parts of the batch, ``finish(weightGradient:biasGradient:)``.
/// What is given and returned is float32 in every precision.
package final class Convolution {
    package let shape: ConvolutionShape
    private let scratch: Scratch
    private let usesLibrary: Bool
    private let precision: ConvolutionPrecision
    private var variants: [ConvolutionPasses] = []
    private var weights: Floats?
    private var bias: Floats?
    private var version = 0
    private let biasTotal: FloatBuffer
    private let biasFresh: FloatBuffer
    private let plain: FloatBuffer
    /// The window as the portable loops take it, and the floats of scratch that they need.
    private let portableWindow: consilium_window
    private let columnCount: Int

    private let isTraining: Bool
    private let wantsInputGradient: Bool

    package init(
        _ shape: ConvolutionShape, isTraining: Bool, wantsInputGradient: Bool, scratch: Scratch, kernels: KernelSet,
        precision: ConvolutionPrecision = ConvolutionPrecision(.float32)
    ) {
        precondition(
            shape.inputChannels % shape.groups == 0 && shape.outputChannels % shape.groups == 0,
            "channels are not a multiple of the groups")
        self.shape = shape
        self.scratch = scratch
        self.precision = precision
        self.isTraining = isTraining
        self.wantsInputGradient = wantsInputGradient
        usesLibrary = kernels == .fastest && DeepNeuralNetworkLibrary.isBuilt
        biasTotal = FloatBuffer(count: shape.hasBias && isTraining ? shape.outputChannels : 0)
        biasFresh = FloatBuffer(count: shape.hasBias && isTraining ? shape.outputChannels : 0)
        plain = FloatBuffer(count: isTraining ? shape.weightCount : 0)
        var window = shape.window.portable
        columnCount = unsafe consilium_convolution_scratch(&window, shape.groups, shape.inputChannels)
        portableWindow = window
        if !usesLibrary {
            precondition(shape.sourceLayout == .plain && shape.targetLayout == .plain, "portable loops are plain")
            scratch.reserve(floats: columnCount)
        }
    }

    /// The library's names for the primitives so far.
    package var implementations: [String] { variants.flatMap(\.implementations) }

    /// Begins a step with these weights `[out, in/groups, kernel…]` and bias `[out]`, which must not change until its end.
    package func begin(weights: Floats, bias: Floats?) {
        precondition(weights.count == shape.weightCount && (bias != nil) == shape.hasBias, "shapes disagree")
        self.weights = weights
        self.bias = bias
        version += 1
        for variant in variants { variant.hasTotal = false }
        if biasTotal.count > 0 { biasTotal.clear() }
        if !usesLibrary, isTraining { plain.clear() }
    }

    /// y of `examples` examples.
    package func forward(_ x: Floats, examples: Int, into y: Floats) {
        guard let weights else { preconditionFailure("forward before begin") }
        precondition(
            x.count == examples * shape.sourceCount && y.count == examples * shape.targetCount, "shapes disagree")
        guard usesLibrary else { return forwardPortable(x, weights, examples, y) }
        guard let pass = variant(examples).forward else {
            preconditionFailure("oneDNN has no such convolution: \(shape)")
        }
        unsafe pass.primitive.run(
            pass.operand(x, scratch.operands.0), pass.packedWeights(weights, version: version), bias?.start, y.start)
    }

    /// Both gradients: adds to the step's sums as ``backwardWeights(_:gradient:examples:)`` does, and overwrites dx where
    /// it is given.
    package func backward(_ x: Floats, gradient dy: Floats, examples: Int, into dx: Floats?) {
        backwardWeights(x, gradient: dy, examples: examples)
        guard let dx else { return }
        let isConverted = usesLibrary && variant(examples).backwardWeights?.precision == .bfloat16
        backwardData(dy, isConverted: isConverted, examples: examples, into: dx)
    }

    /// dx[c, q] = Σ w[o, c, i]·dy[o, p] over the windows p that hold q at place i.
    package func backwardData(_ dy: Floats, examples: Int, into dx: Floats) {
        backwardData(dy, isConverted: false, examples: examples, into: dx)
    }

    /// - Parameter isConverted: Whether the weight gradient has just converted dy.
    private func backwardData(_ dy: Floats, isConverted: Bool, examples: Int, into dx: Floats) {
        guard let weights else { preconditionFailure("backward before begin") }
        precondition(
            dx.count == examples * shape.sourceCount && dy.count == examples * shape.targetCount, "shapes disagree")
        guard usesLibrary else { return backwardDataPortable(dy, weights, examples, dx) }
        guard let pass = variant(examples).backwardData else { preconditionFailure("no input gradient: \(shape)") }
        let memory = scratch.operands.1
        let gradient =
            unsafe isConverted && pass.precision == .bfloat16
            ? memory.current(count: dy.count) : pass.operand(dy, memory)
        unsafe pass.primitive.run(gradient, pass.packedWeights(weights, version: version), dx.start)
    }

    /// Adds dw[o, c, i] = Σ dy[o, p]·x[c, window(p, i)] and dbias[o] = Σ dy[o, p] of these examples to the step's sums.
    package func backwardWeights(_ x: Floats, gradient dy: Floats, examples: Int) {
        precondition(
            x.count == examples * shape.sourceCount && dy.count == examples * shape.targetCount, "shapes disagree")
        guard usesLibrary else {
            return addGradientPortable(
                x, dy, examples, weights: plain.floats, bias: shape.hasBias ? biasTotal.floats : nil)
        }
        let variant = variant(examples)
        guard let pass = variant.backwardWeights else { preconditionFailure("no weight gradient: \(shape)") }
        let target = variant.hasTotal ? variant.fresh.floats : pass.packed.floats
        let bias = shape.hasBias ? biasFresh.floats : nil
        run(pass, x, dy, weights: target, bias: bias)
        if variant.hasTotal { Tensors.add(target, to: pass.packed.floats) }
        if let bias { Tensors.add(bias, to: biasTotal.floats) }
        variant.hasTotal = true
    }

    /// The weight gradient of these examples, overwritten.
    private func run(_ pass: ConvolutionPass, _ x: Floats, _ dy: Floats, weights: Floats, bias: Floats?) {
        unsafe pass.primitive.run(
            pass.operand(x, scratch.operands.0), pass.operand(dy, scratch.operands.1), weights.start, bias?.start)
    }

    /// Floats of one patient's gradient of weights and bias, as ``patientGradient(_:gradient:examples:into:)`` leaves it.
    package var patientGradientCount: Int {
        (usesLibrary ? variant(1).fresh.count : shape.weightCount) + (shape.hasBias ? shape.outputChannels : 0)
    }

    /// The gradient of weights and bias over these examples, overwritten, in whatever order the kernels like.
    ///
    /// Its sum of squares is the gradient's; apart from that it is only good for
    /// ``add(patientGradient:examples:factor:)``.
    package func patientGradient(_ x: Floats, gradient dy: Floats, examples: Int, into gradient: Floats) {
        precondition(
            x.count == examples * shape.sourceCount && dy.count == examples * shape.targetCount
                && gradient.count == patientGradientCount, "shapes disagree")
        let weightCount = gradient.count - (shape.hasBias ? shape.outputChannels : 0)
        let (weights, bias) = (gradient[0..<weightCount], gradient[weightCount..<gradient.count])
        guard usesLibrary else {
            gradient.fill(with: 0)
            return addGradientPortable(x, dy, examples, weights: weights, bias: shape.hasBias ? bias : nil)
        }
        guard let pass = variant(examples).backwardWeights else {
            preconditionFailure("no weight gradient: \(shape)")
        }
        // Else the library would write behind the end: the room is that of one example's layout.
        precondition(pass.packed.count == weightCount, "a gradient of another size: \(shape), \(examples) examples")
        run(pass, x, dy, weights: weights, bias: shape.hasBias ? bias : nil)
    }

    /// Adds factor·(a patient's gradient of so many examples) to the step's sums.
    package func add(patientGradient gradient: Floats, examples: Int, factor: Float) {
        precondition(gradient.count == patientGradientCount, "shapes disagree")
        let weightCount = gradient.count - (shape.hasBias ? shape.outputChannels : 0)
        if usesLibrary {
            let variant = variant(examples)
            guard let total = variant.backwardWeights?.packed.floats else {
                preconditionFailure("no weight gradient: \(shape)")
            }
            if !variant.hasTotal { total.fill(with: 0) }
            variant.hasTotal = true
            Tensors.add(factor, times: gradient[0..<weightCount], to: total)
        } else {
            Tensors.add(factor, times: gradient[0..<weightCount], to: plain.floats)
        }
        if shape.hasBias { Tensors.add(factor, times: gradient[weightCount..<gradient.count], to: biasTotal.floats) }
    }

    /// Adds the step's sums to the flat gradients.
    package func finish(weightGradient: Floats, biasGradient: Floats?) {
        if usesLibrary {
            for variant in variants where variant.hasTotal {
                guard let pass = variant.backwardWeights else { continue }
                unsafe pass.primitive.unpack(pass.packed.floats.start, into: plain.floats)
                Tensors.add(plain.floats, to: weightGradient)
            }
        } else {
            Tensors.add(plain.floats, to: weightGradient)
        }
        if let biasGradient { Tensors.add(biasTotal.floats, to: biasGradient) }
    }

    private func variant(_ examples: Int) -> ConvolutionPasses {
        for variant in variants where variant.examples == examples { return variant }
        let variant = ConvolutionPasses(
            shape, examples: examples, isTraining: isTraining, wantsInputGradient: wantsInputGradient, precision,
            scratch: scratch)
        variants.append(variant)
        return variant
    }
}

// The portable loops, one example at a time.
extension Convolution {
    private func forwardPortable(_ x: Floats, _ weights: Floats, _ examples: Int, _ y: Floats) {
        var window = portableWindow
        let columns = scratch.floats(columnCount)
        for example in 0..<examples {
            let (source, target) = (
                x.rows(example..<example + 1, width: shape.sourceCount),
                y.rows(example..<example + 1, width: shape.targetCount)
            )
            unsafe consilium_convolution_forward(
                &window, shape.groups, shape.inputChannels, shape.outputChannels, source.start, weights.start,
                bias?.start, target.start, columns.start)
            if shape.appliesReLU { ActivationFunction.relu.forward(target, into: target) }
        }
    }

    private func backwardDataPortable(_ dy: Floats, _ weights: Floats, _ examples: Int, _ dx: Floats) {
        var window = portableWindow
        let columns = scratch.floats(columnCount)
        for example in 0..<examples {
            unsafe consilium_convolution_backward_data(
                &window, shape.groups, shape.inputChannels, shape.outputChannels,
                dy.rows(example..<example + 1, width: shape.targetCount).start, weights.start,
                dx.rows(example..<example + 1, width: shape.sourceCount).start, columns.start)
        }
    }

    private func addGradientPortable(
        _ x: Floats, _ dy: Floats, _ examples: Int, weights: Floats, bias: Floats?
    ) {
        var window = portableWindow
        let columns = scratch.floats(columnCount)
        for example in 0..<examples {
            unsafe consilium_convolution_backward_weights(
                &window, shape.groups, shape.inputChannels, shape.outputChannels,
                x.rows(example..<example + 1, width: shape.sourceCount).start,
                dy.rows(example..<example + 1, width: shape.targetCount).start, weights.start, bias?.start, true,
                columns.start)
        }
    }
}

extension ConvolutionShape {
    func request(examples: Int) -> consilium_dnn_convolution {
        var request = consilium_dnn_convolution()
        request.rank = Int32(window.rank)
        (request.n, request.groups) = (Int64(examples), Int64(groups))
        (request.in_channels, request.out_channels) = (Int64(inputChannels), Int64(outputChannels))
        request.in = SpatialWindow.shim(window.input)
        request.out = SpatialWindow.shim(window.output)
        request.kernel = SpatialWindow.shim(window.kernel)
        request.stride = SpatialWindow.shim(window.stride)
        request.dilation = SpatialWindow.shim(window.dilation)
        request.pad_before = SpatialWindow.shim(window.padBefore)
        request.pad_after = SpatialWindow.shim(window.padAfter)
        request.source_layout = sourceLayout.code
        request.target_layout = targetLayout.code
        request.has_bias = hasBias
        request.activation =
            appliesReLU ? Int32(CONSILIUM_DNN_RELU.rawValue) : Int32(CONSILIUM_DNN_LINEAR.rawValue)
        return request
    }
}

extension Layout {
    /// The shim's number of the layout.
    var code: Int32 {
        self == .plain ? Int32(CONSILIUM_DNN_PLAIN.rawValue) : Int32(CONSILIUM_DNN_BLOCKED.rawValue)
    }
}
