// SPDX-License-Identifier: Apache-2.0
// The loops of layers that are not products, with their shapes checked.

import Kernels

/// The functions that may follow a layer, by the number the kernels know them by.
package enum ActivationFunction: Hashable, Sendable {
    case linear
    case relu
    /// x below zero becomes slope·x.
    case leakyReLU(slope: Float)
    /// x below zero becomes alpha·(eˣ − 1).
    case elu(alpha: Float)
    /// x·Φ(x).
    case gelu
    /// x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    case geluTanh
    /// x·σ(x).
    case silu
    case tanh
    case sigmoid

    private var code: (kind: Int32, parameter: Float) {
        switch self {
        case .linear: (Int32(CONSILIUM_LINEAR.rawValue), 0)
        case .relu: (Int32(CONSILIUM_RELU.rawValue), 0)
        case .leakyReLU(let slope): (Int32(CONSILIUM_LEAKY_RELU.rawValue), slope)
        case .elu(let alpha): (Int32(CONSILIUM_ELU.rawValue), alpha)
        case .gelu: (Int32(CONSILIUM_GELU.rawValue), 0)
        case .geluTanh: (Int32(CONSILIUM_GELU_TANH.rawValue), 0)
        case .silu: (Int32(CONSILIUM_SILU.rawValue), 0)
        case .tanh: (Int32(CONSILIUM_TANH.rawValue), 0)
        case .sigmoid: (Int32(CONSILIUM_SIGMOID.rawValue), 0)
        }
    }

    /// Whether ``backward(_:gradient:into:)`` reads the function's input; else it reads its output.
    package var backwardReadsInput: Bool {
        switch self {
        case .gelu, .geluTanh, .silu: true
        default: false
        }
    }

    /// y = f(x); y may be x.
    package func forward(_ x: Floats, into y: Floats) {
        precondition(x.count == y.count, "activation: \(x.count) values into \(y.count)")
        let (kind, parameter) = code
        unsafe consilium_activate(kind, parameter, x.count, x.start, y.start)
    }

    /// dx = dy·f′, where `v` is the input or the output (``backwardReadsInput``); dx may be dy.
    package func backward(_ v: Floats, gradient dy: Floats, into dx: Floats) {
        precondition(v.count == dy.count && dy.count == dx.count, "activation: lengths disagree")
        let (kind, parameter) = code
        unsafe consilium_activate_backward(kind, parameter, v.count, v.start, dy.start, dx.start)
    }
}

/// Softmax over rows, forward and backward.
package enum Softmax {
    /// y = softmax x, row by row.
    package static func forward(_ x: Floats, columns: Int, into y: Floats) {
        precondition(x.count == y.count && x.count % columns == 0, "softmax: shapes disagree")
        unsafe consilium_softmax(x.count / columns, columns, x.start, y.start)
    }

    /// dx[j] = y[j]·(dy[j] − Σᵢ dy[i]·y[i]), row by row.
    package static func backward(_ y: Floats, gradient dy: Floats, columns: Int, into dx: Floats) {
        precondition(y.count == dy.count && y.count == dx.count && y.count % columns == 0, "softmax: shapes disagree")
        unsafe consilium_softmax_backward(y.count / columns, columns, y.start, dy.start, dx.start)
    }

    /// y = x − log Σ eˣ, row by row.
    package static func logForward(_ x: Floats, columns: Int, into y: Floats) {
        precondition(x.count == y.count && x.count % columns == 0, "log softmax: shapes disagree")
        unsafe consilium_log_softmax(x.count / columns, columns, x.start, y.start)
    }

    /// dx[j] = dy[j] − e^y[j]·Σᵢ dy[i], row by row.
    package static func logBackward(_ y: Floats, gradient dy: Floats, columns: Int, into dx: Floats) {
        precondition(
            y.count == dy.count && y.count == dx.count && y.count % columns == 0, "log softmax: shapes disagree")
        unsafe consilium_log_softmax_backward(y.count / columns, columns, y.start, dy.start, dx.start)
    }
}

/// The softmax of attention scores.
package enum AttentionSoftmax {
    /// p = softmax of scale·s over the keys that a query may see, in place of s `[queries, keys]`; 0 elsewhere.
    ///
    /// - Parameter length: Keys that exist; a row that may see none becomes all 0.
    package static func forward(_ s: Floats, queries: Int, keys: Int, length: Int, isCausal: Bool, scale: Float) {
        precondition(s.count == queries * keys && length >= 0 && length <= keys, "attention: shapes disagree")
        unsafe consilium_attention_softmax(queries, keys, length, isCausal, scale, s.start)
    }

    /// ds = scale·p·(dp − Σ dp·p), in place of dp.
    package static func backward(_ p: Floats, gradient dp: Floats, queries: Int, keys: Int, scale: Float) {
        precondition(p.count == queries * keys && dp.count == p.count, "attention: shapes disagree")
        unsafe consilium_attention_softmax_backward(queries, keys, scale, p.start, dp.start)
    }
}

