// SPDX-License-Identifier: Apache-2.0
// Averages, plateaus, accumulation and frozen layers in a whole training, and its checkpoints.

import Federation
import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import Synchronization
import Testing

@Suite struct TrainingExtrasTests {
    /// All at once; two epochs in three do not get better by 20 %.
    private static let training = SampleData.tableTraining(
        epochs: 9,
        extra: """
              accumulate: 3
              averageDecay: 0.8
              clipNorm: 0.5
              stopAfter: 9
              freeze: [stem]
              layerRates: {body: 0.5}
            """,
        model: "layers: [{dense: {units: 8}, name: stem}, {batchNorm, name: body}, dropout: {rate: 0.2}, "
            + "{dense: {units: 1}, name: top}]"
    ).replacing(
        "{cosine: {final: 0}}",
        with: "{warmup: {steps: 3, then: {plateau: {factor: 0.5, patience: 1, threshold: 0.2, cooldown: 1}}}}"
    ).replacing("batchSize: 16", with: "batchSize: 8")

    private func withData<Value>(_ body: (TrainingFile, DataSets, String) throws -> Value) throws -> Value {
        try SampleData.withFolder { folder in
            try SampleData.write(SampleData.table(), "table.csv", in: folder)
            let file = try SampleData.parse(Self.training)
            let sets = try DataSetReader(file, folder: folder.path).load()
            return try body(file, sets, folder.appending(path: "run.checkpoint").path)
        }
    }

    private func finished(_ outcome: TrainingRun.Outcome) throws -> TrainingResult {
        guard case .finished(let result) = outcome else { throw CancellationError() }
        return result
    }

    private final class Countdown: Sendable {
        private let left: Atomic<Int>
        init(_ steps: Int) { left = Atomic(steps) }
        func isOver() -> Bool { left.subtract(1, ordering: .relaxed).newValue <= 0 }
    }

    /// 72 rows, 24 in a step: 3 steps an epoch, 27 in all.
    @Test(arguments: [1, 2, 3, 5, 9, 14, 18, 26]) func interruptionsChangeNoBit(_ steps: Int) throws {
        try withData { file, sets, path in
            let whole = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            var options = TrainingRun.Options(threads: 1, checkpoint: path)
            let countdown = Countdown(steps)
            options.isInterrupted = { countdown.isOver() }
            guard case .interrupted(let epochs) = try TrainingRun(file, sets, options).run(onEpoch: { _, _ in }) else {
                Issue.record("the training was not interrupted")
                return
            }
            #expect(epochs == steps / 3)
            options.isInterrupted = { false }
            options.resumes = true
            let rest = try finished(TrainingRun(file, sets, options).run { _, _ in })
            #expect(rest.parameters.map(\.bitPattern) == whole.parameters.map(\.bitPattern))
            #expect(rest.reports.map(\.validation) == whole.reports.map(\.validation))
            #expect(rest.reports.map(\.rateFactor) == whole.reports.map(\.rateFactor))
            #expect(rest.epoch == whole.epoch)
        }
    }

    /// PyTorch's rule, written down once more.
    @Test func theRateFallsWhereTheValidationLossStays() throws {
        try withData { file, sets, _ in
            let result = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            var (best, bad, cooldown, factor) = (Double.infinity, 0, 0, 1.0)
            for report in result.reports {
                let loss = try #require(report.validation?.loss)
                if loss < best * 0.8 || best == .infinity { (best, bad) = (loss, 0) } else { bad += 1 }
                if cooldown > 0 { (cooldown, bad) = (cooldown - 1, 0) }
                if bad > 1 { (factor, cooldown, bad) = (factor * 0.5, 1, 0) }
                #expect(report.rateFactor == factor)
            }
            #expect(factor < 1)
        }
    }

