// SPDX-License-Identifier: Apache-2.0
// Trains a local model epoch by epoch: validation, checkpoints, early stopping, and an end that can be taken up again.

import Federation
import Foundation
import NeuralNetworks

/// The training that a training file describes, on data that were read.
package struct TrainingRun {
    package struct Options: Sendable {
        /// Workers at most; part of what the last bits of the result depend on.
        package var threads: Int
        /// Where the state is kept after each epoch; nil: nowhere.
        package var checkpoint: String?
        /// Whether to go on where the checkpoint ends.
        package var resumes = false
        /// Asked after each step: whether to save and end.
        package var isInterrupted: @Sendable () -> Bool = { false }

        package init(threads: Int, checkpoint: String? = nil) {
            self.threads = threads
            self.checkpoint = checkpoint
        }
    }

    package enum Outcome: Sendable {
        case finished(TrainingResult)
        /// Saved, and can go on: whole epochs done.
        case interrupted(epochs: Int)
    }

    private let file: TrainingFile
    private let data: DataSets
    private let options: Options
    private let start: [Float]

    /// - Parameter start: The parameters to start from; nil: those of the seed.
    package init(_ file: TrainingFile, _ data: DataSets, start: [Float]? = nil, _ options: Options) {
        self.file = file
        self.data = data
        self.options = options
        self.start = start ?? file.graph.initialParameters(seed: file.training.seed)
    }

    private enum Stop: Error {
        case early
        case interrupted
    }

    /// Trains to the end, or until it is interrupted. The checkpoint of a finished training is left to the caller.
    ///
    /// - Parameter onEpoch: Called after each epoch.
    /// - Throws: ``LocalModelError``; ``ModelFileError`` when the checkpoint cannot be written.
    package func run(onEpoch: @escaping (EpochReport, EpochPace) throws -> Void) throws -> Outcome {
        let identity = RunCheckpoint.Identity(
            training: file.hash, data: .ofExamples([data.training, data.validation].compactMap(\.self)),
            start: .ofParameters(start),
            threads: options.threads)
        let checkpoint = try savedState(identity)
        let progress = try RunProgress(file, data, threads: options.threads, from: checkpoint)
        if progress.shouldStop { return .finished(progress.result(last: checkpoint?.state.result ?? start)) }

        let perEpoch = progress.stepsPerEpoch
        var plan = LocalTraining(
            optimizer: file.training.optimizer, learningRate: file.training.learningRate,
            schedule: file.training.schedule, batchSize: file.training.batchSize,
            steps: perEpoch * file.training.epochs, largestNorm: file.training.clipNorm)
        (plan.accumulation, plan.averageDecay) = (file.training.accumulate, file.training.averageDecay)
        var parameters = start
        let saving = CheckpointSaving(
            isDue: { endsEpoch in endsEpoch || options.isInterrupted() },
            save: { state in
                if state.steps % perEpoch == 0 {
                    try progress.endEpoch(state.result, lossSum: state.lossSum, onEpoch)
                }
                if let path = options.checkpoint {
                    try progress.checkpoint(state, identity).write(to: path)
                }
                if progress.shouldStop { throw Stop.early }
                if options.isInterrupted() { throw Stop.interrupted }
            })
        do {
            let summary = try Trainer(file.graph, objective: file.objective, threads: options.threads).run(
                parameters: &parameters, examples: data.training, plan: plan,
                order: BatchOrder(seed: file.training.seed, round: 1), totalGlobalSteps: plan.steps,
                from: checkpoint?.state, saving: saving,
                rateFactor: { progress.rateFactor(ofEpoch: $0 / perEpoch) })
            try progress.endEpoch(parameters, lossSum: summary.meanLoss * Double(summary.examples), onEpoch)
            return .finished(progress.result(last: parameters))
        } catch Stop.early {
            return .finished(progress.result(last: parameters))
        } catch Stop.interrupted {
            return .interrupted(epochs: progress.reports.count)
        } catch let error as TrainingError {
            throw LocalModelError(
                .diverged, "training gave up: \(error)",
                hint: "lower `learningRate`, set `clipNorm`, or bring the inputs to one scale")
        }
    }

    /// The state to go on with; nil for a start.
    private func savedState(_ identity: RunCheckpoint.Identity) throws -> RunCheckpoint? {
        guard let path = options.checkpoint else { return nil }
        try Self.check(checkpoint: path, resumes: options.resumes)
        guard options.resumes else { return nil }
        return try RunCheckpoint.read(path, for: identity, parameterCount: file.graph.parameterCount)
    }

    /// Refuses to go on without a checkpoint, and to start over one.
    ///
    /// - Throws: ``LocalModelError`` `.checkpoint`.
    package static func check(checkpoint path: String, resumes: Bool) throws {
        let exists = FileManager.default.fileExists(atPath: path)
        guard exists == resumes else {
            throw exists
                ? LocalModelError(
                    .checkpoint, "there is the checkpoint \(path) of a training that did not end",
                    hint: "go on with --resume, or remove it")
                : LocalModelError(
                    .checkpoint, "there is no checkpoint \(path) to go on with",
                    hint: "leave --resume out, or name the --output of the training that was interrupted")
        }
    }

    /// The workers that a checkpoint was made with; nil for a file that is none.
    package static func threads(ofCheckpoint path: String) -> Int? { RunCheckpoint.threads(path) }
}

