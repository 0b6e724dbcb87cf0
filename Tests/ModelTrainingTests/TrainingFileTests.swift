// SPDX-License-Identifier: Apache-2.0
// Training files: the examples, canonical forms, and where each mistake is shown.

import Federation
import Foundation
import ModelTraining
import NeuralNetworks
import StudyFiles
import Testing

@Suite struct TrainingFileTests {
    static let examples = ["abstracts", "fine-tuning", "heart-failure", "heartbeats", "pneumonia"]

    private static func path(_ name: String) -> String {
        SampleData.root.appending(path: "studies/training/\(name).yaml").path
    }

    @Test func allExamplesAreTested() throws {
        let folder = SampleData.root.appending(path: "studies/training").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
        #expect(names.sorted() == Self.examples.map { "\($0).yaml" })
    }

    @Test(arguments: examples) func examplesAreValidAndComeBackFromTheirCanonicalForm(_ name: String) throws {
        let file = try TrainingFile.load(Self.path(name))
        let again = try TrainingFile.parse(
            CanonicalValue(canonicalBytes: file.canonicalValue.bytes).documentNode, path: "x")
        #expect(again.canonicalValue == file.canonicalValue)
        #expect(again.hash == file.hash)
        #expect(again.data == file.data && again.model == file.model)
    }

    // Two outputs of which one learns the weight of its loss: read, written, and with a tensor of its own.
    @Test func learnedWeightsAreReadAndWritten() throws {
        func file(_ weight: String) throws -> TrainingFile {
            try SampleData.parse(
                """
                model:
                  inputs: {x: {features: 3}}
                  layers:
                    - {dense: {units: 4}, name: kind, from: x}
                    - {dense: {units: 1}, name: risk, from: x}
                  outputs: [kind, risk]
                loss:
                  - {output: kind, loss: softmaxCrossEntropy, weight: \(weight)}
                  - {output: risk, loss: meanSquaredError, weight: 0.3}
                training: {optimizer: sgd, learningRate: 0.1, batchSize: 4, epochs: 1, seed: 1}
                data: {arrays: {file: a.npz, inputs: {x: x}, target: {kind: a, risk: b}}}
                """)
        }
        let (fixed, learned) = (try file("1"), try file("learned"))
        #expect(fixed.hash != learned.hash)
        #expect(learned.objective.terms.map(\.learnsWeight) == [true, false])
        #expect(learned.graph.slices.last?.name == "loss.logVariances" && learned.graph.slices.last?.shape == [1])
        #expect(learned.graph.parameterCount == fixed.graph.parameterCount + 1)
        let again = try TrainingFile.parse(
            CanonicalValue(canonicalBytes: learned.canonicalValue.bytes).documentNode, path: "x")
        #expect(again.hash == learned.hash)
        #expect(throws: FileError.self) { try file("unlearned") }
    }

    @Test func everySettingChangesTheHash() throws {
        let one = try SampleData.parse(SampleData.tableTraining())
        var hashes = [one.hash]
        for (old, new) in [
            ("0.01", "0.02"), ("seed: 7", "seed: 8"), ("share: 0.2}", "share: 0.3}"), ("units: 8", "units: 9"),
            ("sigmoidCrossEntropy", "{sigmoidCrossEntropy: {focalGamma: 2}}"), ("batchSize: 16", "batchSize: 8"),
            ("patient: patient", "patient: patient\n    missing: mean"),
        ] {
            hashes.append(try SampleData.parse(SampleData.tableTraining().replacing(old, with: new)).hash)
        }
        #expect(Set(hashes).count == hashes.count)
    }

    private static func withLoss(_ loss: String, units: Int = 1) -> String {
        """
        model: {layers: [dense: {units: \(units)}]}
        loss: \(loss)
        training: {optimizer: sgd, learningRate: 0.1, batchSize: 4, epochs: 1, seed: 1}
        data: {table: {file: t.csv, features: [a, b], label: [c]}}
        """
    }

    @Test(arguments: [
        ("{sigmoidCrossEntropy: {positiveWeight: 3, focalGamma: 2}}", 1),
        ("{softmaxCrossEntropy: {labelSmoothing: 0.1, classWeights: [1, 2, 0.5]}}", 3),
        ("{softmaxCrossEntropy: {focalGamma: 1.5}}", 2), ("meanSquaredError", 1), ("meanAbsoluteError", 2),
        ("{huber: {delta: 0.5}}", 1), ("{poisson: {full: true}}", 1), ("{coxPartialLikelihood: {ties: breslow}}", 1),
        ("discreteTimeSurvival", 12), ("{infoNCE: {temperature: 0.07, symmetric: false}}", 8),
    ]) func everyLossIsReadAndWritten(_ loss: String, units: Int) throws {
        let file = try SampleData.parse(Self.withLoss(loss, units: units))
        let again = try TrainingFile.parse(
            CanonicalValue(canonicalBytes: file.canonicalValue.bytes).documentNode, path: "x")
        let (one, other) = (file.objective.terms[0].loss, again.objective.terms[0].loss)
        #expect(AnyHashable(one) == AnyHashable(other))
        #expect(loss.contains(type(of: one).kind))
    }

