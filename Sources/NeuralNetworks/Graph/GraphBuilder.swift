// SPDX-License-Identifier: Apache-2.0
// Puts a graph together edge by edge, and blocks of layers with it.

/// Several layers that a study writes as one: a residual block, a Transformer encoder.
package protocol Block: Hashable, Sendable {
    /// The word that studies use for this kind of block.
    static var kind: String { get }

    /// Adds the block's layers under names that start with `name` and a dot; returns the edge that leaves it.
    ///
    /// - Throws: ``ShapeError`` that names the layer that does not fit.
    func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int
}

/// A graph in the making: each layer is checked when it is added.
package struct GraphBuilder {
    private var inputs: [Shape] = []
    private var nodes: [Node] = []
    private var shapes: [Shape] = []

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
    package mutating func add(_ name: String, _ layer: any Layer, _ inputs: Int...) throws(ShapeError) -> Int {
        try add(name, layer, inputs: inputs)
    }

    package mutating func add(_ name: String, _ layer: any Layer, inputs: [Int]) throws(ShapeError) -> Int {
        do {
            shapes.append(try layer.outputShape(inputs.map { shapes[$0] }))
        } catch {
            var named = error
            named.layer = name
            throw named
        }
        nodes.append(Node(name, layer, inputs: inputs))
        return shapes.count - 1
    }

    package func graph(outputs: [Int]) throws(ShapeError) -> Graph {
        try Graph(inputs: inputs, nodes: nodes, outputs: outputs)
    }
}
