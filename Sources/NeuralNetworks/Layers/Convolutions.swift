// SPDX-License-Identifier: Apache-2.0
// Convolutions over one, two or three dimensions, forward and backward.

package import Tensors

/// How far the input is continued with zeros.
package enum Padding: Hashable, Sendable {
    /// Not at all.
    case valid
    /// So far that stride 1 keeps the size; for larger strides ⌈size/stride⌉ positions, the odd zero at the end.
    case same
    /// So many zeros on both sides of each dimension.
    case explicit([Int])

    /// Zeros before and after each dimension.
    func amounts(
        _ input: [Int], kernel: [Int], stride: [Int], dilation: [Int]
    ) -> (before: [Int], after: [Int]) {
        switch self {
        case .valid: return (input.map { _ in 0 }, input.map { _ in 0 })
        case .explicit(let amounts): return (amounts, amounts)
        case .same:
            let totals = input.indices.map { d -> Int in
                let outputs = (input[d] + stride[d] - 1) / stride[d]
                return max((outputs - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1 - input[d], 0)
            }
            return (totals.map { $0 / 2 }, totals.map { $0 - $0 / 2 })
        }
    }
}

/// What the plan asks of a convolution when it looks for one that a pooling follows.
package protocol ConvolutionLayer: BlockedLayer {
    var activation: ActivationFunction { get }
}

/// y[o, p] = f(bias[o] + Σ w[o, c, i]·x[c, p·stride − pad + i·dilation]).
///
/// Shapes: x `[channels, size…]`, w `[filters, channels/groups, kernel…]`, bias `[filters]`, y `[filters, size…]`.
package struct Convolve: ConvolutionLayer {
    package static let kind = "convolution"
    package var filters: Int
    package var kernel: [Int]
    package var stride: [Int]
    package var padding: Padding
    package var dilation: [Int]
    package var groups: Int
    package var activation: ActivationFunction
    package var hasBias: Bool

    /// - Precondition: `kernel`, `stride` and `dilation` have one size for each dimension.
    package init(
        _ filters: Int, kernel: [Int], stride: [Int]? = nil, padding: Padding = .valid, dilation: [Int]? = nil,
        groups: Int = 1, activation: ActivationFunction = .linear, bias: Bool = true
    ) {
        self.filters = filters
        self.kernel = kernel
        self.stride = stride ?? kernel.map { _ in 1 }
        self.padding = padding
        self.dilation = dilation ?? kernel.map { _ in 1 }
        self.groups = groups
        self.activation = activation
        hasBias = bias
    }

    /// A convolution over two dimensions with the same sizes in both.
    package static func twoD(
        _ filters: Int, kernel: Int, stride: Int = 1, padding: Padding = .valid, dilation: Int = 1, groups: Int = 1,
        activation: ActivationFunction = .linear, bias: Bool = true
    ) -> Convolve {
        Convolve(
            filters, kernel: [kernel, kernel], stride: [stride, stride], padding: padding,
            dilation: [dilation, dilation], groups: groups, activation: activation, bias: bias)
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count == kernel.count + 1 else {
            throw ShapeError("a kernel \(kernel) needs \(kernel.count + 1) sizes, channels first, not \(input)")
        }
        guard filters >= 1, groups >= 1, input.sizes[0] % groups == 0, filters % groups == 0 else {
            throw ShapeError(
                "\(input.sizes[0]) channels and \(filters) filters must both be multiples of \(groups) groups")
        }
        guard (kernel + stride + dilation).allSatisfy({ $0 >= 1 }) else {
            throw ShapeError("kernel, stride and dilation are at least 1")
        }
        return Shape([filters] + (try output(of: input)))
    }

    private func output(of input: Shape) throws(ShapeError) -> [Int] {
        let sizes = Array(input.sizes.dropFirst())
        let (before, after) = padding.amounts(sizes, kernel: kernel, stride: stride, dilation: dilation)
        guard before.count == sizes.count else {
            throw ShapeError("padding names \(before.count) dimensions of \(sizes.count)")
        }
        var output: [Int] = []
        for d in sizes.indices {
            let room = sizes[d] + before[d] + after[d] - (kernel[d] - 1) * dilation[d] - 1
            guard room >= 0 else {
                throw ShapeError("a kernel \(kernel) does not fit into \(input): the image must be larger, or padded")
            }
            output.append(room / stride[d] + 1)
        }
        return output
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let places = kernel.reduce(1, *)
        let (fanIn, fanOut) = (inputs[0].sizes[0] / groups * places, filters / groups * places)
        let weight = ParameterDeclaration(
            "weight", [filters, inputs[0].sizes[0] / groups] + kernel,
            ParameterDeclaration.glorot(inputs: fanIn, outputs: fanOut))
        return hasBias ? [weight, ParameterDeclaration("bias", [filters], .zeros)] : [weight]
    }

    package func operations(_ inputs: [Shape]) -> Int {
        let positions = (try? output(of: inputs[0]))?.reduce(1, *) ?? 0
        return 2 * positions * filters * inputs[0].sizes[0] / groups * kernel.reduce(1, *)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { ConvolveOperation(self, context) }
}

private final class ConvolveOperation: Operation {
    private let activation: ActivationFunction
    private let convolution: Convolution
    private let parameters: [Floats]
    private let gradients: [Floats]
    /// Whether ∂loss/∂y comes masked already, from the pooling that follows.
    private let isMaskedByPool: Bool
    private let z: Slot?
    private let dz: Slot?
    /// Private mode: every patient's gradient, where that is smaller than keeping ∂loss/∂z.
    private let kept: KeptGradients?
    /// Private mode: one patient's gradient, where they are not kept.
    private let dropped: FloatBuffer

    init(_ layer: Convolve, _ context: OperationContext) {
        activation = layer.activation
        parameters = context.parameters
        gradients = context.gradients
        isMaskedByPool = context.poolMasksReLU
        let input = context.inputs[0]
        let sizes = Array(input.shape.sizes.dropFirst())
        let (before, after) = layer.padding.amounts(
            sizes, kernel: layer.kernel, stride: layer.stride, dilation: layer.dilation)
        let window = SpatialWindow(
            input: sizes, kernel: layer.kernel, stride: layer.stride, dilation: layer.dilation, padBefore: before,
            padAfter: after)
        let channels = input.shape.sizes[0]
        // Blocked inside; plain at the edge, and where the library has no fast blocked kernel: from plain memory only a
        // few channels can be blocked, and groups must fill whole blocks. One dimension stays plain: what follows reads it so.
        let fills = layer.filters % 16 == 0 && (layer.groups == 1 || (layer.filters / layer.groups) % 16 == 0)
        let blocks =
            context.kernels == .fastest && DeepNeuralNetworkLibrary.isBuilt && window.rank >= 2 && fills
            && (input.layout == .blocked || (channels <= 3 && layer.groups == 1))
        let output = context.output(blocks ? .blocked : .plain)
        let shape = ConvolutionShape(
            window: window, groups: layer.groups, inputChannels: channels, outputChannels: layer.filters,
            sourceLayout: input.layout, targetLayout: output.layout, hasBias: layer.hasBias,
            appliesReLU: layer.activation == .relu)
        // A kept gradient is the one whose norm was taken, in whatever type it was computed.
        let keepsGradients = context.isPrivate && shape.weightCount + layer.filters <= output.count
        convolution = Convolution(
            shape, isTraining: context.isTraining, wantsInputGradient: context.wantsInputGradient[0],
            scratch: context.scratch, kernels: context.kernels,
            precision: ConvolutionPrecision(
                context.precision, weightGradient: keepsGradients ? context.precision : context.gradientPrecision))
        z = context.isTraining && layer.activation.backwardReadsInput ? Slot(output.shape, layout: output.layout) : nil
        let needsOwnGradient = context.isTraining && layer.activation != .linear && !context.poolMasksReLU
        dz = needsOwnGradient ? Slot(output.shape, layout: output.layout) : nil
        let gradientCount = context.isPrivate ? convolution.patientGradientCount : 0
        kept = keepsGradients ? KeptGradients(count: gradientCount) : nil
        dropped = FloatBuffer(count: kept == nil ? gradientCount : 0)
        super.init(inputs: context.inputs, output: output)
    }

    override var readsInputs: Bool { true }
    override var readsOutput: Bool { dz != nil && z == nil }
    override var saved: [Slot] { z.map { [$0] } ?? [] }
    override var backwardTemporaries: [Slot] { [dz, kept?.slot].compactMap(\.self) }
    override var readByClipping: [Slot] {
        kept.map { [$0.slot] } ?? [inputs[0], dz ?? outputGradient].compactMap(\.self)
    }
    override var implementations: [String] { convolution.implementations }

    override func begin(_ step: Step) {
        convolution.begin(weights: parameters[0], bias: parameters.count > 1 ? parameters[1] : nil)
    }

    override func forward(_ examples: Range<Int>) {
        let y = output.floats(examples)
        let target = z?.floats(examples) ?? y
        // z[o, p] = bias[o] + Σ w[o, c, i]·x[c, window(p, i)]
        convolution.forward(inputs[0].floats(examples), examples: examples.count, into: target)
        // y = f(z); ReLU is part of the convolution
        if activation != .linear, activation != .relu { activation.forward(target, into: y) }
    }

    override func backward(_ examples: Range<Int>) {
        let dz = preactivationGradient(examples)
        // z[o, p] = bias[o] + Σ w[o, c, i]·x[c, window(p, i)]:
        // dbias[o] += Σ_p dz[o, p]; dw[o, c, i] += Σ_p dz[o, p]·x[c, window(p, i)]
        // dx[c, q] = Σ w[o, c, i]·dz[o, p] over the windows p that hold q at place i
        convolution.backward(
            inputs[0].floats(examples), gradient: dz, examples: examples.count,
            into: inputGradients[0]?.floats(examples))
    }

    /// y = f(z): dz = dy·f′(z).
    private func preactivationGradient(_ examples: Range<Int>) -> Floats {
        guard let outputGradient else { preconditionFailure("backward without a gradient") }
        let dy = outputGradient.floats(examples)
        guard let dz = self.dz?.floats(examples) else { return dy }
        activation.backward(z?.floats(examples) ?? output.floats(examples), gradient: dy, into: dz)
        return dz
    }

    override func end() {
        guard let weightGradient = gradients.first, outputGradient != nil else { return }
        convolution.finish(weightGradient: weightGradient, biasGradient: gradients.count > 1 ? gradients[1] : nil)
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        let (x, dz) = (inputs[0].floats(examples), preactivationGradient(examples))
        for patient in patients.within(examples) {
            let own = patients.examples[patient]
            let rows = own.lowerBound - examples.lowerBound..<own.upperBound - examples.lowerBound
            let gradient = kept?.values(patient) ?? dropped.floats
            // One call over the patient's examples: ‖dw‖² + ‖dbias‖².
            convolution.patientGradient(
                x.rows(rows, width: inputs[0].count), gradient: dz.rows(rows, width: output.count),
                examples: rows.count, into: gradient)
            patients.add(sumOfSquares(gradient), to: patient)
        }
        if let dx = inputGradients[0] {
            convolution.backwardData(dz, examples: examples.count, into: dx.floats(examples))
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        if let kept {
            for patient in patients.within(examples) where patients.factors[patient] != 0 {
                convolution.add(
                    patientGradient: kept.values(patient), examples: patients.examples[patient].count,
                    factor: patients.factors[patient])
            }
        } else if let dz = (dz ?? outputGradient)?.floats(examples) {
            patients.scale(dz, rowsPerExample: 1, width: output.count, of: examples)
            convolution.backwardWeights(inputs[0].floats(examples), gradient: dz, examples: examples.count)
        }
    }
}
