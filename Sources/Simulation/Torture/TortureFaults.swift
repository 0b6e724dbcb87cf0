// SPDX-License-Identifier: Apache-2.0
// What goes wrong in a torture run: how often each kind of fault happens, and when it stops, drawn from the seed.

import PeerTransport
import Randomness

/// The mix of faults of one seed. Each kind is absent in some seeds, so that none hides another's effects.
struct TortureFaults: Sendable {
    /// No fault begins after this virtual time.
    var end: Duration
    /// The mean time between two faults of the table below.
    var interval: Duration
    /// What may happen, each as often as it stands here.
    var kinds: [Kind]
    var network: FaultPlan
    /// How long a worker or a commit may take.
    var slowness: Duration
    /// Whether sites differ by a factor of ten in speed.
    var hasSlowSites: Bool

    enum Kind: String, CaseIterable, Sendable {
        case siteCrash
        case aggregatorCrash
        /// One site cannot reach the aggregator for a while.
        case partition
        /// A party cannot write for a while.
        case diskFull
        /// A party's wall clock jumps, by up to ten minutes either way.
        case clockJump
    }

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed, stream: "simulation/faults")
        func chance(_ probability: Double) -> Bool { generator.uniformDouble() < probability }
        func milliseconds(_ range: ClosedRange<Int>) -> Duration {
            .milliseconds(range.lowerBound + generator.index(below: range.count))
        }
        end = milliseconds(4_000...12_000)
        interval = milliseconds(60...900)
        kinds = Kind.allCases.filter { _ in chance(0.7) }
        if kinds.contains(.siteCrash) { kinds.append(.siteCrash) }
        var network = FaultPlan(seed: generator.next())
        if chance(0.6) { network.cutProbability = 0.03 * generator.uniformDouble() }
        if chance(0.6) { network.outage = milliseconds(1...800) }
        if chance(0.5) { network.duplicationProbability = 0.1 * generator.uniformDouble() }
        if chance(0.5) { network.reorderProbability = 0.1 * generator.uniformDouble() }
        network.reorderPatience = milliseconds(1...40)
        if chance(0.9) { network.delay = .zero...milliseconds(1...60) }
        self.network = network
        slowness = milliseconds(1...150)
        hasSlowSites = chance(0.4)
    }
}
