// SPDX-License-Identifier: Apache-2.0
// What the workers of one batch share: sums over all their examples.

package import Tensors

/// Sums that every worker adds its part of, for layers that mix examples.
///
/// Plans are compiled one after the other and each asks for the sums it needs; in a step a worker writes its own part,
/// waits for the others, and reads all parts in the order of the workers, so that the result does not depend on timing.
package final class WorkerExchange {
    private let team: WorkerTeam?
    private var sums: [Int: [DoubleBuffer]] = [:]

    /// - Parameter team: nil for one worker.
    package init(team: WorkerTeam?) { self.team = team }

    /// Each worker's sums of a node, made when the first plan asks.
    func sums(node: Int, count: Int) -> [DoubleBuffer] {
        if let known = sums[node] { return known }
        let fresh = (0..<(team?.count ?? 1)).map { _ in DoubleBuffer(count: count) }
        sums[node] = fresh
        return fresh
    }

    /// Waits until all workers have come here.
    func wait() { team?.wait() }
}
