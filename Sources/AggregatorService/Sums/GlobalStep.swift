// SPDX-License-Identifier: Apache-2.0
// From the sum of a training round to the next model: dequantise, server optimiser, new files, block by block.

import Federation
import ModelFiles
import NeuralNetworks
import RingArithmetic
import Store
import Tensors

/// The server's half of one training round, once the sum is known.
///
/// The model passes through in blocks, so that memory does not grow with it: old block from the file, averaged update
/// from the sum, new block to the new file.
struct GlobalStep {
    /// 4 MiB of each array: few enough blocks that handing one to two processors costs nothing beside the work.
    static let blockFloats = 1 << 20

    let description: StudyModel
    let optimizer: ServerOptimizer
    let summary: UpdateSum.Summary
    let vector: RingVector
    let survivors: Int
    /// Sites that accepted the study: SCAFFOLD's N.
    let members: Int

    /// The new model is not finite.
    struct NonFiniteModel: Error {}

    /// Writes the model of round `description.round`, and what the strategy carries along.
    ///
    /// - Throws: ``NonFiniteModel``, ``StoreError``, ``ModelFileError`` for an old file that is not what it was.
    func write(
        old: StoredFile, oldControls: StoredFile?, oldMoments: StoredFile?, to vault: FileVault
    ) throws -> (model: StoredFile, controls: StoredFile?, moments: StoredFile?) {
        let count = description.network.parameterCount
        let oldReader = try old.reader()
        let dataStart = old.byteCount - 4 * count
        let momentsReader = try oldMoments.map { try $0.reader() }
        let model = try vault.newFile(in: .models)
        try description.headerBytes.withUnsafeBytes { try model.append($0) }
        // Moments are stored one after the other, each as long as the parameters.
        let momentFiles = try (0..<optimizer.momentCount).map { _ in try vault.newFile(in: .models) }
        var update = [Float](repeating: 0, count: min(Self.blockFloats, count))
        for start in stride(from: 0, to: count, by: Self.blockFloats) {
            let range = start..<min(start + Self.blockFloats, count)
            if range.count != update.count { update = [Float](repeating: 0, count: range.count) }
            update.withUnsafeMutableBufferPointer {
                vector.dequantize(section: 0, range: range, factor: summary.updateFactor, into: $0)
            }
            var parameters = try oldReader.floats(at: dataStart + 4 * start, count: range.count)
            var moments = try (0..<optimizer.momentCount).map { index in
                try momentsReader?.floats(at: 4 * (index * count + start), count: range.count)
                    ?? [Float](repeating: 0, count: range.count)
            }
            optimizer.step(round: description.round, parameters: &parameters, update: update, moments: &moments)
            guard allFinite(parameters) else {
                model.discard()
                for file in momentFiles { file.discard() }
                throw NonFiniteModel()
            }
            try model.append(floats: parameters)
            for (file, moment) in zip(momentFiles, moments) { try file.append(floats: moment) }
        }
        return (
            try model.finish(), try controls(old: oldControls, count: count, vault: vault),
            try joined(momentFiles, vault: vault)
        )
    }

    /// c ← c + |S| ÷ N · mean(Δcᵢ).
    /// Source: Karimireddy et al. 2020, Algorithm 1, line 17 (arXiv:1910.06378).
    private func controls(old: StoredFile?, count: Int, vault: FileVault) throws -> StoredFile? {
        guard let section = vector.layout.index(named: "controls") else { return nil }
        let reader = try old.map { try $0.reader() }
        let file = try vault.newFile(in: .models)
        let share = Float(survivors) / Float(members)
        for start in stride(from: 0, to: count, by: Self.blockFloats) {
            let range = start..<min(start + Self.blockFloats, count)
            var change = [Float](repeating: 0, count: range.count)
            change.withUnsafeMutableBufferPointer {
                vector.dequantize(section: section, range: range, factor: summary.controlFactor, into: $0)
            }
            var controls =
                try reader?.floats(at: 4 * start, count: range.count) ?? [Float](repeating: 0, count: range.count)
            for index in controls.indices { controls[index] += share * change[index] }
            try file.append(floats: controls)
        }
        return try file.finish()
    }

    private func joined(_ files: [PartialFile], vault: FileVault) throws -> StoredFile? {
        guard let first = files.first else { return nil }
        for file in files.dropFirst() {
            let stored = try file.finish()
            try stored.reader().forEachPiece { try first.append($0) }
            try vault.remove(stored)
        }
        return try first.finish()
    }
}
