// SPDX-License-Identifier: Apache-2.0
// `consilium model train`: trains a model on one site's own data, with a checkpoint after every epoch.

import ArgumentParser
import ClinicalData
import Execution
import Federation
import Foundation
import ModelFiles
import ModelTraining
import NIOPosix
import NeuralNetworks
import StudyFiles
import Synchronization

struct ModelTrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model on your own data, here.",
        usage: "consilium model train <file> --output <file> [options]",
        discussion: """
            The training file names model, loss, training and data; see
            studies/training/README.md. One line an epoch. Ctrl-C saves and ends;
            --resume goes on to the same bits as if nothing had happened.

            The output holds the parameters under PyTorch's names, the training file, and
            means and deviations or the vocabulary: no row of the data, but words of
            texts. The checkpoint beside it, OUTPUT.checkpoint, is removed at the end.

            Examples:
              consilium model train studies/training/pneumonia.yaml \\
                --data downloads --output pneumonia.safetensors
              consilium model train training.yaml --output m.safetensors --resume
              consilium model train training.yaml --output m.safetensors \\
                --weights pretrained.safetensors
            """)

    @Argument(help: "The training file (YAML).")
    var file: String

    @Option(help: ArgumentHelp("The model file to write (safetensors).", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Where the data lie; default: beside the training file.", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("Epochs, in place of the file's.", valueName: "n"))
    var epochs: Int?

    @Option(help: ArgumentHelp("Threads; default: all processors.", valueName: "n"))
    var threads: Int?

    @Flag(help: "Go on where the checkpoint of --output ends.")
    var resume = false

    @Option(help: ArgumentHelp("Start from these tensors (safetensors).", valueName: "file"))
    var weights: String?

    @Flag(help: "The tensors have Keras's names and layouts.")
    var keras = false

    @Option(help: ArgumentHelp("Most memory, as 8GB; default: what is free.", valueName: "size"))
    var memory: MemorySize?

    @OptionGroup var json: JSONOption

    func validate() throws {
        if let epochs, !TrainingSettings.epochRange.contains(epochs) {
            throw ValidationError("--epochs is a number from 1 to \(TrainingSettings.epochRange.upperBound)")
        }
        if let threads, !(1...256).contains(threads) { throw ValidationError("--threads is a number from 1 to 256") }
        if keras, weights == nil { throw ValidationError("--keras goes with --weights FILE") }
    }

    private struct Result: Codable {
        var output: String
        /// The epoch that the parameters come from.
        var epoch: Int
        var trainingHash: String
        var trainingExamples: Int
        var epochs: [EpochReport]
        var test: TaskQuality?
    }

    func run() async throws {
        try json.check()
        try JSONOption.checkWritable(output)
        let (console, interruption) = (json.console, Interruption())
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let result: Result?
        do {
            result = try await interruptible {
                try await withTaskCancellationHandler {
                    try await pool.runIfActive { try train(console, interruption) }
                } onCancel: {
                    interruption.ask()
                }
            }
        } catch {
            try? await pool.shutdownGracefully()
            throw CommandError(error, invalid: .doesNotHold)
        }
        try? await pool.shutdownGracefully()
        if let result { try json.write(result) }
    }

    /// nil when it was interrupted.
    private func train(_ console: Console, _ interruption: Interruption) throws -> Result? {
        var file = try TrainingFile.load(self.file)
        if let epochs { file.training.epochs = epochs }
        let checkpoint = output + ".checkpoint"
        try TrainingRun.check(checkpoint: checkpoint, resumes: resume)
        let threads =
            threads ?? (resume ? TrainingRun.threads(ofCheckpoint: checkpoint) : nil)
            ?? ProcessInfo.processInfo.activeProcessorCount
        let summary = try file.summary()
        let (cost, setting) = (file.cost, file.costSetting(threads: threads))
        let bytes = cost.memoryBytes(setting)
        if let limit = memory?.bytes ?? MachineMemory.system.availableBytes {
            try TrainingMemory.check(cost, setting, limit: limit)
        }
        let folder = data ?? URL(fileURLWithPath: self.file).deletingLastPathComponent().relativePath
        let sets = try DataSetReader(file, folder: folder).load()
        console.line(
            "\(Figures.plural(summary.parameters, "parameter")), about \(Figures.bytes(bytes)) of memory, "
                + "\(Figures.plural(threads, "thread"))")
        console.line(
            "examples: \(Figures.count(sets.training.count)) training, "
                + "\(Figures.count(sets.validation?.count ?? 0)) validation, "
                + "\(Figures.count(sets.test?.count ?? 0)) test")
        var options = TrainingRun.Options(threads: threads, checkpoint: checkpoint)
        options.resumes = resume
        options.isInterrupted = { interruption.isAsked }
        let epochs = file.training.epochs
        let outcome = try TrainingRun(file, sets, start: startingParameters(file), options).run { report, pace in
            Self.show(report, pace, of: epochs, console)
        }
        switch outcome {
        case .interrupted(let epochs):
            console.note(
                "stopped after \(Figures.plural(epochs, "whole epoch")); the state is in \(checkpoint)\n"
                    + "hint: the same command with --resume goes on")
            return nil
        case .finished(let result):
            return try finish(file, sets, result, threads: threads, console)
        }
    }

    private func startingParameters(_ file: TrainingFile) throws -> [Float]? {
        try weights.map { path in
            keras
                ? try KerasImport.parameters(from: path, for: file.graph, seed: file.training.seed)
                : try WeightImport.parameters(from: path, for: file.graph, seed: file.training.seed)
        }
    }

    private func finish(
        _ file: TrainingFile, _ sets: DataSets, _ result: TrainingResult, threads: Int, _ console: Console
    ) throws -> Result {
        let model = LocalModel(
            file, sets.preprocessing, parameters: result.parameters, epoch: result.epoch,
            trainingExamples: sets.training.count)
        try model.write(to: output)
        // The model is safe; a checkpoint that stays is only in the way of the next training.
        try? FileManager.default.removeItem(atPath: output + ".checkpoint")
        let test = try sets.test.map { try model.quality(on: $0, threads: threads) }
        for line in test?.lines ?? [] { console.line("test: \(line)") }
        console.line("wrote \(output), the parameters of epoch \(result.epoch)")
        return Result(
            output: output, epoch: result.epoch, trainingHash: file.hash.hex,
            trainingExamples: sets.training.count, epochs: result.reports, test: test)
    }

    private static func show(_ report: EpochReport, _ pace: EpochPace, of epochs: Int, _ console: Console) {
        let left = report.epoch < epochs ? ", \(Figures.seconds(pace.secondsLeft)) left" : ""
        console.line(
            "epoch \(report.epoch)/\(epochs): loss \(Figures.fixed(report.loss, 4)), "
                + "\(Figures.count(Int(min(pace.examplesPerSecond, 1e15)))) examples/s\(left)")
        for line in report.validation?.lines ?? [] {
            console.line("validation: \(line)\(report.isBest ? ", best so far" : "")", indent: 2)
        }
    }
}

/// Whether somebody asked the training to end.
private final class Interruption: Sendable {
    private let flag = Atomic<Bool>(false)

    var isAsked: Bool { flag.load(ordering: .relaxed) }

    func ask() { flag.store(true, ordering: .relaxed) }
}

/// A number of bytes above 0: `500MB`, `8GB`, `4GiB`, or bytes without a unit.
struct MemorySize: ExpressibleByArgument, Sendable {
    let bytes: Int

    init?(argument: String) {
        guard let bytes = ByteCount(argument)?.bytes, bytes > 0 else { return nil }
        self.bytes = bytes
    }
}
