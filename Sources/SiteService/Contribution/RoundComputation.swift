// SPDX-License-Identifier: Apache-2.0
// Everything one round needs, gathered; computes the vector and stores its packed form. Runs on the training thread.

import Execution
import Federation
import ModelFiles
import RingArithmetic
import Store
import Synchronization
import Tensors

/// The inputs of one round at a site.
struct RoundComputation: Sendable {
    let local: LocalStudy
    let task: RoundTask
    let model: StoredFile?
    let serverControls: StoredFile?
    let ownControls: StoredFile?
    let roundingKey: [UInt8]
    let updates: any UpdateMaking
    let vault: FileVault
    let memory: ParameterMemory
    let checkpoints: CheckpointFile
    let clock: ServiceClock

    /// Computes the vector and writes it to the vault.
    ///
    /// - Throws: ``WithheldError`` when this site must not or cannot contribute, or what `onProgress` throws.
    func run(onProgress: (Int) throws -> Void) throws -> ComputedRound {
        let began = clock.now
        let file = try vault.newUpload(named: task.hash.hex)
        let contribution: Contribution
        do {
            contribution = try write(onProgress: onProgress) { try file.append($0) }
        } catch {
            file.discard()
            throw error
        }
        let stored = try file.finish()
        let controls = try contribution.controls.map { controls in
            let file = try vault.newFile(in: .models)
            try file.append(floats: controls)
            return try file.finish().reference("controls")
        }
        return ComputedRound(
            upload: stored, loss: contribution.loss, rows: contribution.rows,
            controls: controls, seconds: (clock.now - began).inSeconds)
    }

    private func write(onProgress: (Int) throws -> Void, to sink: VectorSink) throws -> Contribution {
        switch task.id.kind {
        case .statistics: return try local.writeStatistics(to: sink)
        case .evaluation:
            let (model, parameters) = try globalModel()
            defer { memory.giveBack(parameters) }
            return try local.writeEvaluation(of: model, parameters: parameters, to: sink)
        case .training:
            let (model, parameters) = try globalModel()
            defer { memory.giveBack(parameters) }
            var controls: (server: [Float], own: [Float])?
            if local.study.federation.strategy.usesControls {
                controls = (
                    try vectorFile(serverControls, count: parameters.count),
                    try vectorFile(ownControls, count: parameters.count)
                )
            }
            let update = try updates.update(
                of: local, preprocessing: model.preprocessing, round: task.id.round, parameters: parameters,
                controls: controls, checkpoints: checkpoints, onProgress: onProgress)
            return try local.writeTraining(update, sites: task.sites, roundingKey: roundingKey, to: sink)
        }
    }

    /// The round's model, which must be a finite model of the study.
    private func globalModel() throws -> (StudyModel, [Float]) {
        guard let model else { throw WithheldError(.taskMismatch) }
        let (description, parameters): (StudyModel, [Float])
        do {
            let (file, values) = try ModelFile.readWithParameters(model.path, reusing: memory.take())
            (description, parameters) = (try StudyModel(file), values)
        } catch let error as ModelFileError where error.code != .inputOutput {
            throw WithheldError(.taskMismatch)
        }
        guard description.studyHash == local.hash, allFinite(parameters) else {
            throw WithheldError(.taskMismatch)
        }
        return (description, parameters)
    }

    /// Control variates; zeros before there are any.
    private func vectorFile(_ file: StoredFile?, count: Int) throws -> [Float] {
        guard let file else { return [Float](repeating: 0, count: count) }
        guard file.byteCount == 4 * count else { throw WithheldError(.taskMismatch) }
        return try file.reader().floats(at: 0, count: count)
    }
}

/// Memory for the parameters of a model, kept from one round to the next.
///
/// Why: an array as long as a model is a fresh mapping, and clearing its pages in each round cost a quarter of a site's
/// processor time beside training.
final class ParameterMemory: Sendable {
    private let spare = Mutex<[Float]>([])

    /// The array given back last, or an empty one.
    func take() -> [Float] {
        spare.withLock { spare in
            defer { spare = [] }
            return spare
        }
    }

    func giveBack(_ parameters: [Float]) { spare.withLock { $0 = parameters } }

    func release() { spare.withLock { $0 = [] } }
}

/// What a computation left on disk.
struct ComputedRound: Sendable {
    let upload: StoredFile
    let loss: Double?
    let rows: Int
    let controls: BlobReference?
    let seconds: Double
}

/// Passes progress on, at most four times a second.
final class ProgressReporter: Sendable {
    private let throttle: Mutex<Throttle>
    private let send: @Sendable (Int) -> Void

    init(clock: ServiceClock, send: @escaping @Sendable (Int) -> Void) {
        throttle = Mutex(Throttle(interval: .milliseconds(250), clock: clock))
        self.send = send
    }

    func report(_ count: Int) {
        if throttle.withLock({ $0.shouldPass() }) { send(count) }
    }
}
