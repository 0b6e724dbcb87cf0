// SPDX-License-Identifier: Apache-2.0
// Puts a graph together edge by edge, and blocks of layers with it.

/// Several layers that a study writes as one: a residual block, a Transformer encoder.
package protocol Block: Hashable, Sendable {
    /// The word that studies use for this kind of block.
    static var kind: String { get }
    /// Edges that enter the block.
    var inputCount: Int { get }

    /// Adds the block's layers under names that start with `name` and a dot; returns the edge that leaves it.
    ///
    /// - Throws: ``ShapeError`` that names the layer that does not fit.
    func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int
}

extension Block {
    package var inputCount: Int { 1 }
}

/// A graph in the making: each layer is checked when it is added.
package struct GraphBuilder {
    /// The most layers of a graph, those of blocks counted one by one.
    package static let largestNodeCount = 4_096
    /// The most parameters a model may have: 1 GiB of float32.
    package static let largestParameterCount = 1 << 28
    /// The most values of one example at one edge.
    package static let largestValueCount = 1 << 28
    /// The most operations of a model's forward direction for one example: an hour of this decade's processors.
    package static let largestOperationCount = 1 << 50

    private var inputs: [Shape] = []
    private var nodes: [Node] = []
    private var shapes: [Shape] = []
    private var parameterCount = 0
    private var operationCount = 0

    package init() {}

    /// A new input of the model.
    ///
    /// - Precondition: No layer was added yet.
    package mutating func input(_ shape: Shape) -> Int {
        precondition(nodes.isEmpty, "inputs come before layers")
        inputs.append(shape)
        shapes.append(shape)
        return shapes.count - 1
    }

    /// The shape of one example at an edge.
    package func shape(of edge: Int) -> Shape { shapes[edge] }

    /// Adds a layer; returns the edge that leaves it.
    ///
    /// - Parameter isFrozen: Whether training leaves all parameters of the layer as they are.
    package mutating func add(_ name: String, _ layer: any Layer, _ inputs: Int...) throws(ShapeError) -> Int {
        try add(name, layer, inputs: inputs)
    }

    package mutating func add(
        _ name: String, _ layer: any Layer, inputs: [Int], isFrozen: Bool = false
    ) throws(ShapeError) -> Int {
        do throws(ShapeError) {
            let inputShapes = inputs.map { shapes[$0] }
            let output = try layer.outputShape(inputShapes)
            // Token numbers are checked against the vocabulary of the layer that reads the input itself.
            guard !output.holdsTokens else {
                throw ShapeError("takes values, not tokens: embed them first")
            }
            shapes.append(output)
            try checkSize(layer.parameters(inputShapes))
            // Within the limits above no layer's own number overflows; their sum must not, either.
            operationCount += min(layer.operations(inputShapes), Self.largestOperationCount + 1)
            guard operationCount <= Self.largestOperationCount else {
                throw ShapeError("the model takes too many operations for one example: use smaller sizes")
            }
        } catch {
            var named = error
            named.layer = name
            throw named
        }
        nodes.append(Node(name, layer, inputs: inputs, isFrozen: isFrozen))
        return shapes.count - 1
    }

    /// Layers added so far.
    var nodeCount: Int { nodes.count }

    /// Checks the newest layer's output and parameters against what a model may have at most.
    private mutating func checkSize(_ parameters: [ParameterDeclaration]) throws(ShapeError) {
        guard nodes.count < Self.largestNodeCount else {
            throw ShapeError("the model has more than \(Self.largestNodeCount) layers, those of its blocks counted")
        }
        guard let values = shapes.last.flatMap({ Shape.count(of: $0.sizes) }), values <= Self.largestValueCount else {
            throw ShapeError("an example has more than \(Self.largestValueCount) values here: use smaller sizes")
        }
        for parameter in parameters {
            guard let count = Shape.count(of: parameter.shape), count <= Self.largestParameterCount - parameterCount
            else {
                throw ShapeError("the model has more than \(Self.largestParameterCount) parameters: use smaller sizes")
            }
            parameterCount += count
        }
    }

    package func graph(outputs: [Int]) throws(ShapeError) -> Graph {
        try Graph(inputs: inputs, nodes: nodes, outputs: outputs)
    }
}
