// SPDX-License-Identifier: Apache-2.0
// One oneDNN primitive, destroyed with its owner.

import COneDNN

/// A primitive of oneDNN, made for fixed shapes and one thread.
@safe final class Primitive {
    private let primitive: OpaquePointer
    private let scratch: Scratch

    /// nil where the library has no such primitive, or is not compiled in.
    init?(_ primitive: OpaquePointer?, scratch: Scratch) {
        guard let primitive = unsafe primitive else { return nil }
        unsafe self.primitive = primitive
        self.scratch = scratch
        unsafe scratch.reserve(bytes: consilium_dnn_scratch_bytes(primitive))
    }

    deinit { unsafe consilium_dnn_destroy(primitive) }

    /// The library's name of the implementation it chose.
    var implementation: String { unsafe String(cString: consilium_dnn_implementation(primitive)) }
    /// Whether the library has nothing better than its reference code for this, which is a thousand times slower.
    var isReference: Bool { implementation.hasPrefix("ref") }
    var packedByteCount: Int { unsafe consilium_dnn_packed_bytes(primitive) }
    var workspaceByteCount: Int { unsafe consilium_dnn_workspace_bytes(primitive) }

    /// Runs on up to four buffers, in the order the shim names.
    func run(
        _ first: UnsafeMutableRawPointer, _ second: UnsafeMutableRawPointer?, _ third: UnsafeMutableRawPointer?,
        _ fourth: UnsafeMutableRawPointer? = nil
    ) {
        var buffers:
            (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) =
                unsafe (first, second, third, fourth)
        unsafe withUnsafePointer(to: &buffers) { tuple in
            let list = unsafe UnsafeRawPointer(tuple).assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
            unsafe consilium_dnn_execute(primitive, list, scratch.start)
        }
    }

    func pack(_ plain: Floats, into packed: UnsafeMutableRawPointer) {
        unsafe consilium_dnn_pack(primitive, plain.start, packed)
    }

    func unpack(_ packed: UnsafeMutableRawPointer, into plain: Floats) {
        unsafe consilium_dnn_unpack(primitive, packed, plain.start)
    }
}

/// What is known about the library before any primitive is made.
package enum DeepNeuralNetworkLibrary {
    /// Whether oneDNN is compiled in (package trait `OneDNN`).
    package static var isBuilt: Bool { consilium_dnn_is_built() }
    /// major·10000 + minor·100 + patch, 0 without the library.
    package static var version: Int { Int(consilium_dnn_version()) }
    /// Whether the processor multiplies bfloat16 in hardware.
    package static var hasBfloat16: Bool { consilium_dnn_has_bfloat16() }
}
