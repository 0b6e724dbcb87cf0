// SPDX-License-Identifier: Apache-2.0
// What a graph computes, in plain loops and double precision, written from the formulas.

import Foundation
import NeuralNetworks
import Tensors

/// The values of all examples at one edge, and the lengths of their sequences where there are some.
struct ReferenceBatch {
    /// One example's values each.
    var rows: [[Double]]
    var lengths: [Int]?

    /// The steps that an example has, of `steps` in all.
    func length(_ example: Int, of steps: Int) -> Int { lengths?[example] ?? steps }

    /// The same with other values for each example.
    func map(keepsLengths: Bool = true, _ body: ([Double]) -> [Double]) -> ReferenceBatch {
        ReferenceBatch(rows: rows.map(body), lengths: keepsLengths ? lengths : nil)
    }
}

/// Evaluates a graph in training mode, layer by layer.
struct ReferenceGraph {
    let graph: Graph
    /// The smallest distance of a value from a point where a function has no derivative, in the last evaluation.
    private(set) var margin = Double.infinity

    init(_ graph: Graph) { self.graph = graph }

    /// The values at every edge of the graph.
    ///
    /// - Parameter inputs: For every input of the model its values.
    mutating func edges(parameters: [Double], inputs: [ReferenceBatch]) -> [ReferenceBatch] {
        margin = .infinity
        var (edges, place) = (inputs, 0)
        for node in graph.nodes {
            let shapes = node.inputs.map { graph.shapes[$0] }
            let tensors = node.layer.parameters(shapes).map { _ -> [Double] in
                let slice = graph.slices[place]
                place += 1
                return Array(parameters[slice.offset..<slice.offset + slice.count])
            }
            edges.append(evaluate(node.layer, node.inputs.map { edges[$0] }, shapes, tensors))
        }
        return edges
    }

    private mutating func evaluate(
        _ layer: any Layer, _ x: [ReferenceBatch], _ shapes: [Shape], _ p: [[Double]]
    ) -> ReferenceBatch {
        let (first, sizes) = (x[0], shapes[0].sizes)
        switch layer {
        case let layer as Dense:
            let w = layer.adapter.map { ReferenceAdapter.sum(p[0], p.suffix(2), $0, rows: 0..<layer.units) } ?? p[0]
            return first.map { Self.dense($0, w, layer.hasBias ? p[1] : nil, units: layer.units) }
                .map { apply(layer.activation, $0) }
        case let layer as ActivationLayer: return first.map { apply(layer.function, $0) }
        case let layer as SoftmaxLayer:
            return first.map { Self.softmax($0, width: sizes[sizes.count - 1], isLogarithmic: layer.isLogarithmic) }
        case is Dropout: return first
        case let layer as Convolve:
            let spatial = ReferenceWindow(
                sizes: sizes, kernel: layer.kernel, stride: layer.stride, dilation: layer.dilation,
                padding: layer.padding)
            return first.map(keepsLengths: false) {
                spatial.convolve($0, p[0], layer.hasBias ? p[1] : nil, filters: layer.filters, groups: layer.groups)
            }.map { apply(layer.activation, $0) }
        case let layer as Upsample:
            return first.map(keepsLengths: false) { ReferenceWindow.repeated($0, sizes, layer.factor) }
        case let layer as Pool:
            return first.map(keepsLengths: false) { pool($0, layer, sizes) }
        case let layer as BatchNorm:
            return ReferenceNormalization.batch(first, p, layer.epsilon, channels: sizes[0])
                .map { layer.appliesReLU ? apply(.relu, $0) : $0 }
        case let layer as LayerNorm:
            return first.map { ReferenceNormalization.layer($0, p, layer.epsilon) }
        case let layer as GroupNorm:
            return first.map(keepsLengths: false) {
                ReferenceNormalization.group($0, p, layer.epsilon, groups: layer.groups)
            }
        case let layer as Embedding:
            return first.map { tokens in
                tokens.flatMap { token in
                    (0..<layer.width).map {
                        Int(token) == layer.padding ? 0 : p[0][Int(token) * layer.width + $0]
                    }
                }
            }
        case is LearnedPositions: return first.map { zip($0, p[0]).map { $0 + $1 } }
        case is any RecurrentLayer: return recurrent(layer, first, sizes, p)
        case is LastStep, is MeanOverTime, is MaxOverTime: return overTime(layer, first, sizes)
        case is Reshape: return first.map(keepsLengths: false) { $0 }
        case let layer as Add:
            return Self.combine(x) { values in values.dropFirst().reduce(values[0]) { zip($0, $1).map { $0 + $1 } } }
                .map { layer.appliesReLU ? apply(.relu, $0) : $0 }
        case is Multiply: return Self.combine(x) { zip($0[0], $0[1]).map { $0 * $1 } }
        case is Subtract: return Self.combine(x) { zip($0[0], $0[1]).map { $0 - $1 } }
        case let layer as Slice:
            let width = first.rows[0].count / sizes[0]
            var part = first.map { Array($0[layer.start * width..<(layer.start + layer.count) * width]) }
            part.lengths = first.lengths?.map { min(max($0 - layer.start, 0), layer.count) }
            return part
        case is ChannelsLast:
            return first.map(keepsLengths: false) { values in
                let positions = values.count / sizes[0]
                return (0..<positions).flatMap { p in (0..<sizes[0]).map { values[$0 * positions + p] } }
            }
        case is SinusoidalPositions:
            let positions = ReferenceAttention.positions(steps: sizes[0], width: sizes[1])
            return first.map { zip($0, positions).map { $0 + $1 } }
        case let layer as MultiHeadAttention:
            let memory = x[x.count - 1]
            let p = ReferenceAdapter.attention(layer, p, width: sizes[1])
            return ReferenceBatch(
                rows: first.rows.indices.map {
                    ReferenceAttention.attend(
                        layer, first.rows[$0], memory.rows[$0],
                        keys: memory.length($0, of: shapes[shapes.count - 1].sizes[0]), width: sizes[1], p)
                }, lengths: first.lengths)
        case is Concatenate:
            return Self.combine(x) { Array($0.joined()) }.map(keepsLengths: false) { $0 }
        default: fatalError("no reference for \(layer)")
        }
    }

