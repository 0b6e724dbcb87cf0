// SPDX-License-Identifier: Apache-2.0
// Convolutions, windows of poolings and normalisations in plain loops and double precision.

import NeuralNetworks

/// The windows of a map `[channels, size…]`, with up to three dimensions; missing ones have the size 1.
struct ReferenceWindow {
    let channels: Int
    let input: [Int]
    let kernel: [Int]
    let stride: [Int]
    let dilation: [Int]
    let before: [Int]
    let output: [Int]

    init(sizes: [Int], kernel: [Int], stride: [Int], dilation: [Int], padding: Padding) {
        func three(_ values: some Sequence<Int>) -> [Int] {
            let values = Array(values)
            return .init(repeating: 1, count: 3 - values.count) + values
        }
        channels = sizes[0]
        let (n, k, s, d) = (three(sizes.dropFirst()), three(kernel), three(stride), three(dilation))
        var (before, output) = ([0, 0, 0], [0, 0, 0])
        for i in 0..<3 {
            let covered = (k[i] - 1) * d[i] + 1
            switch padding {
            case .valid: output[i] = (n[i] - covered) / s[i] + 1
            case .explicit(let amounts):
                // Dimensions that do not exist are not padded.
                before[i] = i < 3 - amounts.count ? 0 : amounts[i - (3 - amounts.count)]
                output[i] = (n[i] + 2 * before[i] - covered) / s[i] + 1
            case .same:
                // ⌈n/s⌉ positions; the odd zero comes last.
                output[i] = (n[i] + s[i] - 1) / s[i]
                before[i] = max((output[i] - 1) * s[i] + covered - n[i], 0) / 2
            }
        }
        (input, self.kernel, self.stride, self.dilation) = (n, k, s, d)
        (self.before, self.output) = (before, output)
    }

    /// Calls `body` with the number of each output position, of each place of its window, and of the input position
    /// there, where that is not padding.
    private func forEach(_ body: (_ position: Int, _ place: Int, _ source: Int) -> Void) {
        func indices(_ sizes: [Int]) -> [[Int]] {
            (0..<sizes[0]).flatMap { a in
                (0..<sizes[1]).flatMap { b in (0..<sizes[2]).map { [a, b, $0] } }
            }
        }
        let places = indices(kernel)
        for (position, p) in indices(output).enumerated() {
            for (place, i) in places.enumerated() {
                var source = 0
                var isInside = true
                for axis in 0..<3 {
                    let q = p[axis] * stride[axis] - before[axis] + i[axis] * dilation[axis]
                    isInside = isInside && q >= 0 && q < input[axis]
                    source = source * input[axis] + q
                }
                if isInside { body(position, place, source) }
            }
        }
    }

    /// y[o, p] = bias[o] + Σ w[o, c, i]·x[c, p·stride − before + i·dilation], c over the channels of o's group.
    func convolve(_ x: [Double], _ w: [Double], _ bias: [Double]?, filters: Int, groups: Int) -> [Double] {
        let (inputs, outputs, places) = (input.reduce(1, *), output.reduce(1, *), kernel.reduce(1, *))
        let (perGroup, filtersPerGroup) = (channels / groups, filters / groups)
        var y = [Double](repeating: 0, count: filters * outputs)
        for place in y.indices { y[place] = bias?[place / outputs] ?? 0 }
        forEach { position, place, source in
            for o in 0..<filters {
                var sum = 0.0
                for c in 0..<perGroup {
                    let channel = o / filtersPerGroup * perGroup + c
                    sum += w[(o * perGroup + c) * places + place] * x[channel * inputs + source]
                }
                y[o * outputs + position] += sum
            }
        }
        return y
    }

    /// Every value of `[channels, size…]` so many times along each dimension but the first.
    static func repeated(_ x: [Double], _ sizes: [Int], _ factor: Int) -> [Double] {
        guard sizes.count > 1 else { return x }
        let width = x.count / sizes[0]
        return (0..<sizes[0]).flatMap { c -> [Double] in
            let plane = Array(x[c * width..<(c + 1) * width])
            guard sizes.count > 2 else { return plane.flatMap { [Double](repeating: $0, count: factor) } }
            // The rows of the plane, each repeated, so many times.
            let rows = sizes[1]
            return (0..<rows).flatMap { row -> [Double] in
                let one = Array(plane[row * width / rows..<(row + 1) * width / rows])
                let long = repeated(one, [1] + sizes.dropFirst(2), factor)
                return Array([[Double]](repeating: long, count: factor).joined())
            }
        }
    }

    /// The values in the window of each output position of each channel, padding left out.
    func windows(_ x: [Double]) -> [[Double]] {
        let (inputs, outputs) = (input.reduce(1, *), output.reduce(1, *))
        var windows = [[Double]](repeating: [], count: channels * outputs)
        forEach { position, _, source in
            for c in 0..<channels { windows[c * outputs + position].append(x[c * inputs + source]) }
        }
        return windows
    }
}

/// (x − mean)/√(variance + ε)·weight + bias, with the variance divided by the number of values.
enum ReferenceNormalization {
    private static func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count)
    }

    /// Over each row of the weight's length.
    static func layer(_ x: [Double], _ p: [[Double]], _ epsilon: Double) -> [Double] {
        let width = p[0].count
        return stride(from: 0, to: x.count, by: width).flatMap { start -> [Double] in
            let row = Array(x[start..<start + width])
            let (mean, variance) = moments(row)
            return row.indices.map { (row[$0] - mean) / (variance + epsilon).squareRoot() * p[0][$0] + p[1][$0] }
        }
    }

    /// Over each group of neighbouring channels and all positions.
    static func group(_ x: [Double], _ p: [[Double]], _ epsilon: Double, groups: Int) -> [Double] {
        let (size, positions) = (x.count / groups, x.count / p[0].count)
        return (0..<groups).flatMap { group -> [Double] in
            let own = Array(x[group * size..<(group + 1) * size])
            let (mean, variance) = moments(own)
            return own.indices.map {
                let channel = (group * size + $0) / positions
                return (own[$0] - mean) / (variance + epsilon).squareRoot() * p[0][channel] + p[1][channel]
            }
        }
    }

    /// Over the batch and all positions of each channel.
    static func batch(
        _ x: ReferenceBatch, _ p: [[Double]], _ epsilon: Double, channels: Int
    ) -> ReferenceBatch {
        let positions = x.rows[0].count / channels
        let statistics = (0..<channels).map { c in
            moments(x.rows.flatMap { $0[c * positions..<(c + 1) * positions] })
        }
        return x.map { row in
            row.indices.map {
                let c = $0 / positions
                let (mean, variance) = statistics[c]
                return (row[$0] - mean) / (variance + epsilon).squareRoot() * p[0][c] + p[1][c]
            }
        }
    }
}