    @Test func severalOutputsHaveLossesOfTheirOwn() throws {
        let text = """
            model:
              inputs: {image: {shape: [1, 4, 4]}, notes: {tokens: 6}}
              layers:
                - {flatten, name: pixels, from: image}
            """
        #expect(throws: FileError.self) { try SampleData.parse(text) }
        let file = try SampleData.parse(
            """
            model:
              inputs: {image: {shape: [3, 4, 4]}}
              layers:
                - flatten
                - {dense: {units: 1}, name: risk}
                - {dense: {units: 4}, name: kind, from: "0"}
              outputs: [risk, kind]
            loss:
              - {output: kind, loss: softmaxCrossEntropy, weight: 0.3}
              - {output: risk, loss: sigmoidCrossEntropy}
            training: {optimizer: sgd, learningRate: 0.1, batchSize: 4, epochs: 1, seed: 1}
            data:
              arrays:
                file: a.npz
                inputs: {image: {array: x, divide: 255, mean: [0, 1, 2], deviation: 2, channelsLast: true}}
                target: {kind: k, risk: [r]}
            """)
        #expect(file.objective.terms.map(\.output) == [1, 0])
        #expect(file.objective.terms.map(\.weight) == [0.3, 1])
        let again = try TrainingFile.parse(
            CanonicalValue(canonicalBytes: file.canonicalValue.bytes).documentNode, path: "x")
        #expect(again.data == file.data)
    }

    /// What is changed in a valid file, and the place and the problem that are shown.
    static let mistakes: [(old: String, new: String, error: String)] = [
        ("epochs: 3", "epoch: 3", "8:3: `training` has an unknown key"),
        ("epochs: 3", "epochs: 0", "8:11: `training.epochs` is out of range"),
        ("optimizer: adamW", "optimizer: adamQ", "4:14: `training.optimizer` must name exactly one known kind"),
        ("loss: sigmoidCrossEntropy", "loss: crossEntropy", "2:7: `loss` must name exactly one known kind"),
        ("loss: sigmoidCrossEntropy", "loss: softmaxCrossEntropy", "2:7: `loss` does not fit the model"),
        ("loss: sigmoidCrossEntropy", "loss: [{output: top, loss: huber}]", "2:7: `loss` judges an unknown output"),
        ("units: 8", "units: -8", "1:33: `model.layers[0].dense.units` is out of range"),
        ("classes: [\"no\", \"yes\"]", "classes: [\"no\", \"yes\", \"so\"]", "12:3: `data` has 3 classes"),
        ("classes: [\"no\", \"yes\"]", "classes: [\"no\"]", "16:14: `data.table.classes` has one code only"),
        ("label: died", "label: age", "13:5: `data.table` uses a column twice"),
        ("label: died", "label: {time: t, even: e}", "15:22: `data.table.label` has an unknown key"),
        ("{share: 0.2}", "{share: 0.6}", "12:3: `data` holds back nearly everything"),
        ("{share: 0.2}", "{shares: 0.2}", "18:16: `data.validation` has an unknown key"),
        ("{share: 0.2}", "{}", "18:15: `data.validation` must say where its examples are"),
        ("  table:", "  tables:", "12:3: `data` has an unknown key"),
        ("  validation: {share: 0.2}\n", "", "4:3: `training` stops after epochs without improvement"),
        ("seed: 7", "seed: -7", "9:9: `training.seed` must be a whole number"),
        ("batchSize: 16", "batchSize: 16\n  accumulate: 0", "8:15: `training.accumulate` is out of range"),
        ("batchSize: 16", "batchSize: 16\n  averageDecay: 1", "8:17: `training.averageDecay` is out of range"),
        ("batchSize: 16", "batchSize: 16\n  freeze: [\"0\", dens]", "8:17: `training.freeze[1]` names no layer"),
        (
            "batchSize: 16", "batchSize: 16\n  freeze: [\"1\"]",
            "8:12: `training.freeze[0]` names no layer with parameters"
        ),
        ("batchSize: 16", "batchSize: 16\n  freeze: [\"0\", \"2\"]", "4:3: `training` freezes every layer"),
        ("batchSize: 16", "batchSize: 16\n  layerRates: {\"0\": -1}", "8:21: `training.layerRates.0` is out of range"),
        (
            "batchSize: 16", "batchSize: 16\n  freeze: [\"0\"]\n  layerRates: {\"0\": 2}",
            "9:21: `training.layerRates.0` names a layer twice"
        ),
        ("{cosine: {final: 0}}", "{plateau: {factor: 1}}", "6:32: `training.schedule.plateau.factor` is out of range"),
        ("{cosine: {final: 0}}", "{plateau: {wait: 1}}", "6:24: `training.schedule.plateau` has an unknown key"),
    ]

