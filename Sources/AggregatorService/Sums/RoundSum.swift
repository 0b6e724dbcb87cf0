// SPDX-License-Identifier: Apache-2.0
// The running sum of one round: spooled uploads are added chunk by chunk as they become complete.

import Federation
import RingArithmetic
import Store
import Synchronization

/// Owns the accumulator of one round attempt.
///
/// Memory: one vector of the layout and a chunk, whatever the number of sites. Adding is exact, so order cannot matter.
/// Used from worker threads; the mutex guards accumulator and contributors, and is held while a file is added because
/// two files cannot be added to one accumulator at once anyway.
final class RoundSum: Sendable {
    private struct State: ~Copyable {
        var accumulator: RingAccumulator?
        var contributors: Set<SiteID> = []
        /// Kept so that work that failed for want of disk space can be done again.
        var total: RingVector?
    }

    let layout: RingLayout
    private let state: Mutex<State>

    init(layout: RingLayout) {
        self.layout = layout
        let accumulator: RingAccumulator? = RingAccumulator(layout: layout)
        state = Mutex(State(accumulator: consume accumulator))
    }

    /// Adds a complete upload.
    ///
    /// The padding is checked first, so that a malformed vector is refused before any of it enters the sum.
    /// - Returns: nil, or why the upload cannot be used.
    /// - Throws: ``StoreError`` when the file cannot be read, ``RingError`` when the sum is spoiled.
    func add(_ site: SiteID, file: StoredFile) throws -> RefusalReason? {
        guard file.byteCount == layout.packedByteCount else { return .wrongLength }
        return try state.withLock { state in
            guard !state.contributors.contains(site) else { return nil }
            let reader = try file.reader()
            for padded in layout.paddedBytes {
                guard try reader.byte(at: padded.byteOffset) & padded.paddingMask == 0 else { return .malformedVector }
            }
            guard var accumulator = state.accumulator.take() else { throw RingError.spoiled }
            // A failure below spoils the accumulator, and then there is no sum: it is not put back.
            var contribution = try accumulator.begin(byteCount: file.byteCount)
            try reader.forEachPiece { piece in try accumulator.add(packed: piece, to: &contribution) }
            try accumulator.finish(contribution)
            state.accumulator = consume accumulator
            state.contributors.insert(site)
            return nil
        }
    }

    /// The sum over `survivors`; nothing can be added afterwards.
    ///
    /// - Precondition: exactly the survivors have been added.
    func total(of survivors: [SiteID]) throws -> RingVector {
        try state.withLock { state in
            precondition(state.contributors == Set(survivors), "the sum covers other sites than the survivors")
            if let total = state.total { return total }
            guard let accumulator = state.accumulator.take() else { throw RingError.spoiled }
            let total = try accumulator.total()
            state.total = total
            return total
        }
    }

    /// Gives the memory back once the round's result is durable; whoever still holds the round holds no vector.
    func release() {
        state.withLock { state in
            state.accumulator = nil
            state.total = nil
        }
    }
}
