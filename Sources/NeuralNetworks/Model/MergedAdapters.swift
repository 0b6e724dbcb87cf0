// SPDX-License-Identifier: Apache-2.0
// A trained model whose adapters have become part of its weights, and a plain model's weights in one with adapters.

extension Graph {
    /// The same graph without adapters, and parameters that give the same outputs.
    ///
    /// Every adapted weight becomes W + (alpha/rank)·up·down, computed in double precision and rounded once; all other
    /// tensors keep their bits. Nothing is frozen in what is returned.
    /// Source: Hu et al. 2021, section 4.1, "No Additional Inference Latency" (arXiv:2106.09685).
    /// - Precondition: `parameters.count == parameterCount`.
    package func mergingAdapters(_ parameters: [Float]) -> (graph: Graph, parameters: [Float]) {
        precondition(parameters.count == parameterCount, "\(parameters.count) parameters for \(parameterCount)")
        var merged: [Float] = []
        for (node, places) in zip(nodes, slicesOfNode) {
            let own = Array(slices[places])
            var tensors = own.map { Array(parameters[$0.offset..<$0.offset + $0.count]) }
            let adapters = (node.layer as? any AdaptedLayer)?.adapters(node.inputs.map { shapes[$0] }) ?? []
            for adapter in adapters {
                Self.merge(
                    down: tensors[adapter.down], up: tensors[adapter.up], adapter, into: &tensors[adapter.weight])
            }
            for (slice, values) in zip(own, tensors) where !slice.isAdapter { merged += values }
        }
        for slice in slices[slicesOfNoNode] { merged += parameters[slice.offset..<slice.offset + slice.count] }
        let plain = nodes.map { node in
            Node(node.name, (node.layer as? any AdaptedLayer)?.withoutAdapters ?? node.layer, inputs: node.inputs)
        }
        do {
            return (try replacing(nodes: plain), merged)
        } catch {
            preconditionFailure("a layer that fits only with an adapter: \(error)")
        }
    }

    /// W[o,i] += scale·Σₖ up[o,k]·down[k,i] in the adapter's rows of W.
    ///
    /// Shapes: down `[rank, inputs]`, up `[rows, rank]`, weight `[…, inputs]`.
    private static func merge(down: [Float], up: [Float], _ place: AdapterPlace, into weight: inout [Float]) {
        let rank = up.count / place.rows.count
        let inputs = down.count / rank
        var row = [Double](repeating: 0, count: inputs)
        for output in 0..<place.rows.count {
            let start = (place.rows.lowerBound + output) * inputs
            for i in 0..<inputs { row[i] = Double(weight[start + i]) }
            for k in 0..<rank {
                let factor = Double(place.scale) * Double(up[output * rank + k])
                for i in 0..<inputs { row[i] += factor * Double(down[k * inputs + i]) }
            }
            for i in 0..<inputs { weight[start + i] = Float(row[i]) }
        }
    }

    /// Parameters of a model without adapters as this graph's: its adapters, and weights of losses that it learns,
    /// get the values they start from, all other
    /// tensors those of the same name.
    ///
    /// - Parameter plain: The other graph, whose tensors have the same names but for the adapters'.
    /// - Returns: nil where a tensor is missing or has another shape.
    package func parameters(from values: [Float], of plain: Graph, seed: UInt64) -> [Float]? {
        guard values.count == plain.parameterCount else { return nil }
        let known = Dictionary(plain.slices.map { ($0.name, $0) }) { first, _ in first }
        var parameters = initialParameters(seed: seed)
        for slice in slices {
            guard let source = known[slice.name] else {
                if slice.isAdapter || slice.name == Objective.logVarianceName { continue }
                return nil
            }
            guard source.shape == slice.shape else { return nil }
            parameters.replaceSubrange(
                slice.offset..<slice.offset + slice.count, with: values[source.offset..<source.offset + source.count])
        }
        return parameters
    }
}

extension ModelSpecification {
    /// The same model without adapters.
    package var withoutAdapters: ModelSpecification {
        let plain = elements.map { ModelElement($0.content.withoutAdapters, name: $0.name, from: $0.from) }
        return ModelSpecification(inputs: inputs, elements: plain, outputs: outputs)
    }
}

extension Network {
    /// The same network without adapters, and parameters that give the same outputs: ``Graph/mergingAdapters(_:)``.
    ///
    /// - Precondition: `parameters.count == parameterCount`.
    package func mergingAdapters(_ parameters: [Float]) -> (network: Network, parameters: [Float]) {
        do {
            let plain = try Network(specification.withoutAdapters, inputs: inputs, head: head)
            return (plain, graph.mergingAdapters(parameters).parameters)
        } catch {
            preconditionFailure("a model that fits only with adapters: \(error)")
        }
    }
}
