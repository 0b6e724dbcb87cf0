// SPDX-License-Identifier: Apache-2.0
// Sums over the examples of a batch, channel by channel, and the affine maps made from them.

import Kernels

/// Owned doubles, zero at first.
@safe package final class DoubleBuffer {
    private let memory: UnsafeMutableBufferPointer<Double>

    package init(count: Int) {
        unsafe memory = .allocate(capacity: count)
        unsafe memory.initialize(repeating: 0)
    }

    deinit { unsafe memory.deallocate() }

    package var count: Int { unsafe memory.count }

    package subscript(index: Int) -> Double {
        get {
            precondition(index >= 0 && index < count, "double \(index) of \(count)")
            return unsafe memory[index]
        }
        set {
            precondition(index >= 0 && index < count, "double \(index) of \(count)")
            unsafe memory[index] = newValue
        }
    }

    package func clear() { unsafe memory.update(repeating: 0) }

    fileprivate func run(_ place: Int, _ length: Int) -> UnsafeMutablePointer<Double>? {
        precondition(place >= 0 && place + length <= count, "\(length) doubles at \(place) of \(count)")
        return unsafe memory.baseAddress.map { unsafe $0 + place }
    }
}

/// The loops of batch normalisation over one example `[channels, positions]`.
package struct ChannelKernels: Sendable {
    package let channels: Int
    package let positions: Int
    package let layout: Layout

    /// - Precondition: A blocked layout has a multiple of sixteen channels.
    package init(channels: Int, positions: Int, layout: Layout) {
        precondition(channels % layout.block == 0, "\(channels) channels in blocks of \(layout.block)")
        self.channels = channels
        self.positions = positions
        self.layout = layout
    }

    /// sums[c] += Σ (x − shift[c]), sums[channels + c] += Σ (x − shift[c])².
    package func addMoments(_ x: Floats, shift: Floats, to sums: DoubleBuffer) {
        precondition(x.count == channels * positions && shift.count == channels, "channel sums: shapes disagree")
        unsafe consilium_channel_moments(
            channels, positions, layout.block, x.start, shift.start, sums.run(0, channels),
            sums.run(channels, channels))
    }

    /// y = x·scale[c] + offset[c]; with `relu`, max(0, ·).
    package func affine(_ x: Floats, scale: Floats, offset: Floats, relu: Bool, into y: Floats) {
        precondition(
            x.count == channels * positions && y.count == x.count && scale.count == channels
                && offset.count == channels, "channel map: shapes disagree")
        unsafe consilium_channel_affine(
            channels, positions, layout.block, x.start, scale.start, offset.start, relu, y.start)
    }

    /// Masks dy, in place, to where y is positive (nil: not at all); then sums[first + c] += Σ dy and
    /// sums[first + channels + c] += Σ dy·x.
    package func addGradientSums(
        _ x: Floats, maskedBy y: Floats?, gradient dy: Floats, to sums: DoubleBuffer, at first: Int
    ) {
        precondition(
            x.count == channels * positions && dy.count == x.count && y.map { $0.count == x.count } ?? true,
            "channel sums: shapes disagree")
        unsafe consilium_channel_gradient_sums(
            channels, positions, layout.block, x.start, y?.start, dy.start, sums.run(first, channels),
            sums.run(first + channels, channels))
    }

    /// dx = a[c]·dy + b[c]·x + d[c].
    package func combine(_ dy: Floats, _ x: Floats, a: Floats, b: Floats, d: Floats, into dx: Floats) {
        precondition(
            x.count == channels * positions && dy.count == x.count && dx.count == x.count && a.count == channels
                && b.count == channels && d.count == channels, "channel map: shapes disagree")
        unsafe consilium_channel_combine(
            channels, positions, layout.block, dy.start, x.start, a.start, b.start, d.start, dx.start)
    }
}
