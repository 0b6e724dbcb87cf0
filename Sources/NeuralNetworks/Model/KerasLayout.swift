// SPDX-License-Identifier: Apache-2.0
// Weights as Keras stores them, in the order of this project's tensors, which is PyTorch's.

/// Changes of order between Keras and PyTorch; float bits are moved, never changed.
///
/// Keras keeps channels last: images `[height, width, channels]`, convolution kernels `[kernel…, in, out]`, dense kernels
/// `[in, out]`. Here channels come first: `[channels, height, width]`, `[out, in, kernel…]`, `[out, in]`.
package enum KerasLayout {
    /// A convolution's kernel `[kernel…, in, out]` as a weight `[out, in, kernel…]`.
    package static func convolution(_ kernel: [Float], shape: [Int]) -> [Float] {
        let rank = shape.count - 2
        let (inputs, outputs) = (shape[rank], shape[rank + 1])
        let places = shape[..<rank].reduce(1, *)
        precondition(kernel.count == places * inputs * outputs, "a kernel of another shape")
        var weight = [Float](repeating: 0, count: kernel.count)
        for place in 0..<places {
            for input in 0..<inputs {
                for output in 0..<outputs {
                    weight[(output * inputs + input) * places + place] =
                        kernel[(place * inputs + input) * outputs + output]
                }
            }
        }
        return weight
    }

    /// A dense kernel `[in, out]` as a weight `[out, in]`.
    package static func dense(_ kernel: [Float], inputs: Int, outputs: Int) -> [Float] {
        precondition(kernel.count == inputs * outputs, "a kernel of another shape")
        return (0..<kernel.count).map { kernel[$0 % inputs * outputs + $0 / inputs] }
    }

    /// A dense kernel behind a flattened image: its inputs are in the order height, width, channels there, and channels,
    /// height, width here.
    package static func dense(
        _ kernel: [Float], flattened image: (channels: Int, height: Int, width: Int), outputs: Int
    )
        -> [Float]
    {
        let positions = image.height * image.width
        let inputs = positions * image.channels
        precondition(kernel.count == inputs * outputs, "a kernel of another shape")
        var weight = [Float](repeating: 0, count: kernel.count)
        for output in 0..<outputs {
            for channel in 0..<image.channels {
                for position in 0..<positions {
                    weight[output * inputs + channel * positions + position] =
                        kernel[(position * image.channels + channel) * outputs + output]
                }
            }
        }
        return weight
    }

    /// Images `[count, positions, channels]` as `[count, channels, positions]`.
    package static func images(_ values: [Float], count: Int, channels: Int) -> [Float] {
        let positions = values.count / (count * channels)
        var result = [Float](repeating: 0, count: values.count)
        for image in 0..<count {
            let base = image * channels * positions
            for position in 0..<positions {
                for channel in 0..<channels {
                    result[base + channel * positions + position] = values[base + position * channels + channel]
                }
            }
        }
        return result
    }
}