    @Test func aPlateauWantsAValidation() throws {
        let text = SampleData.tableTraining().replacing("{cosine: {final: 0}}", with: "plateau")
            .replacing("  validation: {share: 0.2}\n", with: "")
        let error = #expect(throws: FileError.self) { try SampleData.parse(text) }
        #expect(error?.message.contains("lowers the learning rate on a plateau, but there is no validation") == true)
    }

    @Test func everyExtraIsReadAndWritten() throws {
        let text = SampleData.tableTraining(
            extra: """
                  accumulate: 4
                  averageDecay: 0.99
                  freeze: ["0"]
                  layerRates: {"2": 0.5}
                """
        ).replacing(
            "{cosine: {final: 0}}",
            with: "{warmup: {steps: 9, then: {plateau: {factor: 0.5, patience: 2, cooldown: 1, minimumFactor: 0.01}}}}")
        let file = try SampleData.parse(text)
        #expect(file.training.schedule == .warmup(steps: 9))
        #expect(
            file.training.plateau == ReduceOnPlateau(step: 0.5, patience: 2, cooldown: 1, minimumFactor: 0.01))
        #expect(file.training.accumulate == 4 && file.training.averageDecay == 0.99)
        #expect(file.training.layerRates == LayerRates(["0": 0, "2": 0.5]))
        #expect(file.graph.slices.map(\.isFrozen) == [true, true, false, false])
        let again = try TrainingFile.parse(
            CanonicalValue(canonicalBytes: file.canonicalValue.bytes).documentNode, path: "x")
        #expect(again.training == file.training && again.hash == file.hash)
        // What is not used does not show: older files keep their hash.
        let plain = String(
            decoding: try SampleData.parse(SampleData.tableTraining()).canonicalValue.bytes, as: UTF8.self)
        for key in ["accumulate", "averageDecay", "layerRates", "freeze", "plateau"] { #expect(!plain.contains(key)) }
    }

    @Test(arguments: mistakes.indices) func mistakesAreShownWhereTheyAre(_ index: Int) throws {
        let mistake = Self.mistakes[index]
        let text = SampleData.tableTraining(extra: mistake.new.isEmpty ? "  stopAfter: 2" : "")
        #expect(text.contains(mistake.old))
        let error = #expect(throws: FileError.self) {
            try SampleData.parse(text.replacing(mistake.old, with: mistake.new))
        }
        let message = error?.message ?? ""
        #expect(message.hasPrefix("training.yaml:\(mistake.error)"), "\(message)")
        #expect(error?.hint.isEmpty == false)
    }

    @Test func mistakesInTheModelsOwnFileNameThatFile() throws {
        try SampleData.withFolder { folder in
            try SampleData.write("layers:\n  - dens: {units: 1}\n", "model.yaml", in: folder)
            let training = SampleData.tableTraining().replacing(/model: .*\n/, with: "model: model.yaml\n")
            try SampleData.write(training, "training.yaml", in: folder)
            let error = #expect(throws: FileError.self) {
                try TrainingFile.load(folder.appending(path: "training.yaml").path)
            }
            #expect(error?.path.hasSuffix("model.yaml") == true)
            #expect(error?.position?.line == 2)
        }
    }

    @Test func everyKindOfFileIsRecognised() throws {
        func kind(_ name: String) throws -> String {
            try SummarySubject(path: SampleData.root.appending(path: "studies/\(name).yaml").path).kind
        }
        #expect(try kind("models/resnet18") == "model")
        #expect(try kind("training/heartbeats") == "training file")
        #expect(try kind("heart-disease") == "study")
        let subject = try SummarySubject(path: Self.path("pneumonia"))
        #expect(try subject.summary(batchSize: nil).batchSize == 64)
        #expect(try subject.summary(batchSize: 3).batchSize == 3)
    }
}
