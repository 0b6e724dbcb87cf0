// SPDX-License-Identifier: Apache-2.0
// The file in which a site keeps the local training of a round in progress, so that a crash does not begin it again.

import Federation
package import NeuralNetworks
import Store
import Synchronization

/// The checkpoint of one task. Durable before the training goes on; named by the task and bound to it, because another
/// task has another model, other controls or another study.
///
/// Layout: the domain, the task's hash, then little-endian steps (u64), Σ loss (f64), the counts of parameters and of
/// optimiser state (2 × u64), and both as 32-bit floats. The vault's own digest is not kept anywhere, so a SHA-256 of all
/// that stands at the end.
package struct CheckpointFile: Sendable {
    private static let domain = Array("consilium/checkpoint/v2\n".utf8)
    /// Pauses grow with the time it takes to write, so that this part of the time at most is spent on it; up to twenty
    /// times the pause that was asked for.
    private static let largestShare = 0.05
    private static let largestGrowth = 20

    private let vault: FileVault
    private let task: Digest
    private let clock: Schedule

    /// - Parameter pause: between two checkpoints at least, unless writing one takes so long that more is sensible.
    init(vault: FileVault, task: Digest, pause: Duration) {
        self.vault = vault
        self.task = task
        clock = Schedule(pause: pause)
    }

    // MARK: Writing

    /// What the trainer is told.
    package var saving: CheckpointSaving {
        CheckpointSaving(isDue: { clock.isDue(endsEpoch: $0) }, save: { save($0) })
    }

    /// Where there is no room for a checkpoint the training goes on without: it costs work after a crash, nothing else.
    private func save(_ checkpoint: TrainingCheckpoint) {
        let began = ContinuousClock.now
        if let file = try? vault.newUpload(named: Self.name(task)) {
            do { try write(checkpoint, to: file) } catch { file.discard() }
        }
        clock.saved(in: ContinuousClock.now - began)
    }

    private func write(_ checkpoint: TrainingCheckpoint, to file: PartialFile) throws {
        var hasher = BlobHasher()
        let header = Self.header(of: checkpoint, task: task)
        try header.withUnsafeBytes {
            hasher.update($0)
            try file.append($0)
        }
        for floats in [checkpoint.parameters, checkpoint.optimizerState] {
            floats.withUnsafeBytes { hasher.update($0) }
            try file.append(floats: floats)
        }
        try hasher.finish().bytes.withUnsafeBytes { try file.append($0) }
        _ = try file.finish()
    }

    private static func header(of checkpoint: TrainingCheckpoint, task: Digest) -> [UInt8] {
        var words = [UInt64(checkpoint.steps), checkpoint.lossSum.bitPattern]
        words += [UInt64(checkpoint.parameters.count), UInt64(checkpoint.optimizerState.count)]
        return domain + task.bytes
            + words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }

    // MARK: Reading

    /// The state to go on from; nil when there is none, or the file is not whole and ours.
    package func load() -> TrainingCheckpoint? {
        guard let bytes = try? vault.bytesOfUpload(named: Self.name(task)) else { return nil }
        return Self.checkpoint(in: bytes, task: task)
    }

    private static func checkpoint(in bytes: [UInt8], task: Digest) -> TrainingCheckpoint? {
        let prefix = domain + task.bytes
        let headerBytes = prefix.count + 4 * 8
        guard bytes.count >= headerBytes + 32, bytes.starts(with: prefix) else { return nil }
        var hasher = BlobHasher()
        bytes.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0.dropLast(32))) }
        guard Array(bytes.suffix(32)) == hasher.finish().bytes else { return nil }
        let words: [UInt64] = bytes.withUnsafeBytes { raw in
            (0..<4).map {
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: prefix.count + 8 * $0, as: UInt64.self))
            }
        }
        let room = (bytes.count - headerBytes - 32) / 4
        guard words[2] <= room, words[3] == UInt64(room) - words[2], let steps = Int(exactly: words[0]) else {
            return nil
        }
        func floats(_ count: Int, at offset: Int) -> [Float] {
            bytes.withUnsafeBytes { raw in
                [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
                    UnsafeMutableRawBufferPointer(buffer).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: raw[offset..<offset + 4 * count]))
                    initialized = count
                }
            }
        }
        let count = Int(words[2])
        return TrainingCheckpoint(
            steps: steps, lossSum: Double(bitPattern: words[1]),
            parameters: floats(count, at: headerBytes),
            optimizerState: floats(Int(words[3]), at: headerBytes + 4 * count))
    }

    /// Removes the file; the round has its vector, or is over.
    func remove() throws { try Self.remove(task: task, from: vault) }

    static func remove(task: Digest, from vault: FileVault) throws { try vault.removeUpload(named: name(task)) }

    private static func name(_ task: Digest) -> String { SiteStore.checkpointName(task) }

    /// When the next checkpoint is due; used by the training thread only, locked because it is shared by copies.
    private final class Schedule: Sendable {
        private struct State { var last = ContinuousClock.now, pause: Duration }
        private let state: Mutex<State>
        private let least: Duration

        init(pause: Duration) {
            least = pause
            state = Mutex(State(pause: pause))
        }

        /// At the end of an epoch after one pause, else after three.
        func isDue(endsEpoch: Bool) -> Bool {
            state.withLock { ContinuousClock.now - $0.last >= $0.pause * (endsEpoch ? 1 : 3) }
        }

        func saved(in time: Duration) {
            state.withLock {
                $0 = State(
                    pause: min(max(least, time / CheckpointFile.largestShare), least * CheckpointFile.largestGrowth))
            }
        }
    }
}
