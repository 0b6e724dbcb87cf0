// SPDX-License-Identifier: Apache-2.0
// Which layers learn faster or slower than the others, and which not at all.

/// Factors on the learning rate, by the names of layers.
///
/// A name stands for the layer of that name and for all layers inside it: `encoder` for `encoder` and `encoder.0`, not
/// for `encoder2`. A name that ends with `*` stands for every layer that starts with what is before it. Of several names
/// that fit a layer the longest counts. The factor 0 freezes a layer: its parameters, and the running statistics of a
/// normalisation, keep every bit. Weight decay that shrinks parameters with the rate shrinks them with the layer's.
package struct LayerRates: Hashable, Sendable {
    /// The most names.
    package static let largestCount = 256
    package static let factorRange = 0.0...1e3

    /// The factor of each name.
    package let factors: [String: Double]

    package init(_ factors: [String: Double] = [:]) {
        precondition(factors.values.allSatisfy(Self.factorRange.contains), "a learning rate out of range")
        self.factors = factors
    }

    package static let none = LayerRates()

    /// The layers of a graph that have parameters, those inside a block by the block's name.
    package static func names(_ graph: Graph) -> [String] {
        var names: [String] = []
        for (node, slices) in zip(graph.nodes, graph.slicesOfNode) where !slices.isEmpty {
            let name = String(node.name.prefix { $0 != "." })
            if names.last != name { names.append(name) }
        }
        return names
    }

    /// Whether a name stands for a layer of the graph that has parameters.
    package static func name(_ name: String, isIn graph: Graph) -> Bool {
        zip(graph.nodes, graph.slicesOfNode).contains { !$1.isEmpty && fits(name, $0.name) }
    }

    /// What the learning rate of a layer is multiplied with.
    package func factor(of layer: String) -> Double {
        let fitting = factors.keys.filter { Self.fits($0, layer) }
        // Of `encoder` and `encoder*` the first says more.
        let longest = fitting.max { Self.length($0) < Self.length($1) }
        return longest.flatMap { factors[$0] } ?? 1
    }

    private static func length(_ name: String) -> Int {
        name.hasSuffix("*") ? 2 * name.utf8.count - 3 : 2 * name.utf8.count
    }

    private static func fits(_ name: String, _ layer: String) -> Bool {
        name.hasSuffix("*") ? layer.hasPrefix(name.dropLast()) : layer == name || layer.hasPrefix(name + ".")
    }
}

extension Graph {
    /// The same graph with the factors on its layers. The layout of the parameters stays.
    package func applying(_ rates: LayerRates) -> Graph {
        guard !rates.factors.isEmpty else { return self }
        let nodes = nodes.map { node in
            let factor = rates.factor(of: node.name)
            return Node(
                node.name, node.layer, inputs: node.inputs, isFrozen: node.isFrozen || factor == 0,
                rateFactor: factor == 0 ? 1 : factor)
        }
        do {
            return try replacing(nodes: nodes)
        } catch {
            preconditionFailure("layers that fitted before: \(error)")
        }
    }
}
