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
        /// Made by the first addition: clearing a vector as long as a model is work for a worker thread.
        var accumulator: RingAccumulator?
        /// An addition failed halfway, or the round is over.
        var isSpent = false
        var contributors: Set<SiteID> = []
        /// Kept so that work that failed for want of disk space can be done again.
        var total: RingVector?
    }

    let layout: RingLayout
    private let memory: SumMemory
    private let state: Mutex<State>

    init(layout: RingLayout, memory: SumMemory) {
        self.layout = layout
        self.memory = memory
        state = Mutex(State())
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
            guard !state.isSpent else { throw RingError.spoiled }
            var accumulator = state.accumulator.take() ?? memory.accumulator(for: layout)
            // A failure below spoils the accumulator, and then there is no sum: it is not put back.
            state.isSpent = true
            var contribution = try accumulator.begin(byteCount: file.byteCount)
            try reader.forEachPiece { piece in try accumulator.add(packed: piece, to: &contribution) }
            try accumulator.finish(contribution)
            state.accumulator = consume accumulator
            state.isSpent = false
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
            guard !state.isSpent else { throw RingError.spoiled }
            let accumulator = state.accumulator.take() ?? RingAccumulator(layout: layout)
            state.isSpent = true
            let total = try accumulator.total()
            state.total = total
            return total
        }
    }

    /// SHA-256 of the packed sum over `survivors`.
    ///
    /// - Precondition: exactly the survivors have been added.
    func digest(of survivors: [SiteID]) throws -> Digest {
        let total = try total(of: survivors)
        var hasher = BlobHasher()
        total.write { hasher.update($0) }
        return hasher.finish()
    }

    /// Gives the memory back once the round's result is durable; whoever still holds the round holds no vector.
    func release() {
        state.withLock { state in
            if let total = state.total { memory.giveBack(total) }
            state.accumulator = nil
            state.isSpent = true
            state.total = nil
        }
    }
}

/// The vector of the round before, for the next one.
///
/// Why: a vector as long as a model is a fresh mapping, and clearing its pages costs several times what adding an upload
/// does.
final class SumMemory: Sendable {
    private let spare = Mutex<RingVector?>(nil)

    /// An empty sum, in the spare vector when it has the layout.
    func accumulator(for layout: RingLayout) -> RingAccumulator {
        let vector = spare.withLock { spare in spare?.layout == layout ? spare.take() : nil }
        return if let vector { RingAccumulator(reusing: vector) } else { RingAccumulator(layout: layout) }
    }

    /// Keeps the vector, unless a larger one is kept already: a small round between large ones costs nothing.
    func giveBack(_ vector: RingVector) {
        spare.withLock { spare in
            if let spare, spare.layout.packedByteCount > vector.layout.packedByteCount { return }
            spare = vector
        }
    }

    /// Nothing is to be summed for a while.
    func release() { spare.withLock { $0 = nil } }
}