/// What a training gives.
package struct TrainingResult: Sendable {
    /// Those of the best epoch where the training file stops early, else the last.
    package let parameters: [Float]
    /// The epoch they come from, from 1.
    package let epoch: Int
    package let reports: [EpochReport]
}

/// What a training remembers from epoch to epoch.
private final class RunProgress {
    private let file: TrainingFile
    private let data: DataSets
    let stepsPerEpoch: Int
    private(set) var reports: [EpochReport]
    private var lossSumOfEpochs: Double
    private var best: [Float]?
    private var stopping: EarlyStopping?
    private var plateau: ReduceOnPlateau?
    private let predictor: Predictor?
    /// The beginning of this process's part, its epochs, and the beginning of the epoch.
    private let begun = ContinuousClock.now
    private var epochsHere = 0
    private var epochBegan = ContinuousClock.now
    /// Examples of the first epoch that an earlier process had trained on.
    private var examplesBefore: Int

    init(_ file: TrainingFile, _ data: DataSets, threads: Int, from checkpoint: RunCheckpoint?) throws {
        self.file = file
        self.data = data
        let batch = file.training.examplesPerStep
        let perEpoch = LocalTraining.stepsPerEpoch(examples: data.training.count, batchSize: batch)
        stepsPerEpoch = perEpoch
        reports = checkpoint?.reports ?? []
        lossSumOfEpochs = checkpoint?.lossSumOfEpochs ?? 0
        best = checkpoint?.best
        examplesBefore = (checkpoint.map { $0.state.steps % perEpoch } ?? 0) * batch
        if let patience = file.training.stopAfter { stopping = EarlyStopping(patience: patience) }
        plateau = file.training.plateau
        for report in reports {
            stopping?.record(report.validation?.loss ?? .nan)
            plateau?.record(report.validation?.loss ?? .nan)
        }
        predictor = try data.validation.map {
            try Predictor(file.graph, objective: file.objective, examples: $0.count, threads: threads)
        }
    }

    var shouldStop: Bool { stopping?.shouldStop ?? false }

    /// What the plateau's rule multiplies the rates of an epoch with, from zero; no later one than the present.
    func rateFactor(ofEpoch epoch: Int) -> Double { epoch == 0 ? 1 : reports[epoch - 1].rateFactor ?? 1 }

    func endEpoch(_ parameters: [Float], lossSum: Double, _ onEpoch: (EpochReport, EpochPace) throws -> Void) throws {
        let trained = ContinuousClock.now
        let loss = (lossSum - lossSumOfEpochs) / Double(data.training.count)
        lossSumOfEpochs = lossSum
        let validation = data.validation.flatMap { examples in
            predictor.map { file.quality($0, parameters, examples) }
        }.flatMap { $0.loss.isFinite ? $0 : nil }
        let lowest = reports.compactMap { $0.validation?.loss }.min()
        var isBest = validation.map { $0.loss < lowest ?? .infinity } ?? false
        if stopping != nil { isBest = stopping?.record(validation?.loss ?? .nan) ?? false }
        if isBest, stopping != nil { best = parameters }
        plateau?.record(validation?.loss ?? .nan)
        let report = EpochReport(
            epoch: reports.count + 1, loss: loss.isFinite ? loss : nil,
            validation: validation, isBest: isBest, rateFactor: plateau?.factor)
        reports.append(report)
        epochsHere += 1
        let seconds = max(epochBegan.duration(to: trained) / .seconds(1), 1e-9)
        let mean = begun.duration(to: .now) / .seconds(1) / Double(epochsHere)
        let pace = EpochPace(
            examplesPerSecond: Double(max(data.training.count - examplesBefore, 0)) / seconds,
            secondsLeft: mean * Double(file.training.epochs - reports.count))
        examplesBefore = 0
        try onEpoch(report, pace)
        epochBegan = .now
    }

    func checkpoint(_ state: TrainingCheckpoint, _ identity: RunCheckpoint.Identity) -> RunCheckpoint {
        RunCheckpoint(
            identity: identity, state: state, reports: reports, lossSumOfEpochs: lossSumOfEpochs, best: best)
    }

    func result(last: [Float]) -> TrainingResult {
        guard let best, let epoch = stopping?.bestEpoch else {
            return TrainingResult(parameters: last, epoch: reports.count, reports: reports)
        }
        return TrainingResult(parameters: best, epoch: epoch + 1, reports: reports)
    }
}
