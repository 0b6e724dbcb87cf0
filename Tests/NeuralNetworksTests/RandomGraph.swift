// SPDX-License-Identifier: Apache-2.0
// Random graphs of small layers: branches, several inputs and outputs, channel counts that fill blocks and that do not.

import NeuralNetworks
import Randomness
import Tensors

/// Makes a graph of what chance gives for a seed.
struct RandomGraph {
    private var random: SeededGenerator
    private var builder = GraphBuilder()
    private var edges: [Int] = []
    /// How many layers read an edge.
    private var consumers: [Int: Int] = [:]
    /// Whether layers may mix examples.
    private let mixes: Bool
    /// The rate of all dropout.
    private let dropout: Double
    /// Chooses adapters; nil: the graph has none. A stream of its own leaves the graph as it is without them.
    private var adapterRandom: SeededGenerator?

    /// Tokens lie below this.
    static let vocabulary = 7
    private static let largestEdge = 1500
    private static let largestWork = 100_000
    /// So large that narrow rows and small groups do not magnify rounding.
    private static let epsilon = 0.05

    private init(seed: UInt64, mixes: Bool, dropout: Double) {
        random = SeededGenerator(seed: seed, stream: "graph")
        self.mixes = mixes
        self.dropout = dropout
        if seed % 3 == 2 { adapterRandom = SeededGenerator(seed: seed, stream: "adapters") }
    }

    static func graph(seed: UInt64, mixes: Bool, dropout: Double) throws -> Graph {
        var maker = RandomGraph(seed: seed, mixes: mixes, dropout: dropout)
        return try maker.graph()
    }

    private mutating func graph() throws -> Graph {
        for _ in 0..<pick([1, 1, 1, 2, 3]) { edges.append(builder.input(inputShape())) }
        for input in edges where builder.shape(of: input).holdsTokens { try extend(from: input) }
        for _ in 0..<number(2...9) {
            // Mostly the last edge: depth; at times any: several consumers.
            let edge = chance(0.6) ? edges[edges.count - 1] : pick(edges)
            if chance(0.3) { try join(edge) } else { try extend(from: edge) }
        }
        if try builder.graph(outputs: [0]).parameterCount == 0 {
            let floats = edges.filter { !builder.shape(of: $0).holdsTokens }
            _ = try add(Dense(3, activation: .tanh), [pick(floats)])
        }
        let values = edges.filter { !builder.shape(of: $0).holdsTokens }
        var outputs = values.filter { consumers[$0] == nil }
        // Now and then an edge that others read too.
        let inner = pick(values.suffix(3))
        if chance(0.3), !outputs.contains(inner) { outputs.append(inner) }
        return try builder.graph(outputs: outputs)
    }