    private static func combine(_ x: [ReferenceBatch], _ body: ([[Double]]) -> [Double]) -> ReferenceBatch {
        ReferenceBatch(
            rows: x[0].rows.indices.map { example in body(x.map { $0.rows[example] }) }, lengths: x[0].lengths)
    }

    /// y[r,u] = Σᵢ x[r,i]·w[u,i] + bias[u].
    private static func dense(_ x: [Double], _ w: [Double], _ bias: [Double]?, units: Int) -> [Double] {
        let width = w.count / units
        var y: [Double] = []
        for row in 0..<x.count / width {
            for unit in 0..<units {
                var sum = bias?[unit] ?? 0
                for i in 0..<width { sum += x[row * width + i] * w[unit * width + i] }
                y.append(sum)
            }
        }
        return y
    }

    private static func softmax(_ x: [Double], width: Int, isLogarithmic: Bool) -> [Double] {
        stride(from: 0, to: x.count, by: width).flatMap { start -> [Double] in
            let row = x[start..<start + width]
            let total = row.reduce(0) { $0 + exp($1) }
            return row.map { isLogarithmic ? $0 - log(total) : exp($0) / total }
        }
    }

    /// Notes how far values lie from a kink at zero; a value that is exactly zero is constant there.
    mutating func noteKink(_ values: [Double]) {
        for value in values where value != 0 { margin = min(margin, abs(value)) }
    }

    /// f(x), value by value.
    mutating func apply(_ function: ActivationFunction, _ x: [Double]) -> [Double] {
        switch function {
        case .linear: return x
        case .relu:
            noteKink(x)
            return x.map { max($0, 0) }
        case .leakyReLU(let slope):
            noteKink(x)
            return x.map { $0 > 0 ? $0 : Double(slope) * $0 }
        case .elu(let alpha):
            if alpha != 1 { noteKink(x) }
            return x.map { $0 > 0 ? $0 : Double(alpha) * (exp($0) - 1) }
        case .gelu: return x.map { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 }
        case .geluTanh:
            return x.map { $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) / 2 }
        case .silu: return x.map { $0 / (1 + exp(-$0)) }
        case .tanh: return x.map { tanh($0) }
        case .sigmoid: return x.map { 1 / (1 + exp(-$0)) }
        }
    }

    private mutating func pool(_ x: [Double], _ layer: Pool, _ sizes: [Int]) -> [Double] {
        let isGlobal = layer.kernel.isEmpty
        let window = ReferenceWindow(
            sizes: sizes, kernel: isGlobal ? Array(sizes.dropFirst()) : layer.kernel,
            stride: isGlobal ? Array(sizes.dropFirst()) : layer.stride, dilation: sizes.dropFirst().map { _ in 1 },
            padding: layer.padding)
        let places = window.kernel.reduce(1, *)
        return window.windows(x).map { values in
            switch layer.poolingKind {
            case .maximum: largest(values)
            case .average(let countsPadding): values.reduce(0, +) / Double(countsPadding ? places : values.count)
            }
        }
    }

    /// The largest value; notes how far the next is away, unless both are the zeros of ReLU.
    private mutating func largest(_ values: [Double]) -> Double {
        let sorted = values.sorted(by: >)
        if sorted.count > 1, sorted[0] != 0 || sorted[1] != 0 { margin = min(margin, sorted[0] - sorted[1]) }
        return sorted[0]
    }

    private mutating func overTime(_ layer: any Layer, _ x: ReferenceBatch, _ sizes: [Int]) -> ReferenceBatch {
        let (steps, width) = (sizes[0], sizes[1])
        var rows: [[Double]] = []
        for (example, values) in x.rows.enumerated() {
            let length = x.length(example, of: steps)
            rows.append(
                (0..<width).map { feature -> Double in
                    let own = (0..<length).map { values[$0 * width + feature] }
                    guard let last = own.last else { return 0 }
                    if layer is LastStep { return last }
                    return layer is MeanOverTime ? own.reduce(0, +) / Double(length) : largest(own)
                })
        }
        return ReferenceBatch(rows: rows)
    }
}
