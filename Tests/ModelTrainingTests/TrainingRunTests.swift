// SPDX-License-Identifier: Apache-2.0
// Training from end to end: interruptions change no bit, foreign checkpoints are refused, the best epoch is kept.

import Federation
import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import StudyFiles
import Synchronization
import Testing

@Suite struct TrainingRunTests {
    /// A training file and its data in a folder of their own.
    private func withData<Value>(
        _ training: String = SampleData.tableTraining(), _ body: (TrainingFile, DataSets, String) throws -> Value
    ) throws -> Value {
        try SampleData.withFolder { folder in
            try SampleData.write(SampleData.table(), "table.csv", in: folder)
            let file = try SampleData.parse(training)
            let sets = try DataSetReader(file, folder: folder.path).load()
            return try body(file, sets, folder.appending(path: "run.checkpoint").path)
        }
    }

    private func finished(_ outcome: TrainingRun.Outcome) throws -> TrainingResult {
        guard case .finished(let result) = outcome else { throw CancellationError() }
        return result
    }

    /// Is asked after every step, and says yes after so many.
    private final class Countdown: Sendable {
        private let left: Atomic<Int>

        init(_ steps: Int) { left = Atomic(steps) }

        func isOver() -> Bool { left.subtract(1, ordering: .relaxed).newValue <= 0 }
    }

    @Test(arguments: [1, 4, 5, 7, 12]) func interruptionsChangeNoBit(_ steps: Int) throws {
        try withData { file, sets, path in
            // 72 rows in batches of 16: 5 steps an epoch, 15 in all.
            let whole = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            var options = TrainingRun.Options(threads: 1, checkpoint: path)
            let countdown = Countdown(steps)
            options.isInterrupted = { countdown.isOver() }
            guard case .interrupted(let epochs) = try TrainingRun(file, sets, options).run(onEpoch: { _, _ in }) else {
                Issue.record("the training was not interrupted")
                return
            }
            #expect(epochs == steps / 5)
            options.isInterrupted = { false }
            options.resumes = true
            let rest = try finished(TrainingRun(file, sets, options).run { _, _ in })
            #expect(rest.parameters.map(\.bitPattern) == whole.parameters.map(\.bitPattern))
            #expect(rest.reports.map(\.validation) == whole.reports.map(\.validation))
            #expect(rest.reports.map(\.epoch) == [1, 2, 3])
            for (one, other) in zip(rest.reports, whole.reports) {
                #expect(abs((one.loss ?? 0) - (other.loss ?? 1)) < 1e-12)
            }
        }
    }

    @Test func aModelIsTrainedJudgedAndUsed() throws {
        try SampleData.withFolder { folder in
            try SampleData.write(SampleData.table(), "table.csv", in: folder)
            let file = try SampleData.parse(SampleData.tableTraining(epochs: 40))
            let sets = try DataSetReader(file, folder: folder.path).load()
            var lines = 0
            let result = try finished(
                TrainingRun(file, sets, .init(threads: 2)).run { report, pace in
                    lines += 1
                    #expect(report.epoch == lines && pace.examplesPerSecond > 0 && pace.secondsLeft >= 0)
                })
            #expect(lines == 40 && result.epoch == 40)
            let model = LocalModel(
                file, sets.preprocessing, parameters: result.parameters, epoch: 40, trainingExamples: 72)
            let path = folder.appending(path: "model.safetensors").path
            try model.write(to: path)
            let again = try LocalModel.read(path)
            let quality = try again.evaluate(data: folder.path, part: .test, threads: 1)
            #expect(quality.examples == 24)
            #expect(quality == (try model.quality(on: #require(sets.test), threads: 1)))
            let names = quality.outputs[0].metrics.map(\.name)
            #expect(names.prefix(5) == ["accuracy", "auc", "averagePrecision", "f1", "brier"])
            let auc = try #require(quality.outputs[0].metrics.first { $0.name == "auc" }).value
            #expect(auc > 0.9)
            // A file of the same form: all of its rows; predictions need no label.
            let table = folder.appending(path: "table.csv").path
            #expect(try again.evaluate(data: table, part: .test, threads: 1).examples == 120)
            try SampleData.write("marker,sex,age\n0.5,f,45\n2.5,m,80\n", "new.csv", in: folder)
            let predictions = try again.predict(
                data: folder.appending(path: "new.csv").path, part: .test, threads: 1)
            #expect(predictions.rows == 2 && predictions.columnNames == ["score"])
            #expect(predictions.values(ofRow: 0)[0] < 0.5 && predictions.values(ofRow: 1)[0] > 0.5)
        }
    }