/// y[i,j] += bias[j] for rows of the bias's length.
package func addRows(_ bias: Floats, to y: Floats) {
    precondition(bias.count > 0 && y.count % bias.count == 0, "a bias of \(bias.count) for \(y.count) values")
    unsafe consilium_add_rows(y.count / bias.count, bias.count, bias.start, y.start)
}

/// sums[j] += Σᵢ x[i,j] for rows of the sums' length.
package func addColumnSums(of x: Floats, to sums: Floats) {
    precondition(sums.count > 0 && x.count % sums.count == 0, "\(sums.count) sums of \(x.count) values")
    unsafe consilium_add_column_sums(x.count / sums.count, sums.count, x.start, sums.start)
}

/// y += x.
package func add(_ x: Floats, to y: Floats) {
    precondition(x.count == y.count, "a sum of \(x.count) and \(y.count) values")
    unsafe consilium_add_to(x.count, x.start, y.start)
}

/// y = a + b.
package func add(_ a: Floats, _ b: Floats, into y: Floats) {
    precondition(a.count == b.count && a.count == y.count, "a sum of \(a.count) and \(b.count) values")
    unsafe consilium_add(a.count, a.start, b.start, y.start)
}

/// y = a·b, element by element.
package func multiply(elements a: Floats, by b: Floats, into y: Floats) {
    precondition(a.count == b.count && a.count == y.count, "a product of \(a.count) and \(b.count) values")
    unsafe consilium_product(a.count, a.start, b.start, y.start)
}

/// y += a·b, element by element.
package func add(productOf a: Floats, and b: Floats, to y: Floats) {
    precondition(a.count == b.count && a.count == y.count, "a product of \(a.count) and \(b.count) values")
    unsafe consilium_add_product(a.count, a.start, b.start, y.start)
}

/// y += factor·x.
package func add(_ factor: Float, times x: Floats, to y: Floats) {
    precondition(x.count == y.count, "a sum of \(x.count) and \(y.count) values")
    unsafe consilium_axpy(x.count, factor, x.start, y.start)
}

/// y += factor·(x − z), the pull of a proximal term.
package func add(_ factor: Float, timesDifferenceOf x: Floats, and z: Floats, to y: Floats) {
    precondition(x.count == y.count && z.count == y.count, "a sum of \(x.count) and \(y.count) values")
    unsafe consilium_axpy_difference(y.count, factor, x.start, z.start, y.start)
}

/// y[j,i] = x[i,j].
package func transpose(_ x: Floats, rows: Int, columns: Int, into y: Floats) {
    precondition(x.count == rows * columns && y.count == x.count, "transpose: shapes disagree")
    unsafe consilium_transpose(rows, columns, x.start, y.start)
}

/// Whether every x is neither infinite nor NaN.
package func allFinite(_ x: Floats) -> Bool {
    unsafe consilium_all_finite(x.count, x.start)
}

/// Whether every x is neither infinite nor NaN.
package func allFinite(_ x: [Float]) -> Bool {
    unsafe x.withUnsafeBufferPointer { x in
        guard let start = x.baseAddress else { return true }
        return unsafe consilium_all_finite(x.count, start)
    }
}

/// Σ x², in double and in a fixed order.
package func sumOfSquares(_ x: Floats) -> Double {
    unsafe consilium_sum_of_squares(x.count, x.start)
}

/// Σ x·y, in double and in a fixed order.
package func dot(_ x: Floats, _ y: Floats) -> Double {
    precondition(x.count == y.count, "a dot product of \(x.count) and \(y.count) values")
    return unsafe consilium_dot(x.count, x.start, y.start)
}

/// Σ x, in double and in a fixed order.
package func sum(_ x: Floats) -> Double {
    unsafe consilium_sum(x.count, x.start)
}