    /// The average is judged and kept: the validation of the best epoch is that of the parameters.
    @Test func whatIsSavedIsWhatWasJudged() throws {
        try withData { file, sets, _ in
            let start = file.graph.initialParameters(seed: file.training.seed)
            let result = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            let model = LocalModel(
                file, sets.preprocessing, parameters: result.parameters, epoch: result.epoch, trainingExamples: 72)
            let quality = try model.quality(on: #require(sets.validation), threads: 1)
            #expect(quality == result.reports[result.epoch - 1].validation)
            for range in file.graph.frozenRanges { #expect(result.parameters[range] == start[range]) }
            #expect(file.graph.frozenRanges.count == 1)
            let frozen = file.graph.frozenRanges[0].count
            // Running mean and variance of eight channels are not trained, either.
            #expect(try file.summary().trainedParameters == file.graph.parameterCount - frozen - 16)
        }
    }

    /// Two outputs whose losses' weights are learned, a frozen layer, accumulation and an average.
    private static let learned = """
        model:
          inputs: {x: {features: 2}}
          layers:
            - {dense: {units: 4, activation: tanh}, name: stem}
            - {dense: {units: 3}, name: kind, from: stem}
            - {dense: {units: 1}, name: risk, from: stem}
          outputs: [kind, risk]
        loss:
          - {output: kind, loss: softmaxCrossEntropy, weight: learned}
          - {output: risk, loss: meanSquaredError, weight: learned}
        training:
          optimizer: adamW
          learningRate: 0.05
          batchSize: 4
          epochs: 4
          seed: 2
          accumulate: 2
          averageDecay: 0.5
          freeze: [stem]
        data:
          arrays: {file: a.npz, inputs: {x: {array: x, divide: 10}}, target: {kind: kinds, risk: risks}}
        """

    /// 24 rows, 8 in a step: 3 steps an epoch. What was saved between them is gone on with, and the model file has it.
    @Test(arguments: [1, 3, 4, 11]) func learnedWeightsGoOnToTheSameBits(_ steps: Int) throws {
        try SampleData.withFolder { folder in
            let archive = SampleData.archive([
                ("x", "|u1", "(24, 2)", (0..<48).map { UInt8($0 * 7 % 11) }),
                ("kinds", "|u1", "(24,)", (0..<24).map { UInt8($0 % 3) }),
                ("risks", "|u1", "(24, 1)", (0..<24).map { UInt8($0 * 5 % 4) }),
            ])
            try Data(archive).write(to: folder.appending(path: "a.npz"))
            let file = try SampleData.parse(Self.learned)
            let sets = try DataSetReader(file, folder: folder.path).load()
            let whole = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            #expect(whole.parameters.suffix(2).allSatisfy { $0 != 0 })
            var options = TrainingRun.Options(threads: 1, checkpoint: folder.appending(path: "c").path)
            let countdown = Countdown(steps)
            options.isInterrupted = { countdown.isOver() }
            guard case .interrupted = try TrainingRun(file, sets, options).run(onEpoch: { _, _ in }) else {
                Issue.record("the training was not interrupted")
                return
            }
            options.isInterrupted = { false }
            options.resumes = true
            let rest = try finished(TrainingRun(file, sets, options).run { _, _ in })
            #expect(rest.parameters.map(\.bitPattern) == whole.parameters.map(\.bitPattern))
            let path = folder.appending(path: "model").path
            try LocalModel(
                file, sets.preprocessing, parameters: rest.parameters, epoch: rest.epoch, trainingExamples: 24
            ).write(to: path)
            let model = try LocalModel.read(path)
            #expect(model.parameters == rest.parameters)
            #expect(try ModelFile.readWithParameters(path).model.tensors.last?.name == "loss.logVariances")
        }
    }

    @Test func checkpointsOfAnOlderFormatAreRefused() throws {
        try withData { file, sets, path in
            try ModelFile.write(
                to: path, metadata: ["consilium.checkpoint": "1"], tensors: [("parameters", [1])], parameters: [0])
            var options = TrainingRun.Options(threads: 1, checkpoint: path)
            options.resumes = true
            let error = #expect(throws: LocalModelError.self) { try TrainingRun(file, sets, options).run { _, _ in } }
            #expect(error?.code == .foreignCheckpoint)
            #expect(error?.message.hasSuffix("has the format 1, this program reads 2") == true)
        }
    }
}