    @Test func severalInputsAndOutputsAreTrainedTogether() throws {
        let training = """
            model:
              inputs: {image: {shape: [1, 2, 2]}, note: {tokens: 3}}
              layers:
                - {flatten, name: pixels, from: image}
                - {embedding: {vocabulary: 6, width: 4, padding: 0}, from: note}
                - {maxOverTime, name: words}
                - {concatenate, name: both, from: [pixels, words]}
                - {dense: {units: 1}, name: risk}
                - {dense: {units: 3}, name: kind, from: both}
              outputs: [risk, kind]
            loss:
              - {output: kind, loss: softmaxCrossEntropy, weight: 0.5}
              - {output: risk, loss: sigmoidCrossEntropy}
            training: {optimizer: adam, learningRate: 0.05, batchSize: 8, epochs: 30, seed: 1}
            data:
              arrays:
                file: a.npz
                inputs: {image: {array: images, divide: 10}, note: {array: notes, lengths: lengths}}
                target: {kind: kinds, risk: risks}
            """
        try SampleData.withFolder { folder in
            let archive = SampleData.archive([
                ("images", "|u1", "(24, 2, 2)", (0..<96).map { UInt8($0 / 4 % 2 * 10) }),
                ("notes", "|u1", "(24, 3)", (0..<72).map { UInt8($0 / 3 % 3 + 2) }),
                ("lengths", "|u1", "(24,)", (0..<24).map { UInt8($0 % 3 + 1) }),
                ("kinds", "|u1", "(24,)", (0..<24).map { UInt8($0 % 3) }),
                ("risks", "|u1", "(24, 1)", (0..<24).map { UInt8($0 % 2) }),
            ])
            try Data(archive).write(to: folder.appending(path: "a.npz"))
            let file = try SampleData.parse(training)
            let sets = try DataSetReader(file, folder: folder.path).load()
            let result = try finished(TrainingRun(file, sets, .init(threads: 1)).run { _, _ in })
            let path = folder.appending(path: "model").path
            try LocalModel(
                file, sets.preprocessing, parameters: result.parameters, epoch: 30, trainingExamples: 24
            ).write(to: path)
            let model = try LocalModel.read(path)
            let quality = try model.evaluate(data: folder.path, part: .training, threads: 1)
            #expect(quality.outputs.map(\.output) == ["kind", "risk"])
            #expect(quality.outputs.allSatisfy { $0.metrics.first?.value == 1 })
            let predictions = try model.predict(
                data: folder.appending(path: "a.npz").path, part: .training, threads: 1)
            #expect(predictions.columnNames == ["risk", "kind_0", "kind_1", "kind_2"])
            #expect(predictions.values(ofRow: 1)[0] > 0.5 && predictions.values(ofRow: 2)[3] > 0.5)
        }
    }

