// SPDX-License-Identifier: Apache-2.0
// The element type in which large products and convolutions read their operands.

import COneDNN

/// The type in which large products and convolutions read their operands.
///
/// Everything else is float32 with either: parameters, activations between layers, sums, gradients. What the project's own
/// loops compute, small products and everything of ``KernelSet/portable``, stays float32 too.
package enum Precision: Hashable, Sendable {
    case float32
    /// Eight bits of significand instead of 24, the exponents of float32: relative error 2⁻⁹ for each operand.
    case bfloat16

    /// Whether this build and this processor compute so.
    ///
    /// - Parameter allowsEmulation: Whether a processor without bfloat16 will do: oneDNN then emulates it where it can,
    ///   slower than float32, and the rest is float32.
    /// - Throws: ``PrecisionError`` when not.
    package func check(kernels: KernelSet, allowsEmulation: Bool) throws(PrecisionError) {
        guard self == .bfloat16 else { return }
        guard kernels == .fastest, DeepNeuralNetworkLibrary.isBuilt else { throw .needsLibrary }
        guard allowsEmulation || DeepNeuralNetworkLibrary.hasBfloat16 else { throw .needsProcessor }
    }

    /// The shim's number of the type.
    var code: Int32 {
        self == .float32 ? Int32(CONSILIUM_DNN_FLOAT32.rawValue) : Int32(CONSILIUM_DNN_BFLOAT16.rawValue)
    }
}

/// Why a precision cannot be had.
package enum PrecisionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// bfloat16 is oneDNN's: it was not compiled in, or portable kernels were asked for.
    case needsLibrary
    /// The processor has no AVX512_BF16.
    case needsProcessor

    /// One sentence: what is wrong and what would fit.
    package var description: String {
        switch self {
        case .needsLibrary: "bfloat16 needs oneDNN (package trait OneDNN) and the fastest kernels: train in float32"
        case .needsProcessor: "this processor does not multiply bfloat16 (AVX512_BF16): train in float32"
        }
    }
}
