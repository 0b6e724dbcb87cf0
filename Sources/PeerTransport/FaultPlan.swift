// SPDX-License-Identifier: Apache-2.0
// What goes wrong on the in-memory network, decided by a seed.

/// Faults of an ``InMemoryNetwork``. For tests and simulation.
///
/// The fate of a frame depends only on the seed, the identity of the connecting end, how many connections that identity
/// made before, the direction, and the frame's number in it; not on the timing of tasks. So a failure replays.
///
/// Frames travel over a reliable stream, so a frame is never lost alone: loss means that the connection is cut after
/// it. Duplicated and reordered frames do not occur on such a stream either; they stand in for a peer that repeats or
/// overtakes itself, and concern control frames only.
package struct FaultPlan: Sendable, Hashable {
    /// Where all chance comes from.
    package var seed: UInt64
    /// Probability, per frame, that the connection is cut after it.
    package var cutProbability = 0.0
    /// Cuts every connection after this many frames in one direction.
    package var cutAfterFrames: Int?
    /// How long a peer cannot connect after a cut.
    package var outage = Duration.zero
    /// Probability, per control frame, that it arrives twice.
    package var duplicationProbability = 0.0
    /// Probability, per control frame, that it arrives after the one behind it.
    package var reorderProbability = 0.0
    /// How long a frame that is to be overtaken waits for the one behind it at most.
    package var reorderPatience = Duration.milliseconds(2)
    /// Each frame holds up its sender for a time drawn from here.
    package var delay: ClosedRange<Duration>?

    /// Creates a plan in which nothing goes wrong.
    package init(seed: UInt64 = 0) { self.seed = seed }
}

/// The fates of the frames of one direction of one connection.
struct FaultStream {
    /// What happens to one frame.
    struct Fate: Equatable {
        var isCutAfter = false
        var isDuplicated = false
        var isOvertaken = false
        var delay = Duration.zero
    }

    private let plan: FaultPlan
    private var generator: SplitMix64
    private var frames = 0

    /// - Parameters:
    ///   - stream: What distinguishes this direction of this connection from all others.
    init(plan: FaultPlan, stream: [UInt8]) {
        self.plan = plan
        // FNV-1a with the seed mixed into its offset basis: spreads streams over the generator's states.
        let basis = plan.seed ^ 0xcbf2_9ce4_8422_2325
        generator = SplitMix64(seed: stream.reduce(basis) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
    }

    /// Draws the fate of the next frame. Always four draws, so that a frame's fate does not depend on other settings.
    mutating func next(_ kind: Frame.Kind) -> Fate {
        let draws = (0..<4).map { _ in Double(generator.next() >> 11) * 0x1p-53 }
        frames += 1
        var fate = Fate()
        fate.isCutAfter = draws[0] < plan.cutProbability || frames == plan.cutAfterFrames
        fate.isDuplicated = kind == .control && draws[1] < plan.duplicationProbability
        fate.isOvertaken = kind == .control && draws[2] < plan.reorderProbability
        if let delay = plan.delay { fate.delay = delay.lowerBound + (delay.upperBound - delay.lowerBound) * draws[3] }
        return fate
    }
}

/// A small generator for faults, never for secrets.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 17 (mix64
/// variant 13).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
