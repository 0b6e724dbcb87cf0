// SPDX-License-Identifier: Apache-2.0
// Parameters that Keras stores, put into the order of this project's tensors.

import ModelFiles
package import NeuralNetworks

/// Fills a model's parameters from Keras's tensors in a safetensors file.
///
/// A tensor is called `LAYER/WORD` or `LAYER.WORD`: the name of a layer here, and Keras's word for the tensor.
///
/// | layer | Keras | here |
/// | --- | --- | --- |
/// | dense | `kernel` `[in, out]`, `bias` | `weight` `[out, in]`, `bias` |
/// | dense behind flatten | inputs by row, column, channel | inputs by channel, row, column |
/// | conv1D, conv2D, conv3D | `kernel` `[size…, in, out]`, `bias` | `weight` `[out, in, size…]`, `bias` |
/// | batchNorm | `gamma`, `beta`, `moving_mean`, `moving_variance` | `weight`, `bias`, `running_mean`, `running_var` |
/// | layerNorm, groupNorm | `gamma`, `beta` | `weight`, `bias` |
/// | embedding | `embeddings` | `weight` |
/// | lstm | `kernel` `[in, 4u]`, `recurrent_kernel` `[u, 4u]`, `bias` | transposed; `bias_hh` is 0 |
/// | gru (`reset_after`) | gates z, r, h; `bias` `[2, 3u]` | gates r, z, n |
package enum KerasImport {
    /// - Parameter seed: What the model's adapters are drawn from, which Keras does not have.
    /// - Throws: ``ModelFileError``; ``LocalModelError`` `.unfitWeights`, as for PyTorch's names.
    package static func parameters(from path: String, for graph: Graph, seed: UInt64 = 0) throws -> [Float] {
        let file = try WeightImport.open(path)
        var names: [String: String] = [:]
        for entry in file.header.tensors { names[entry.name.replacing("/", with: ".")] = entry.name }
        var (problems, used) = (WeightProblems(), Set<String>())
        var parameters = graph.initialParameters(seed: seed)
        for (index, node) in graph.nodes.enumerated() {
            for slice in graph.slices[graph.slicesOfNode[index]] where !slice.isAdapter {
                let own = String(slice.name.dropFirst(node.name.count + 1))
                let source = KerasTensor.source(node.layer, own, slice.shape, flattened: graph.imageBehind(index))
                guard let source else {
                    problems.wrong.append("\(slice.name) has no counterpart that is read from Keras")
                    continue
                }
                guard let name = names["\(node.name).\(source.word)"] else {
                    problems.missing.append("\(node.name)/\(source.word)")
                    continue
                }
                used.insert(name)
                let shape = try file.tensor(name).shape
                guard shape == source.shape else {
                    problems.wrong.append("\(node.name)/\(source.word) is \(shape), the model needs \(source.shape)")
                    continue
                }
                let values = try file.floats(name)
                guard values.allSatisfy(\.isFinite) else {
                    problems.wrong.append("\(node.name)/\(source.word) has values that are not finite")
                    continue
                }
                parameters.replaceSubrange(slice.offset..<slice.offset + slice.count, with: source.convert(values))
            }
        }
        problems.extra = file.header.tensors.map(\.name).filter { !used.contains($0) }
        try problems.check()
        return parameters
    }
}

/// The tensor of Keras that a tensor of ours comes from.
private struct KerasTensor {
    let word: String
    let shape: [Int]
    let convert: (_ values: [Float]) -> [Float]

    init(_ word: String, _ shape: [Int], convert: @escaping ([Float]) -> [Float] = { $0 }) {
        self.word = word
        self.shape = shape
        self.convert = convert
    }

    /// - Parameters:
    ///   - own: The name of our tensor within its layer, and its shape.
    ///   - flattened: The image whose values a dense layer reads one behind the other; nil: none.
    static func source(_ layer: any Layer, _ own: String, _ shape: [Int], flattened: [Int]?) -> KerasTensor? {
        switch layer {
        case is Dense where own == "weight":
            return KerasTensor("kernel", [shape[1], shape[0]]) { values in
                guard let image = flattened else {
                    return KerasLayout.dense(values, inputs: shape[1], outputs: shape[0])
                }
                let positions = image.dropFirst().reduce(1, *)
                return KerasLayout.dense(
                    values, flattened: (channels: image[0], height: positions, width: 1), outputs: shape[0])
            }
        case is Convolve where own == "weight":
            let kernel = Array(shape.dropFirst(2)) + [shape[1], shape[0]]
            return KerasTensor("kernel", kernel) { KerasLayout.convolution($0, shape: kernel) }
        case is Dense, is Convolve: return KerasTensor("bias", shape)
        case is BatchNorm:
            let words = [
                "weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance",
            ]
            return words[own].map { KerasTensor($0, shape) }
        case is LayerNorm, is GroupNorm: return KerasTensor(own == "weight" ? "gamma" : "beta", shape)
        case is Embedding: return KerasTensor("embeddings", shape)
        case let layer as any RecurrentLayer where layer.layers == 1 && !layer.isBidirectional && !(layer is RNN):
            return recurrent(own, shape, isGRU: layer is GRU)
        default: return nil
        }
    }

    private static func recurrent(_ own: String, _ shape: [Int], isGRU: Bool) -> KerasTensor? {
        /// Rows of gates z, r, h as r, z, n.
        func reordered(_ rows: [Float]) -> [Float] {
            guard isGRU else { return rows }
            let gate = rows.count / 3
            return Array(rows[gate..<2 * gate] + rows[..<gate] + rows[(2 * gate)...])
        }
        switch own {
        case "weight_ih_l0", "weight_hh_l0":
            return KerasTensor(own == "weight_ih_l0" ? "kernel" : "recurrent_kernel", [shape[1], shape[0]]) { values in
                reordered(KerasLayout.dense(values, inputs: shape[1], outputs: shape[0]))
            }
        case "bias_ih_l0", "bias_hh_l0":
            let isInput = own == "bias_ih_l0"
            return KerasTensor("bias", isGRU ? [2, shape[0]] : shape) { values in
                guard isGRU else { return isInput ? values : [Float](repeating: 0, count: values.count) }
                return reordered(Array(isInput ? values[..<shape[0]] : values[shape[0]...]))
            }
        default: return nil
        }
    }
}

extension Graph {
    /// The sizes of the image or signal that a layer reads flattened; nil when it reads something else.
    fileprivate func imageBehind(_ node: Int) -> [Int]? {
        // Dropout and activations between the two keep the order.
        var edge = nodes[node].inputs.first ?? 0
        while let before = producer(edge), before.layer is Dropout || before.layer is ActivationLayer {
            edge = before.inputs[0]
        }
        guard let before = producer(edge), before.layer is Reshape, shapes[edge].sizes.count == 1 else { return nil }
        return hasChannelsFirst(before.inputs[0]) ? shapes[before.inputs[0]].sizes : nil
    }

    private func producer(_ edge: Int) -> Node? { edge < inputShapes.count ? nil : nodes[edge - inputShapes.count] }

    /// Two sizes are steps and features, which Keras stores alike, except behind a convolution.
    private func hasChannelsFirst(_ edge: Int) -> Bool {
        if shapes[edge].sizes.count != 2 { return shapes[edge].sizes.count > 2 }
        guard let before = producer(edge) else { return false }
        switch before.layer {
        case is Convolve: return true
        case is Pool, is BatchNorm, is GroupNorm, is Dropout, is ActivationLayer:
            return hasChannelsFirst(before.inputs[0])
        default: return false
        }
    }
}
