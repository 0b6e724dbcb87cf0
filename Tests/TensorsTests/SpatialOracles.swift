// SPDX-License-Identifier: Apache-2.0
// Convolution and pooling by naive loops over plain memory, and the blocked layout written down index by index.

import Tensors
import Testing

/// Kernels and layout of a convolution or a pooling under test.
struct SpatialSetting: CustomTestStringConvertible {
    let kernels: KernelSet
    private let preferred: Layout

    /// Blocked memory only where oneDNN is compiled in.
    static let available =
        kernelSets.map { SpatialSetting(kernels: $0, preferred: .plain) }
        + (DeepNeuralNetworkLibrary.isBuilt ? [SpatialSetting(kernels: .fastest, preferred: .blocked)] : [])

    var testDescription: String { "\(kernels), \(preferred)" }

    /// Only whole blocks of channels are held blocked.
    func layout(channels: Int) -> Layout { channels % Layout.blocked.block == 0 ? preferred : .plain }

    /// Plain examples as this setting holds them.
    func stored(_ plain: [Float], examples: Int, channels: Int) -> [Float] {
        guard layout(channels: channels) == .blocked else { return plain }
        return blocked(plain, examples: examples, channels: channels)
    }

    /// And back.
    func plain(_ stored: [Float], examples: Int, channels: Int) -> [Float] {
        guard layout(channels: channels) == .blocked else { return stored }
        return unblocked(stored, examples: examples, channels: channels)
    }
}

/// `[examples, channels, positions]` as `[examples, channels/16, positions, 16]`.
func blocked(_ plain: [Float], examples: Int, channels: Int) -> [Float] {
    var result = plain
    for (index, place) in blockedPlaces(plain.count, examples, channels).enumerated() { result[place] = plain[index] }
    return result
}

/// `[examples, channels/16, positions, 16]` as `[examples, channels, positions]`.
func unblocked(_ blocked: [Float], examples: Int, channels: Int) -> [Float] {
    blockedPlaces(blocked.count, examples, channels).map { blocked[$0] }
}

/// Where each element of plain memory lies in blocked memory.
private func blockedPlaces(_ count: Int, _ examples: Int, _ channels: Int) -> [Int] {
    let positions = count / examples / channels
    return (0..<count).map { index in
        let (plane, position) = (index / positions, index % positions)
        let (example, channel) = (plane / channels, plane % channels)
        return example * channels * positions + (channel / 16 * positions + position) * 16 + channel % 16
    }
}

/// An input that an output position reads, and at which place of the kernel.
struct Tap {
    let output: Int
    let place: Int
    let input: Int
}

extension SpatialWindow {
    /// All taps that do not lie in the padding, by output and then by place.
    var taps: [Tap] {
        (0..<outputPositions).flatMap { position in
            (0..<kernelPositions).compactMap { place in
                let (o, i) = (Self.coordinates(position, in: output), Self.coordinates(place, in: kernel))
                var index = 0
                for axis in 0..<rank {
                    let at = o[axis] * stride[axis] - padBefore[axis] + i[axis] * dilation[axis]
                    guard at >= 0 && at < input[axis] else { return nil }
                    index = index * input[axis] + at
                }
                return Tap(output: position, place: place, input: index)
            }
        }
    }

    private static func coordinates(_ index: Int, in sizes: [Int]) -> [Int] {
        var (rest, result) = (index, sizes)
        for axis in sizes.indices.reversed() {
            result[axis] = rest % sizes[axis]
            rest /= sizes[axis]
        }
        return result
    }
}

/// A convolution of `examples` plain examples.
struct NaiveConvolution {
    let shape: ConvolutionShape
    let examples: Int
    private let taps: [Tap]

    init(_ shape: ConvolutionShape, examples: Int) {
        self.shape = shape
        self.examples = examples
        taps = shape.window.taps
    }

    func forward(_ x: [Float], weights: [Float], bias: [Float]?) -> [Double] {
        var y = [Double](repeating: 0, count: examples * shape.targetCount)
        forEachPair { source, target, weight in
            for tap in taps {
                y[target + tap.output] += Double(weights[weight + tap.place]) * Double(x[source + tap.input])
            }
        }
        let positions = shape.window.outputPositions
        for index in y.indices {
            if let bias { y[index] += Double(bias[index / positions % shape.outputChannels]) }
            if shape.appliesReLU { y[index] = max(y[index], 0) }
        }
        return y
    }

    /// The gradients for an output gradient that has passed the activation already.
    func gradients(
        _ x: [Float], weights: [Float], gradient dy: [Float]
    ) -> (x: [Double], weights: [Double], bias: [Double]) {
        var dx = [Double](repeating: 0, count: x.count)
        var dw = [Double](repeating: 0, count: weights.count)
        forEachPair { source, target, weight in
            for tap in taps {
                let error = Double(dy[target + tap.output])
                dx[source + tap.input] += error * Double(weights[weight + tap.place])
                dw[weight + tap.place] += error * Double(x[source + tap.input])
            }
        }
        var dbias = [Double](repeating: 0, count: shape.outputChannels)
        for (index, value) in dy.enumerated() {
            dbias[index / shape.window.outputPositions % shape.outputChannels] += Double(value)
        }
        return (dx, dw, dbias)
    }

    /// Every example, output channel and input channel of its group, as offsets into x, y and the weights.
    private func forEachPair(_ body: (_ source: Int, _ target: Int, _ weight: Int) -> Void) {
        let (window, inputs) = (shape.window, shape.inputChannels / shape.groups)
        for example in 0..<examples {
            for o in 0..<shape.outputChannels {
                let group = o / (shape.outputChannels / shape.groups)
                for c in 0..<inputs {
                    body(
                        (example * shape.inputChannels + group * inputs + c) * window.inputPositions,
                        (example * shape.outputChannels + o) * window.outputPositions,
                        (o * inputs + c) * window.kernelPositions)
                }
            }
        }
    }
}

/// A pooling of `planes` plain channels.
struct NaivePooling {
    let kind: PoolingKind
    let window: SpatialWindow
    let planes: Int

    func forward(_ x: [Float]) -> [Double] {
        let inputs = windows
        return (0..<planes).flatMap { plane in
            inputs.map { members in
                let values = members.map { Double(x[plane * window.inputPositions + $0]) }
                return kind == .maximum
                    ? values.max() ?? -.infinity : values.reduce(0, +) / divisor(values.count)
            }
        }
    }

    func backward(_ x: [Float], gradient dy: [Float]) -> [Double] {
        var dx = [Double](repeating: 0, count: x.count)
        let inputs = windows
        for plane in 0..<planes {
            for (position, members) in inputs.enumerated() {
                let error = Double(dy[plane * inputs.count + position])
                let places = members.map { plane * window.inputPositions + $0 }
                guard kind == .maximum else {
                    for place in places { dx[place] += error / divisor(places.count) }
                    continue
                }
                // The first place of the largest value: max(by:) would take the last one.
                if let largest = places.map({ x[$0] }).max(), let first = places.first(where: { x[$0] == largest }) {
                    dx[first] += error
                }
            }
        }
        return dx
    }

    /// The inputs of each output position.
    private var windows: [[Int]] {
        var result = [[Int]](repeating: [], count: window.outputPositions)
        for tap in window.taps { result[tap.output].append(tap.input) }
        return result
    }

    private func divisor(_ inputs: Int) -> Double {
        kind == .average(countsPadding: true) ? Double(window.kernelPositions) : Double(max(inputs, 1))
    }
}