    @Test func checkpointsOfSomethingElseAreRefused() throws {
        try withData { file, sets, path in
            var options = TrainingRun.Options(threads: 1, checkpoint: path)
            let countdown = Countdown(3)
            options.isInterrupted = { countdown.isOver() }
            _ = try TrainingRun(file, sets, options).run { _, _ in }
            options.isInterrupted = { false }
            func refusal(
                _ file: TrainingFile, _ sets: DataSets, start: [Float]? = nil, _ options: TrainingRun.Options
            ) -> LocalModelError? {
                #expect(throws: LocalModelError.self) {
                    try TrainingRun(file, sets, start: start, options).run { _, _ in }
                }
            }
            #expect(refusal(file, sets, options)?.code == .checkpoint)
            options.resumes = true
            var longer = file
            longer.training.epochs = 4
            #expect(refusal(longer, sets, options)?.message.contains("another model or training file") == true)
            var fewer = sets
            fewer.training = sets.training.selecting(Array(0..<71))
            #expect(refusal(file, fewer, options)?.message.contains("other data") == true)
            let start = [Float](repeating: 0.1, count: file.graph.parameterCount)
            #expect(refusal(file, sets, start: start, options)?.message.contains("other parameters") == true)
            var threads = options
            threads.threads = 2
            #expect(refusal(file, sets, threads)?.hint.contains("--threads 1") == true)
            #expect(TrainingRun.threads(ofCheckpoint: path) == 1)
            // A model is no checkpoint, and nothing is none.
            try LocalModel(
                file, sets.preprocessing, parameters: start, epoch: 1, trainingExamples: 1
            ).write(to: path)
            #expect(refusal(file, sets, options)?.code == .foreignCheckpoint)
            try FileManager.default.removeItem(atPath: path)
            #expect(refusal(file, sets, options)?.code == .checkpoint)
        }
    }

    @Test func stoppingEarlyKeepsTheBestParameters() throws {
        let training = SampleData.tableTraining(epochs: 200, extra: "  stopAfter: 3")
            .replacing("learningRate: 0.01", with: "learningRate: 0.3")
        try withData(training) { file, sets, path in
            let result = try finished(
                TrainingRun(file, sets, .init(threads: 1, checkpoint: path)).run { _, _ in })
            let losses = result.reports.map { $0.validation?.loss ?? .infinity }
            #expect(result.reports.count < 200)
            let best = try #require(losses.indices.min { losses[$0] < losses[$1] })
            #expect(result.epoch == best + 1 && result.reports.count == best + 4)
            let model = LocalModel(
                file, sets.preprocessing, parameters: result.parameters, epoch: result.epoch, trainingExamples: 72)
            #expect(try model.quality(on: #require(sets.validation), threads: 1).loss == losses[best])
            // The last checkpoint already knows that it is over.
            var options = TrainingRun.Options(threads: 1, checkpoint: path)
            options.resumes = true
            let again = try finished(TrainingRun(file, sets, options).run { _, _ in Issue.record("another epoch") })
            #expect(again.parameters == result.parameters && again.epoch == result.epoch)
        }
    }

    @Test func divergingTrainingSaysSo() throws {
        let training = SampleData.tableTraining(epochs: 50)
            .replacing("optimizer: adamW", with: "optimizer: sgd").replacing("0.01", with: "1000")
            .replacing("sigmoidCrossEntropy", with: "meanSquaredError").replacing(/\s+classes: .*/, with: "")
        try SampleData.withFolder { folder in
            let table = SampleData.table().replacing("yes", with: "1").replacing("no", with: "0")
            try SampleData.write(table, "table.csv", in: folder)
            let file = try SampleData.parse(training)
            let sets = try DataSetReader(file, folder: folder.path).load()
            let error = #expect(throws: LocalModelError.self) {
                try TrainingRun(file, sets, .init(threads: 1)).run { _, _ in }
            }
            #expect(error?.code == .diverged)
        }
    }

    @Test func memoryIsPredictedBeforeItIsTaken() throws {
        for (name, threads) in [("pneumonia", 2), ("heartbeats", 1), ("abstracts", 2), ("heart-failure", 1)] {
            let file = try TrainingFile.load(
                SampleData.root.appending(path: "studies/training/\(name).yaml").path)
            var options = Engine.Options(batchSize: file.training.batchSize, threads: threads)
            options.usesAllThreads = true
            let engine = try Engine(file.graph, objective: file.objective, options)
            try engine.prepare(file.training.optimizer)
            let (cost, setting) = (file.cost, file.costSetting(threads: threads))
            let predicted = cost.memoryBytes(setting)
            #expect(predicted >= engine.byteCount, "\(name): \(predicted) for \(engine.byteCount)")
            #expect(predicted <= 6 * engine.byteCount + 10_000, "\(name): \(predicted) for \(engine.byteCount)")
            let error = #expect(throws: LocalModelError.self) {
                try TrainingMemory.check(cost, setting, limit: predicted - 1)
            }
            #expect(error?.message.contains("\(predicted) bytes") == true)
            #expect(error?.hint.contains("a batch of") == true)
            try TrainingMemory.check(cost, setting, limit: predicted)
        }
    }

    @Test(arguments: [
        ("lstm-text", 4), ("gru-text", 4), ("ecg-crnn", 4), ("seed-cnn", 4), ("fusion", 4), ("transformer", 8),
    ])
    func memoryOfWholeModelsIsPredicted(_ name: String, batchSize: Int) throws {
        let model =
            name == "transformer"
            ? ModelSpecification(inputs: [.tokens("words", 96)]) {
                Embedding(50, width: 16)
                TransformerEncoder(TransformerEncoderLayer(heads: 4, feedForward: 32), layers: 3)
                MeanOverTime()
                Dense(2)
            }
            : try ModelSpecification(
                document: YAMLDocument.load(
                    contentsOf: SampleData.root.appending(path: "studies/models/\(name).yaml").path))
        let graph = try model.graph(features: nil)
        let terms = graph.outputs.indices.map { Objective.Term(output: $0, MeanSquaredError()) }
        var options = Engine.Options(batchSize: batchSize, threads: 2)
        options.usesAllThreads = true
        let engine = try Engine(graph, objective: Objective(terms), options)
        try engine.prepare(.adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0))
        let predicted = TrainingCost(graph).memoryBytes(
            TrainingCost.Setting(batchSize: batchSize, threads: 2, stateVectors: 2))
        #expect(predicted >= engine.byteCount, "\(predicted) for \(engine.byteCount)")
        #expect(predicted <= 4 * engine.byteCount, "\(predicted) for \(engine.byteCount)")
    }
}