    private mutating func chance(_ odds: Double) -> Bool { random.uniformDouble() < odds }
    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + random.index(below: range.count)
    }
    private mutating func pick<T>(_ values: some Collection<T>) -> T {
        values[values.index(values.startIndex, offsetBy: random.index(below: values.count))]
    }

    private mutating func inputShape() -> Shape {
        switch random.index(below: 10) {
        case 0...4: Shape([pick([1, 2, 3, 4, 16]), number(4...9), number(4...9)])
        case 5: Shape([pick([1, 2, 16]), number(3...4), number(3...4), number(3...5)])
        case 6: Shape([number(1...24)])
        case 7, 8: Shape([number(2...6), number(1...10)])
        default: .tokens(number(2...6))
        }
    }

    /// Adds a layer that fits, or nothing when chance finds none.
    private mutating func add(_ layer: any Layer, _ inputs: [Int]) throws -> Int? {
        let shapes = inputs.map { builder.shape(of: $0) }
        guard let shape = try? layer.outputShape(shapes), shape.count <= Self.largestEdge,
            layer.operations(shapes) <= Self.largestWork
        else { return nil }
        let edge = try builder.add("\(edges.count)", adapted(layer, shapes, shape), inputs: inputs)
        for input in inputs { consumers[input, default: 0] += 1 }
        edges.append(edge)
        return edge
    }

    /// The layer, now and then with an adapter of a small rank.
    private mutating func adapted(_ layer: any Layer, _ inputs: [Shape], _ output: Shape) -> any Layer {
        switch layer {
        case var layer as Dense:
            let widths = (inputs + [output]).map { $0.sizes[$0.sizes.count - 1] }
            layer.adapter = adapter(largestRank: widths.min() ?? 1)
            return layer
        case var layer as MultiHeadAttention:
            layer.adapter = attentionAdapter(width: output.sizes[1])
            return layer
        default: return layer
        }
    }

    private mutating func adapter(largestRank: Int) -> Adapter? {
        guard var random = adapterRandom else { return nil }
        defer { adapterRandom = random }
        guard random.uniformDouble() < 0.7 else { return nil }
        return Adapter(rank: 1 + random.index(below: min(largestRank, 3)), alpha: 0.5 + 2 * random.uniformDouble())
    }

    private mutating func attentionAdapter(width: Int) -> AttentionAdapter? {
        guard let adapter = adapter(largestRank: width), var random = adapterRandom else { return nil }
        let all = AttentionProjection.allCases
        let first = random.index(below: all.count)
        let projections = Set(all.filter { $0 == all[first] || random.index(below: 2) == 0 })
        adapterRandom = random
        return AttentionAdapter(rank: adapter.rank, alpha: adapter.alpha, projections: projections)
    }

    /// Adds a block of layers where it fits.
    private mutating func add(_ block: some Block, _ inputs: [Int]) throws {
        var extended = builder
        guard let edge = try? block.build(&extended, name: "\(edges.count)", inputs: inputs) else { return }
        builder = extended
        for input in inputs { consumers[input, default: 0] += 1 }
        edges.append(edge)
    }

    private mutating func extend(from edge: Int) throws {
        let shape = builder.shape(of: edge)
        // On small maps the block's normalisations magnify rounding.
        if mixes, shape.sizes.count == 3, shape.sizes[0] <= 16, shape.sizes[1] >= 6, chance(0.15) {
            return try add(ResidualBlock(pick([shape.sizes[0], 8, 16]), stride: number(1...2)), [edge])
        }
        if shape.sizes.count == 2, !shape.holdsTokens, shape.sizes[1] <= 16, chance(0.15) {
            return try attend(edge, shape)
        }
        for _ in 0..<4 {
            if try add(layer(for: shape), [edge]) != nil { return }
        }
    }

    /// A Transformer layer, with a memory where there is one.
    private mutating func attend(_ edge: Int, _ shape: Shape) throws {
        let width = shape.sizes[1]
        let heads = pick([1, 2, 3].filter { width % $0 == 0 })
        let (isRotary, isFirst, isCausal) = (width / heads % 2 == 0 && chance(0.5), chance(0.5), chance(0.5))
        let memories = edges.filter {
            let other = builder.shape(of: $0)
            return other.sizes.count == 2 && other.sizes[1] == width
        }
        if chance(0.3) {
            var decoder = TransformerDecoderLayer(heads: heads, feedForward: 5, activation: .gelu)
            (decoder.isRotary, decoder.normalizesFirst, decoder.epsilon) = (isRotary, isFirst, Self.epsilon)
            (decoder.dropout, decoder.adapter) = (dropout, attentionAdapter(width: width))
            return try add(decoder, [edge, pick(memories)])
        }
        var encoder = TransformerEncoderLayer(heads: heads, feedForward: 5, activation: activation())
        (encoder.isRotary, encoder.normalizesFirst, encoder.epsilon) = (isRotary, isFirst, Self.epsilon)
        (encoder.isCausal, encoder.dropout) = (isCausal, dropout)
        encoder.adapter = attentionAdapter(width: width)
        try add(encoder, [edge])
    }

    /// Joins an edge with another of a fitting shape, or with a function of itself.
    private mutating func join(_ edge: Int) throws {
        let shape = builder.shape(of: edge)
        guard !shape.holdsTokens else { return }
        if chance(0.4) {
            let fitting = edges.filter {
                let other = builder.shape(of: $0)
                return !other.holdsTokens && other.sizes.dropFirst() == shape.sizes.dropFirst()
            }
            _ = try add(Concatenate(), [edge, pick(fitting)] + (chance(0.2) ? [edge] : []))
            return
        }
        var same = edges.filter { builder.shape(of: $0) == shape }
        if same.count == 1 || chance(0.3) {
            let sibling: any Layer = chance(0.5) ? ActivationLayer(activation()) : Self.norm(shape)
            if let branch = try add(sibling, [edge]) { same.append(branch) }
        }
        if chance(0.1), shape.sizes.count == 1 { return try add(GatedFusion(), [edge, pick(same)]) }
        if chance(0.3) {
            _ = try add(chance(0.7) ? Multiply() : Subtract(), [edge, same[same.count - 1]])
        } else {
            let others = (0..<number(1...2)).map { _ in pick(same) }
            _ = try add(Add(relu: chance(0.3)), [edge] + others)
        }
    }

    private static func norm(_ shape: Shape) -> any Layer {
        shape.sizes.count > 1 ? GroupNorm(1, epsilon: epsilon) : ActivationLayer(.tanh)
    }

    private mutating func activation() -> ActivationFunction {
        pick([.tanh, .sigmoid, .gelu, .geluTanh, .silu, .elu(alpha: 1), .relu, .leakyReLU(slope: 0.1), .linear])
    }

    private mutating func layer(for shape: Shape) -> any Layer {
        if shape.holdsTokens {
            return Embedding(
                Self.vocabulary, width: pick([3, 8, 16]), padding: chance(0.3) ? number(0...6) : nil)
        }
        if mixes, chance(0.15) { return BatchNorm(epsilon: Self.epsilon, relu: chance(0.5)) }
        switch (random.index(below: 12), shape.sizes.count) {
        case (0, _): return ActivationLayer(activation())
        case (1, _):
            let size = number(1...shape.sizes[0])
            return chance(0.5)
                ? Dropout(dropout, spatial: chance(0.3))
                : Slice(shape.sizes[0] - size..<shape.sizes[0] - random.index(below: size))
        case (2, _): return chance(0.5) ? Reshape.flatten : Dense(number(1...9), activation: activation())
        case (3, _):
            return shape.sizes[shape.sizes.count - 1] >= 3
                ? LayerNorm(epsilon: Self.epsilon) : SoftmaxLayer(logarithmic: chance(0.5))
        case (4, 1): return reshape(shape)
        case (_, 1): return Dense(pick([1, 4, 16, 20]), activation: activation(), bias: chance(0.8))
        case (4...9, 2): return sequenceLayer()
        case (_, 2) where chance(0.5): return sequenceLayer()
        case (4, _): return GroupNorm(pick([1, 1, 2, 4]), epsilon: Self.epsilon)
        case (5, _): return pool(rank: shape.sizes.count - 1)
        case (6, _) where chance(0.6): return chance(0.5) ? ChannelsLast() : Upsample(number(1...2))
        default: return convolution(channels: shape.sizes[0], rank: shape.sizes.count - 1)
        }
    }

    private mutating func reshape(_ shape: Shape) -> Reshape {
        for divisor in [16, 4, 3, 2] where shape.count % divisor == 0 && shape.count > divisor {
            let rest = shape.count / divisor
            return Reshape(chance(0.5) && rest % 2 == 0 ? [divisor, 2, rest / 2] : [divisor, rest])
        }
        return .flatten
    }

    private mutating func sequenceLayer() -> any Layer {
        let (hidden, isBidirectional) = (number(1...5), chance(0.4))
        switch random.index(below: 10) {
        case 0:
            let layers = number(1...2)
            return LSTM(
                hidden, layers: layers, bidirectional: isBidirectional, dropout: layers > 1 ? dropout : 0)
        case 1:
            let layers = number(1...2)
            return GRU(
                hidden, layers: layers, bidirectional: isBidirectional, dropout: layers > 1 ? dropout : 0)
        case 2:
            let layers = number(1...2)
            return RNN(
                hidden, layers: layers, bidirectional: isBidirectional, dropout: layers > 1 ? dropout : 0,
                activation: pick([.tanh, .relu]))
        case 3: return LearnedPositions()
        case 4: return LastStep()
        case 5: return MeanOverTime()
        case 6: return MaxOverTime()
        case 7: return SinusoidalPositions()
        case 8: return MultiHeadAttention(number(1...2), causal: chance(0.5), rotary: chance(0.3))
        default: return Dense(number(1...9), activation: activation(), bias: chance(0.8))
        }
    }

    private mutating func pool(rank: Int) -> Pool {
        let kind: PoolingKind = pick([.maximum, .average(countsPadding: true), .average(countsPadding: false)])
        if chance(0.2) { return Pool(.average(countsPadding: true), kernel: []) }
        let kernel = (0..<rank).map { _ in number(1...3) }
        return Pool(
            kind, kernel: kernel, stride: (0..<rank).map { _ in number(1...2) },
            padding: pick([.valid, .same, .explicit(kernel.map { $0 / 2 })]))
    }

    private mutating func convolution(channels: Int, rank: Int) -> Convolve {
        var groups = 1
        if chance(0.3) { groups = pick([2, 3, channels].filter { channels % $0 == 0 } + [1]) }
        let filters = pick([1, 2, 3, 5, 16, 16, 32, 20].filter { $0 % groups == 0 } + [groups])
        let dilation = (0..<rank).map { _ in chance(0.8) ? 1 : 2 }
        return Convolve(
            filters, kernel: (0..<rank).map { _ in number(1...3) }, stride: (0..<rank).map { _ in number(1...2) },
            padding: pick([.valid, .same, .same, .explicit((0..<rank).map { _ in number(0...1) })]),
            dilation: dilation, groups: groups, activation: activation(), bias: chance(0.7))
    }
}
