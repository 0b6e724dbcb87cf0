// SPDX-License-Identifier: Apache-2.0
// Files of local models: what they hold, what they do not, and which are refused.

import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import Testing

@Suite struct LocalModelTests {
    private func withModel(_ body: (LocalModel, String) throws -> Void) throws {
        try SampleData.withFolder { folder in
            try SampleData.write(SampleData.table(), "table.csv", in: folder)
            let file = try SampleData.parse(SampleData.tableTraining())
            let sets = try DataSetReader(file, folder: folder.path).load()
            let model = LocalModel(
                file, sets.preprocessing, parameters: file.graph.initialParameters(seed: 1), epoch: 3,
                trainingExamples: sets.training.count)
            let path = folder.appending(path: "model.safetensors").path
            try model.write(to: path)
            try body(model, path)
        }
    }

    @Test func filesComeBack() throws {
        try withModel { model, path in
            let again = try LocalModel.read(path)
            #expect(again.parameters == model.parameters && again.preprocessing == model.preprocessing)
            #expect(again.file.hash == model.file.hash && again.epoch == 3 && again.trainingExamples == 72)
            #expect(try SummarySubject(path: path).kind == "local model")
        }
    }

    @Test func noRowOfTheDataIsInTheFile() throws {
        try withModel { _, path in
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(bytes.range(of: Data("secret".utf8)) == nil)
            #expect(bytes.range(of: Data("marker".utf8)) != nil)
        }
    }

    @Test func changedFilesAreRefused() throws {
        try withModel { model, path in
            let (file, parameters) = try ModelFile.readWithParameters(path)
            let tensors = file.tensors.map { ($0.name, $0.shape) }
            func code(_ metadata: [String: String], _ tensors: [(String, [Int])]) throws -> LocalModelError.Code? {
                try ModelFile.write(to: path, metadata: metadata, tensors: tensors, parameters: parameters)
                return #expect(throws: LocalModelError.self) { try LocalModel.read(path) }?.code
            }
            for key in file.metadata.keys where key != "consilium.limits" {
                var metadata = file.metadata
                metadata[key] = nil
                #expect(try code(metadata, tensors) == .foreignFile, "without \(key)")
                metadata[key] = "{}"
                #expect(try code(metadata, tensors) == .foreignFile, "another \(key)")
            }
            var broken = parameters
            broken[1] = .infinity
            try ModelFile.write(to: path, metadata: file.metadata, tensors: tensors, parameters: broken)
            #expect(throws: LocalModelError.self) { try LocalModel.read(path) }
            var renamed = tensors
            renamed[0].0 = "other"
            #expect(try code(file.metadata, renamed) == .foreignFile)
            var metadata = file.metadata
            metadata["consilium.training"] = metadata["consilium.training"]?.replacing(
                "\"batchSize\":16", with: "\"batchSize\":17")
            #expect(try code(metadata, tensors) == .foreignFile)
        }
    }

    /// A model of somebody else must not make its user read other files than those at hand.
    @Test(arguments: ["/etc/passwd", "../table.csv", "a/../../table.csv"])
    func dataOutsideTheFolderAreRefused(_ name: String) throws {
        let file = try SampleData.parse(SampleData.tableTraining().replacing("table.csv", with: name))
        let columns = try SampleData.withFolder { folder in
            try SampleData.write(SampleData.table(), "table.csv", in: folder)
            return try DataSetReader(SampleData.parse(SampleData.tableTraining()), folder: folder.path).load()
        }
        let model = LocalModel(
            file, columns.preprocessing, parameters: file.graph.initialParameters(seed: 1), epoch: 1,
            trainingExamples: 1)
        let error = #expect(throws: LocalModelError.self) {
            try model.evaluate(data: FileManager.default.temporaryDirectory.path, part: .test, threads: 1)
        }
        #expect(error?.message == "the model names data outside the folder")
    }

    @Test func vocabulariesComeBack() throws {
        let training = """
            model:
              inputs: {note: {tokens: 4}}
              layers: [embedding: {vocabulary: 5, width: 4, padding: 0}, maxOverTime, dense: {units: 3}]
            loss: softmaxCrossEntropy
            training: {optimizer: sgd, learningRate: 0.1, batchSize: 2, epochs: 1, seed: 1}
            data:
              texts: {file: notes.csv, text: note, label: ill, classes: [a, b, c], vocabulary: 3}
            """
        try SampleData.withFolder { folder in
            try SampleData.write("note,ill\nthe heart,a\nthe heart,b\nthe liver,c\n", "notes.csv", in: folder)
            let file = try SampleData.parse(training)
            let sets = try DataSetReader(file, folder: folder.path).load()
            let path = folder.appending(path: "m").path
            try LocalModel(
                file, sets.preprocessing, parameters: file.graph.initialParameters(seed: 1), epoch: 1,
                trainingExamples: 3
            ).write(to: path)
            let again = try LocalModel.read(path)
            #expect(again.preprocessing == sets.preprocessing)
            try SampleData.write("note\nthe heart\n", "new.csv", in: folder)
            let predictions = try again.predict(
                data: folder.appending(path: "new.csv").path, part: .test, threads: 1)
            #expect(predictions.columnNames == ["score_a", "score_b", "score_c"])
            #expect(abs(predictions.values(ofRow: 0).reduce(0, +) - 1) < 1e-5)
        }
    }

    @Test func eachLossHasItsMetrics() throws {
        func names(_ loss: String, units: Int, _ targets: [Float], shape: String = "features: 2") throws -> [String] {
            let file = try SampleData.parse(
                """
                model: {inputs: {x: {\(shape)}}, layers: [dense: {units: \(units)}]}
                loss: \(loss)
                training: {optimizer: sgd, learningRate: 0.1, batchSize: 4, epochs: 1, seed: 1}
                data: {arrays: {file: a.npz, inputs: {x: x}, target: y}}
                """)
            let values = (0..<4 * file.graph.inputShapes[0].count).map { Float($0 * 7 % 5) }
            let examples = Examples(count: 4, inputs: [.floats(values)], targets: [targets])
            try examples.check(file.graph)
            try file.objective.check(examples, file.graph)
            let predictor = try Predictor(file.graph, objective: file.objective, examples: 4, threads: 1)
            let quality = file.quality(predictor, file.graph.initialParameters(seed: 1), examples)
            #expect(quality.loss.isFinite)
            return quality.outputs[0].metrics.map(\.name)
        }
        let classes = ["accuracy", "auc", "averagePrecision", "f1", "brier", "calibrationError", "logLoss"]
        #expect(try names("sigmoidCrossEntropy", units: 1, [0, 1, 1, 0]) == classes)
        #expect(try names("sigmoidCrossEntropy", units: 2, [0, 1, 1, 0, .nan, 1, 1, .nan]) == classes)
        #expect(try names("softmaxCrossEntropy", units: 3, [0, 1, 2, 0]) == classes)
        #expect(
            try names("softmaxCrossEntropy", units: 3, [0, 1, 2, 0, -1, 1, 1, 1], shape: "shape: [2, 3]") == classes)
        #expect(try names("huber", units: 1, [0, 1, 2, 0]) == ["meanAbsoluteError", "rootMeanSquaredError"])
        #expect(try names("coxPartialLikelihood", units: 1, [1, 1, 2, 0, 3, 1, 4, 1]) == ["concordance"])
        #expect(try names("discreteTimeSurvival", units: 5, [1, 1, 2, 0, 3, 1, 4, 1]) == ["concordance"])
        #expect(try names("infoNCE", units: 4, [0, 0, 0, 0]).isEmpty)
    }
}
