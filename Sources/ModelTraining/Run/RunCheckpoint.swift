// SPDX-License-Identifier: Apache-2.0
// A training in the middle, on disk: what it takes to go on as if it had never stopped.

import Federation
import Foundation
import ModelFiles
import NeuralNetworks

/// The state of a training between two steps, with what it belongs to.
///
/// Privacy: holds a model that has seen the training rows. The file is its owner's alone.
struct RunCheckpoint {
    /// What a checkpoint belongs to: nothing else may go on with it.
    struct Identity: Equatable {
        /// The training file.
        let training: Digest
        /// The encoded examples of training and validation.
        let data: Digest
        /// The parameters the training started from.
        let start: Digest
        /// The number of workers decides about the last bits.
        let threads: Int
    }

    let identity: Identity
    let state: TrainingCheckpoint
    let reports: [EpochReport]
    /// Σ of the loss when the last whole epoch ended.
    let lossSumOfEpochs: Double
    /// The best epoch's parameters, where they are kept.
    let best: [Float]?

    private enum Key {
        static let format = "consilium.checkpoint"
        static let formatValue = "2"
        static let training = "consilium.training"
        static let data = "consilium.data"
        static let start = "consilium.start"
        static let threads = "consilium.threads"
        static let steps = "consilium.steps"
        static let lossSum = "consilium.lossSum"
        static let lossSumOfEpochs = "consilium.lossSumOfEpochs"
        static let reports = "consilium.reports"
    }

    /// Writes the file, whole or not at all, readable by its owner only.
    ///
    /// - Throws: ``ModelFileError``.
    func write(to path: String) throws {
        let texts = [
            Key.format: Key.formatValue, Key.training: identity.training.hex, Key.data: identity.data.hex,
            Key.start: identity.start.hex, Key.threads: String(identity.threads), Key.steps: String(state.steps),
            Key.lossSum: String(state.lossSum.bitPattern), Key.lossSumOfEpochs: String(lossSumOfEpochs.bitPattern),
            Key.reports: String(decoding: try JSONEncoder().encode(reports), as: UTF8.self),
        ]
        var tensors = [("parameters", [state.parameters.count]), ("optimizer", [state.optimizerState.count])]
        if let average = state.average { tensors.append(("average", [average.count])) }
        if let best { tensors.append(("best", [best.count])) }
        try ModelFile.write(
            to: path, metadata: texts, tensors: tensors,
            parameters: state.parameters + state.optimizerState + (state.average ?? []) + (best ?? []))
    }

    /// The workers that the checkpoint at `path` was made with; nil for a file that is none.
    static func threads(_ path: String) -> Int? {
        (try? ModelFile.read(path))?.metadata[Key.threads].flatMap(Int.init)
    }

    /// Reads the file and refuses one that belongs to something else.
    ///
    /// - Parameter parameterCount: Of the model to be trained.
    /// - Throws: ``ModelFileError``, ``LocalModelError``.
    static func read(_ path: String, for identity: Identity, parameterCount: Int) throws -> RunCheckpoint {
        let (file, values) = try ModelFile.readWithParameters(path)
        func refuse(_ problem: String, hint: String = "remove the checkpoint, and train from the start")
            -> LocalModelError
        {
            LocalModelError(.foreignCheckpoint, "the checkpoint \(path) \(problem)", hint: hint)
        }
        let texts = file.metadata
        if let format = texts[Key.format], format != Key.formatValue {
            throw refuse("has the format \(format.prefix(8)), this program reads \(Key.formatValue)")
        }
        guard texts[Key.format] != nil, let threads = texts[Key.threads].flatMap(Int.init),
            let steps = texts[Key.steps].flatMap(Int.init), steps >= 0,
            let lossSum = texts[Key.lossSum].flatMap(UInt64.init),
            let lossSumOfEpochs = texts[Key.lossSumOfEpochs].flatMap(UInt64.init),
            let reports = texts[Key.reports].flatMap({
                try? JSONDecoder().decode([EpochReport].self, from: Data($0.utf8))
            })
        else { throw refuse("is none of this program") }
        guard texts[Key.training] == identity.training.hex else {
            throw refuse("is that of another model or training file")
        }
        guard texts[Key.data] == identity.data.hex else { throw refuse("was made with other data") }
        guard texts[Key.start] == identity.start.hex else {
            throw refuse("started from other parameters", hint: "name the same --weights, or remove the checkpoint")
        }
        guard threads == identity.threads else {
            throw refuse(
                "was made with \(threads) threads", hint: "say --threads \(threads), which gives the same bits")
        }
        func tensor(_ name: String) -> [Float]? {
            file.tensors.first { $0.name == name }.map { Array(values[$0.offset..<$0.offset + $0.count]) }
        }
        guard let parameters = tensor("parameters"), parameters.count == parameterCount,
            let optimizer = tensor("optimizer")
        else { throw refuse("lacks its tensors") }
        let (average, best) = (tensor("average"), tensor("best"))
        guard [average, best].allSatisfy({ $0.map { $0.count == parameterCount } ?? true }) else {
            throw refuse("lacks its tensors")
        }
        return RunCheckpoint(
            identity: identity,
            state: TrainingCheckpoint(
                steps: steps, lossSum: Double(bitPattern: lossSum), parameters: parameters, optimizerState: optimizer,
                average: average),
            reports: reports, lossSumOfEpochs: Double(bitPattern: lossSumOfEpochs), best: best)
    }
}

extension Digest {
    /// The SHA-256 of several parts of examples: inputs, lengths and targets, with the length of each.
    static func ofExamples(_ parts: [Examples]) -> Digest {
        var hasher = BlobHasher()
        func add<Value>(_ values: [Value]) {
            withUnsafeBytes(of: UInt64(values.count).littleEndian) { hasher.update($0) }
            values.withUnsafeBytes { hasher.update($0) }
        }
        for examples in parts {
            for input in examples.inputs {
                switch input {
                case .floats(let values): add(values)
                case .tokens(let values): add(values)
                }
            }
            for lengths in examples.lengths { add(lengths ?? []) }
            for targets in examples.targets { add(targets) }
        }
        return hasher.finish()
    }

    static func ofParameters(_ parameters: [Float]) -> Digest {
        var hasher = BlobHasher()
        parameters.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }
}
