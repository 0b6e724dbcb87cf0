// SPDX-License-Identifier: Apache-2.0
// The library's primitives of a convolution for one number of examples, with what they keep.

import COneDNN

/// In which types the library computes a convolution.
package struct ConvolutionPrecision: Hashable, Sendable {
    /// Of x, dy and the weights in the forward direction and the input gradient.
    package var values: Precision
    /// Of x and dy in the weight gradient.
    package var weightGradient: Precision

    package init(_ values: Precision, weightGradient: Precision? = nil) {
        self.values = values
        self.weightGradient = weightGradient ?? values
    }
}

/// One direction of a convolution: its primitive, and its packed weights, or the sum of its packed weight gradients.
final class ConvolutionPass {
    let primitive: Primitive
    /// In which type the primitive reads its operands; what it writes is float32.
    let precision: Precision
    let packed: FloatBuffer
    private var version = -1

    private init(_ primitive: Primitive, _ precision: Precision) {
        self.primitive = primitive
        self.precision = precision
        packed = FloatBuffer(count: (primitive.packedByteCount + 3) / 4)
    }

    /// The best primitive there is: Winograd's algorithm exists in float32 only, where bfloat16 is faster without.
    static func make(
        _ maker: (UnsafePointer<consilium_dnn_convolution>?) -> OpaquePointer?, _ shape: ConvolutionShape,
        examples: Int, _ precision: Precision, scratch: Scratch
    ) -> ConvolutionPass? {
        var request = shape.request(examples: examples)
        if precision == .bfloat16 {
            request.type = Precision.bfloat16.code
            if let primitive = unsafe Primitive(maker(&request), scratch: scratch), !primitive.isReference {
                return ConvolutionPass(primitive, .bfloat16)
            }
            request.type = Precision.float32.code
        }
        request.winograd = shape.suitsWinograd
        if let primitive = unsafe Primitive(maker(&request), scratch: scratch) {
            return ConvolutionPass(primitive, .float32)
        }
        request.winograd = false
        return unsafe Primitive(maker(&request), scratch: scratch).map { ConvolutionPass($0, .float32) }
    }

    /// The weights as the primitive reads them, packed when first used after a change.
    func packedWeights(_ weights: Floats, version: Int) -> UnsafeMutableRawPointer {
        let start = unsafe UnsafeMutableRawPointer(packed.floats.start)
        if self.version != version {
            unsafe primitive.pack(weights, into: start)
            self.version = version
        }
        return unsafe start
    }

    /// Values as the primitive reads them; as bfloat16 in `memory`.
    func operand(_ values: Floats, _ memory: Bfloat16Memory) -> UnsafeMutableRawPointer {
        unsafe precision == .float32 ? UnsafeMutableRawPointer(values.start) : memory.convert(values)
    }
}

/// The passes of a convolution for one number of examples.
final class ConvolutionPasses {
    let examples: Int
    let forward: ConvolutionPass?
    let backwardData: ConvolutionPass?
    /// Its packed memory is the sum of the step's weight gradients, when ``hasTotal``.
    let backwardWeights: ConvolutionPass?
    /// A weight gradient on its way into the sum.
    let fresh: FloatBuffer
    var hasTotal = false

    init(
        _ shape: ConvolutionShape, examples: Int, isTraining: Bool, wantsInputGradient: Bool,
        _ precision: ConvolutionPrecision, scratch: Scratch
    ) {
        self.examples = examples
        func make(
            _ maker: (UnsafePointer<consilium_dnn_convolution>?) -> OpaquePointer?, _ precision: Precision
        ) -> ConvolutionPass? {
            unsafe ConvolutionPass.make(maker, shape, examples: examples, precision, scratch: scratch)
        }
        forward = unsafe make(consilium_dnn_make_convolution_forward, precision.values)
        backwardData =
            isTraining && wantsInputGradient
            ? unsafe make(consilium_dnn_make_convolution_backward_data, precision.values) : nil
        backwardWeights =
            isTraining ? unsafe make(consilium_dnn_make_convolution_backward_weights, precision.weightGradient) : nil
        fresh = FloatBuffer(count: backwardWeights?.packed.count ?? 0)
    }

    var implementations: [String] {
        [forward, backwardData, backwardWeights].compactMap { $0?.primitive.implementation }
    }
}