/// Normalisation, forward and backward.
package enum Normalization {
    /// y = (x − mean)/√(variance + ε)·weight + bias for each row of the weight's length.
    ///
    /// Shapes: `statistics` `[rows, 2]`.
    package static func layerForward(
        _ x: Floats, weight: Floats, bias: Floats, epsilon: Float, into y: Floats, statistics: Floats
    ) {
        let width = weight.count
        precondition(
            x.count == y.count && x.count % width == 0 && bias.count == width
                && statistics.count == x.count / width * 2, "layer norm: shapes disagree")
        unsafe consilium_layer_norm(
            x.count / width, width, epsilon, x.start, weight.start, bias.start, y.start, statistics.start)
    }

    /// dx overwritten; dweight += Σ dy·x̂ and dbias += Σ dy over the rows.
    package static func layerBackward(
        _ x: Floats, weight: Floats, statistics: Floats, gradient dy: Floats, into dx: Floats, weightGradient: Floats?,
        biasGradient: Floats?
    ) {
        let width = weight.count
        precondition(
            x.count == dy.count && x.count == dx.count && x.count % width == 0
                && statistics.count == x.count / width * 2 && weightGradient.map { $0.count == width } ?? true
                && biasGradient.map { $0.count == width } ?? true, "layer norm: shapes disagree")
        unsafe consilium_layer_norm_backward(
            x.count / width, width, x.start, weight.start, statistics.start, dy.start, dx.start,
            weightGradient?.start, biasGradient?.start)
    }

    /// Group normalisation of one example. Shapes: x `[channels, positions]`, `statistics` `[groups, 2]`.
    package static func groupForward(
        _ x: Floats, groups: Int, layout: Layout, weight: Floats, bias: Floats, epsilon: Float, into y: Floats,
        statistics: Floats
    ) {
        let channels = weight.count
        precondition(
            x.count == y.count && x.count % channels == 0 && channels % groups == 0
                && channels % layout.block == 0 && bias.count == channels && statistics.count == groups * 2,
            "group norm: shapes disagree")
        unsafe consilium_group_norm(
            channels, x.count / channels, groups, layout.block, epsilon, x.start, weight.start, bias.start, y.start,
            statistics.start)
    }

    /// dx overwritten; dweight += Σ dy·x̂ and dbias += Σ dy over the positions of one example.
    package static func groupBackward(
        _ x: Floats, groups: Int, layout: Layout, weight: Floats, statistics: Floats, gradient dy: Floats,
        into dx: Floats, weightGradient: Floats?, biasGradient: Floats?
    ) {
        let channels = weight.count
        precondition(
            x.count == dy.count && x.count == dx.count && x.count % channels == 0 && channels % groups == 0
                && channels % layout.block == 0 && statistics.count == groups * 2
                && weightGradient.map { $0.count == channels } ?? true
                && biasGradient.map { $0.count == channels } ?? true, "group norm: shapes disagree")
        unsafe consilium_group_norm_backward(
            channels, x.count / channels, groups, layout.block, x.start, weight.start, statistics.start, dy.start,
            dx.start, weightGradient?.start, biasGradient?.start)
    }
}

/// Dropout whose mask is a hash of a key and the element's number, so that backward makes it again.
package struct DropoutMask: Sendable {
    private let key: UInt64
    private let threshold: UInt32
    private let scale: Float

    /// - Precondition: `rate` in `0 ..< 1`.
    package init(rate: Double, key: UInt64) {
        precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate)")
        self.key = key
        threshold = UInt32(min(rate * 4_294_967_296, 4_294_967_295))
        scale = Float(1 / (1 - rate))
    }

    /// y = mask·x for elements numbered from `first`; forward on x, backward on dy. y may be x.
    package func apply(_ x: Floats, firstElement first: Int, into y: Floats) {
        precondition(x.count == y.count, "dropout: \(x.count) values into \(y.count)")
        unsafe consilium_dropout(x.count, key, UInt64(first), threshold, scale, x.start, y.start)
    }

    /// The same with one decision for each row of `width`, rows numbered from `first`.
    package func apply(_ x: Floats, rowWidth width: Int, firstRow first: Int, into y: Floats) {
        precondition(x.count == y.count && x.count % width == 0, "dropout: shapes disagree")
        unsafe consilium_dropout_rows(x.count / width, width, key, UInt64(first), threshold, scale, x.start, y.start)
    }
}

/// Rows of a table chosen by tokens.
package enum TokenTable {
    /// y[i] = table[tokens[i]], zero for the padding token (−1: none).
    package static func gather(_ tokens: Integers, padding: Int, table: Floats, width: Int, into y: Floats) {
        precondition(
            y.count == tokens.count * width && tokens.allLie(below: table.count / width), "embedding: shapes disagree")
        unsafe consilium_embedding(tokens.count, width, tokens.start, Int32(padding), table.start, y.start)
    }

    /// dtable[tokens[i]] += factor·dy[i], except padding.
    package static func scatter(
        _ tokens: Integers, padding: Int, factor: Float, gradient dy: Floats, width: Int, into dtable: Floats
    ) {
        precondition(
            dy.count == tokens.count * width && tokens.allLie(below: dtable.count / width), "embedding: shapes disagree"
        )
        unsafe consilium_embedding_backward(
            tokens.count, width, tokens.start, Int32(padding), factor, dy.start, dtable.start)
    }
}
