// SPDX-License-Identifier: Apache-2.0
// The memory of a forward and backward pass, laid out once for the largest batch.

import Tensors

/// Every buffer that one pass over a batch of up to `capacity` rows needs, in one allocation.
///
/// Invariant: slots do not overlap; each begins on a 64-byte boundary and holds `capacity` rows.
@safe struct Workspace: ~Copyable {
    /// Where the buffers of one layer begin, in floats.
    private struct Slots {
        let width: Int
        /// The layer's output `[rows, width]`.
        let output: Int
        /// ∂loss/∂output `[rows, width]`. A dropout layer edits the gradient of the layer before it in place, so the
        /// two share a slot; nil where no dense layer comes before and nobody wants the gradient.
        let gradient: Int?
        /// The dropout mask `[rows, width]`; nil for dense layers.
        let mask: Int?
    }

    let capacity: Int
    private let inputs: Int
    private let targetsOffset: Int
    private let layers: [Slots]
    private let memory: FloatBuffer
    private let sums: UnsafeMutableBufferPointer<Double>

    /// - Precondition: `capacity >= 1`.
    init(for network: Network, capacity: Int) {
        precondition(capacity >= 1, "a workspace for \(capacity) rows")
        var end = 0
        func reserve(_ width: Int) -> Int {
            defer { end += (capacity * width + 15) & ~15 }
            return end
        }
        self.capacity = capacity
        inputs = network.inputs
        _ = reserve(network.inputs)
        targetsOffset = reserve(1)
        var slots: [Slots] = []
        for layer in network.layers {
            let width = layer.width
            switch layer {
            case .dense:
                slots.append(Slots(width: width, output: reserve(width), gradient: reserve(width), mask: nil))
            case .dropout:
                let shared = slots.last?.gradient
                slots.append(Slots(width: width, output: reserve(width), gradient: shared, mask: reserve(width)))
            }
        }
        layers = slots
        memory = FloatBuffer(count: end)
        unsafe sums = .allocate(capacity: capacity)
        unsafe sums.initialize(repeating: 0)
    }

    deinit { unsafe sums.deallocate() }

    /// The gathered features of a batch `[rows, inputs]`.
    func features(rows: Int) -> UnsafeMutableMatrix { unsafe matrix(at: 0, rows, inputs) }

    /// The gathered targets of a batch `[rows]`.
    func targets(rows: Int) -> UnsafeMutableBufferPointer<Float> { unsafe matrix(at: targetsOffset, rows, 1).elements }

    func output(of layer: Int, rows: Int) -> UnsafeMutableMatrix {
        unsafe matrix(at: layers[layer].output, rows, layers[layer].width)
    }

    func gradient(of layer: Int, rows: Int) -> UnsafeMutableMatrix? {
        guard let offset = layers[layer].gradient else { return nil }
        return unsafe matrix(at: offset, rows, layers[layer].width)
    }

    func mask(of layer: Int, rows: Int) -> UnsafeMutableMatrix? {
        guard let offset = layers[layer].mask else { return nil }
        return unsafe matrix(at: offset, rows, layers[layer].width)
    }

    /// Scratch for the head, one number per row.
    func logSums(rows: Int) -> UnsafeMutableBufferPointer<Double> {
        precondition(rows <= capacity, "\(rows) rows in a workspace for \(capacity)")
        return unsafe UnsafeMutableBufferPointer(rebasing: sums[..<rows])
    }

    private func matrix(at offset: Int, _ rows: Int, _ columns: Int) -> UnsafeMutableMatrix {
        precondition(rows <= capacity, "\(rows) rows in a workspace for \(capacity)")
        let end = offset + rows * columns
        return unsafe UnsafeMutableMatrix(
            UnsafeMutableBufferPointer(rebasing: memory.elements[offset..<end]), rows: rows, columns: columns)
    }
}
