// SPDX-License-Identifier: Apache-2.0
// How activations lie in memory, and which kernels work on them.

/// How the activations of one example with the shape `[channels, spatial…]` lie in memory.
package enum Layout: Hashable, Sendable {
    /// Row-major.
    case plain
    /// Channels in blocks of sixteen, `[channels/16, spatial…, 16]`: one block is one 512-bit register. Only for
    /// multiples of sixteen channels.
    case blocked

    /// The channels of a block.
    package var block: Int { self == .plain ? 1 : 16 }
}

/// Which kernels a plan uses.
package enum KernelSet: Hashable, Sendable {
    /// oneDNN for large products, convolutions and pooling where it is compiled in, else ``portable``.
    case fastest
    /// The loops of this project only: the same bits on every machine.
    case portable
}
