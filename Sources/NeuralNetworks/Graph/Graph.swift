// SPDX-License-Identifier: Apache-2.0
// A model as a graph of layers whose shapes are known to fit, and the layout of its parameters.

import Randomness

/// One layer in a graph: its name and where its inputs come from.
package struct Node: Sendable {
    package let name: String
    package let layer: any Layer
    /// Places in the graph's edges: first the inputs of the model, then the outputs of the layers in order.
    package let inputs: [Int]
    /// Whether all parameters of the layer are frozen.
    package let isFrozen: Bool
    /// What the learning rate is multiplied with for the parameters of the layer; positive.
    package let rateFactor: Double

    package init(
        _ name: String, _ layer: any Layer, inputs: [Int], isFrozen: Bool = false, rateFactor: Double = 1
    ) {
        precondition(rateFactor > 0 && rateFactor.isFinite, "a learning rate times \(rateFactor)")
        self.name = name
        self.layer = layer
        self.inputs = inputs
        self.isFrozen = isFrozen
        self.rateFactor = rateFactor
    }
}

/// A part of the flat vector whose parameters learn at one rate.
package struct TrainedPart: Hashable, Sendable {
    package var range: Range<Int>
    /// What the learning rate is multiplied with.
    package let rateFactor: Double
}

/// Layers in an order in which each comes after its inputs, with every shape checked.
///
/// A graph holds no parameters: they are flat vectors of ``parameterCount`` floats, which is also what is sent, clipped,
/// summed and stored.
package struct Graph: Sendable {
    package let inputShapes: [Shape]
    package let nodes: [Node]
    /// The edges whose values the model returns.
    package let outputs: [Int]
    /// The shape of every edge: inputs, then the output of each node.
    package let shapes: [Shape]
    /// The named tensors in the order of the flat vector, without gaps.
    package let slices: [ParameterSlice]
    package let parameterCount: Int
    /// Multiplications and additions of the forward direction for one example.
    package let operations: Int
    private let starts: [ParameterDeclaration.Start]
    /// The parts of the flat vector that training moves, in order and with neighbours joined.
    package let trainedRanges: [Range<Int>]
    /// The same, cut where the learning rate changes.
    package let trainedParts: [TrainedPart]
    /// The parts that are frozen, in order and with neighbours joined.
    package let frozenRanges: [Range<Int>]
    /// The slices of each node.
    package let slicesOfNode: [Range<Int>]

    /// - Throws: ``ShapeError`` naming the first layer that does not fit.
    /// - Precondition: Every node's inputs come before it.
    package init(inputs: [Shape], nodes: [Node], outputs: [Int]) throws(ShapeError) {
        var shapes = inputs
        var slices: [ParameterSlice] = []
        var starts: [ParameterDeclaration.Start] = []
        var ranges: [Range<Int>] = []
        var parts: [TrainedPart] = []
        var frozen: [Range<Int>] = []
        var offset = 0
        var operations = 0
        for node in nodes {
            precondition(node.inputs.allSatisfy { $0 >= 0 && $0 < shapes.count }, "an input that comes later")
            let nodeInputs = node.inputs.map { shapes[$0] }
            do {
                shapes.append(try node.layer.outputShape(nodeInputs))
            } catch {
                var named = error
                named.layer = node.name
                throw named
            }
            operations += node.layer.operations(nodeInputs)
            let first = slices.count
            for declaration in node.layer.parameters(nodeInputs) {
                let name = "\(node.name).\(declaration.name)"
                let isFrozen = node.isFrozen || declaration.isFrozen
                slices.append(
                    ParameterSlice(name: name, shape: declaration.shape, offset: offset, isFrozen: isFrozen))
                starts.append(declaration.start)
                let range = offset..<offset + declaration.count
                if isFrozen {
                    frozen.append(range)
                } else if declaration.isTrained {
                    parts.append(TrainedPart(range: range, rateFactor: node.rateFactor))
                }
                offset += declaration.count
            }
            ranges.append(first..<slices.count)
        }
        precondition(outputs.allSatisfy { $0 >= 0 && $0 < shapes.count }, "an output that is no edge")
        precondition(Set(outputs).count == outputs.count, "an edge that is two outputs")
        inputShapes = inputs
        self.nodes = nodes
        self.outputs = outputs
        self.shapes = shapes
        self.slices = slices
        self.starts = starts
        slicesOfNode = ranges
        trainedRanges = Self.joined(parts.map(\.range))
        trainedParts = Self.joined(parts)
        frozenRanges = Self.joined(frozen)
        parameterCount = offset
        self.operations = operations
    }

    /// The graph with one more parameter, of no layer, behind the others; its name is its full name.
    init(_ graph: Graph, adding parameter: ParameterDeclaration) {
        let offset = graph.parameterCount
        (inputShapes, nodes, outputs, shapes) = (graph.inputShapes, graph.nodes, graph.outputs, graph.shapes)
        (operations, slicesOfNode) = (graph.operations, graph.slicesOfNode)
        slices = graph.slices + [ParameterSlice(name: parameter.name, shape: parameter.shape, offset: offset)]
        starts = graph.starts + [parameter.start]
        let range = offset..<offset + parameter.count
        trainedRanges = Self.joined(graph.trainedRanges + [range])
        trainedParts = Self.joined(graph.trainedParts + [TrainedPart(range: range, rateFactor: 1)])
        frozenRanges = graph.frozenRanges
        parameterCount = range.upperBound
    }

    /// The slices of no layer, behind those of the layers.
    var slicesOfNoNode: Range<Int> { (slicesOfNode.last?.upperBound ?? 0)..<slices.count }

    /// A graph of other layers with the same inputs and outputs, and with the parameters of no layer.
    func replacing(nodes: [Node]) throws(ShapeError) -> Graph {
        slicesOfNoNode.reduce(try Graph(inputs: inputShapes, nodes: nodes, outputs: outputs)) { graph, place in
            let slice = slices[place]
            return Graph(graph, adding: ParameterDeclaration(slice.name, slice.shape, starts[place]))
        }
    }

    /// Neighbours made one.
    private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
        joined(ranges.map { TrainedPart(range: $0, rateFactor: 1) }).map(\.range)
    }

    /// Neighbours with one rate made one.
    private static func joined(_ parts: [TrainedPart]) -> [TrainedPart] {
        parts.reduce(into: []) { joined, part in
            if let last = joined.last, last.rateFactor == part.rateFactor,
                last.range.upperBound == part.range.lowerBound
            {
                joined[joined.count - 1].range = last.range.lowerBound..<part.range.upperBound
            } else {
                joined.append(part)
            }
        }
    }

    /// A chain of layers, named by their places as PyTorch's `Sequential` does.
    package init(input: Shape, layers: [any Layer]) throws(ShapeError) {
        let nodes = layers.enumerated().map { Node("\($0.offset)", $0.element, inputs: [$0.offset]) }
        try self.init(inputs: [input], nodes: nodes, outputs: [layers.count])
    }

    /// Whether training moves a tensor along its gradient.
    package func isTrained(_ slice: ParameterSlice) -> Bool {
        trainedRanges.contains { $0.contains(slice.offset) }
    }

    /// The parameters a study starts from. The same seed gives the same bits everywhere; each tensor has a stream of its
    /// own.
    package func initialParameters(seed: UInt64) -> [Float] {
        var parameters = [Float](repeating: 0, count: parameterCount)
        for (slice, start) in zip(slices, starts) {
            var generator = SeededGenerator(seed: seed, stream: "weights/\(slice.name)")
            for place in slice.offset..<slice.offset + slice.count {
                switch start {
                case .zeros: break
                case .ones: parameters[place] = 1
                case .uniform(let bound): parameters[place] = (2 * generator.uniformFloat() - 1) * bound
                case .normal(let deviation): parameters[place] = deviation * Self.normal(&generator)
                }
            }
        }
        return parameters
    }

    /// A standard normal number to about 2⁻²⁴: the sum of twelve uniform ones less six.
    private static func normal(_ generator: inout SeededGenerator) -> Float {
        (0..<12).reduce(Float(-6)) { sum, _ in sum + generator.uniformFloat() }
    }
}
