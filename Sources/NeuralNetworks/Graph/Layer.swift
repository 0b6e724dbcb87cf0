// SPDX-License-Identifier: Apache-2.0
// What every layer says about itself: its shapes, its parameters, and the operation that computes it.

package import Tensors

/// A layer of a model, as data: the numbers a study writes down, without memory or parameters.
package protocol Layer: Hashable, Sendable {
    /// The word that studies use for this kind of layer.
    static var kind: String { get }

    /// The shape of the layer's output for inputs of these shapes.
    ///
    /// - Throws: ``ShapeError`` with a sentence that says what would fit.
    func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape

    /// The layer's parameters, in the order of the flat vector.
    func parameters(_ inputs: [Shape]) -> [ParameterDeclaration]

    /// Multiplications and additions of the forward direction for one example; those of large products only.
    func operations(_ inputs: [Shape]) -> Int

    /// The layer compiled for one worker.
    func makeOperation(_ context: OperationContext) -> Operation
}

extension Layer {
    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] { [] }

    package func operations(_ inputs: [Shape]) -> Int { 0 }

    /// The only input, or an error that says how many there are.
    func single(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard inputs.count == 1 else { throw ShapeError("\(Self.kind) takes one input, not \(inputs.count)") }
        return inputs[0]
    }
}

/// One named tensor of a layer, with the values a study starts from.
package struct ParameterDeclaration: Hashable, Sendable {
    /// PyTorch's name within the layer: `weight`, `bias`, `weight_ih_l0`.
    package let name: String
    package let shape: [Int]
    package let start: Start
    /// Whether training moves it along its gradient; the running statistics of a normalisation are not.
    package let isTrained: Bool
    /// Whether it keeps the values it starts from, as a weight with an adapter beside it does.
    package let isFrozen: Bool

    /// The first values of a parameter.
    package enum Start: Hashable, Sendable {
        case zeros
        case ones
        /// Uniform in ±bound.
        case uniform(bound: Float)
        /// Normal with mean zero.
        case normal(deviation: Float)
    }

    package init(
        _ name: String, _ shape: [Int], _ start: Start, isTrained: Bool = true, isFrozen: Bool = false
    ) {
        self.name = name
        self.shape = shape
        self.start = start
        self.isTrained = isTrained
        self.isFrozen = isFrozen
    }

    package var count: Int { shape.reduce(1, *) }

    /// Uniform in ±√(6/(inputs + outputs)). Source: Glorot & Bengio 2010, equation 16.
    static func glorot(inputs: Int, outputs: Int) -> Start {
        .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
    }
}

/// What an operation is made from: its edges, its parameters, and the worker's memory.
package struct OperationContext {
    package let inputs: [Slot]
    package let outputShape: Shape
    /// The parameters, in the order they were declared; shared by all workers, and only read during a step.
    package let parameters: [Floats]
    /// The gradients of the parameters, this worker's own; empty in inference.
    package let gradients: [Floats]
    /// Whether each parameter is frozen, so that its gradient is not to be computed.
    package let isFrozen: [Bool]
    /// The most examples the worker gets at a time.
    package let capacity: Int
    package let isTraining: Bool
    /// Whether somebody wants the gradient of each input.
    package let wantsInputGradient: [Bool]
    package let scratch: Scratch
    package let kernels: KernelSet
    /// In which type large products and convolutions read activations, weights and their gradients.
    package let precision: Precision
    /// The place of the layer in the model, which tells the dropout masks of two layers apart.
    package let node: Int
    /// Whether the only consumer is a max pooling that takes over this layer's ReLU in the backward direction.
    package let poolMasksReLU: Bool
    /// Whether this layer, a max pooling, masks for the layer before it.
    package let masksReLU: Bool
    package let isPrivate: Bool
    /// The most steps for which attention keeps its probabilities.
    package let mostKeptSteps: Int
    /// What the workers of the batch share, and which of them this is.
    package let exchange: WorkerExchange
    package let worker: Int

    /// In which type the weights' gradients are computed.
    ///
    /// In private training float32: a patient's norm must be that of what is added for the patient, and operands rounded
    /// once for the norm and once more, scaled, for the sum would give two different gradients.
    var gradientPrecision: Precision { isPrivate ? .float32 : precision }

    /// Where the gradient of a parameter goes; nil in inference, and where the parameter is frozen.
    func gradient(_ place: Int) -> Floats? { isTraining && !isFrozen[place] ? gradients[place] : nil }

    /// A slot for the output, in a layout.
    func output(_ layout: Layout = .plain, keepsLengths: Bool = false) -> Slot {
        Slot(outputShape, layout: layout, lengths: keepsLengths ? inputs[0].lengths : nil)
    }
}
