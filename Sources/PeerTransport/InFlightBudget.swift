// SPDX-License-Identifier: Apache-2.0
// Bounds the bytes that all connections of a listener hold together, whatever their number.

import Synchronization

/// Shares the bytes in flight of one listener, or of one outward connection, among the connections that are open.
///
/// A few connections get large windows, which is what makes one of them fast; many get small ones, and are fast
/// together. So memory does not grow with the number of sites.
final class InFlightBudget: Sendable {
    private let limits: TransportLimits
    private let connections = Atomic(0)

    init(limits: TransportLimits) { self.limits = limits }

    func join() { connections.add(1, ordering: .relaxed) }
    func leave() { connections.subtract(1, ordering: .relaxed) }

    /// What each connection may hold in each direction now, in bytes.
    var share: Int {
        let equal = limits.sharedInFlightByteCount / max(1, connections.load(ordering: .relaxed))
        return max(min(equal, limits.inFlightByteCount), min(limits.inFlightByteCount, 64 << 10))
    }
}
