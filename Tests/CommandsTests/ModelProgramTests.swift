// SPDX-License-Identifier: Apache-2.0
// `consilium model train|evaluate|predict` as people run them, on made-up data: interrupted, resumed, used.

import Foundation
import Glibc
import Testing

@Suite struct ModelProgramTests {
    private static let training = """
        model: {layers: [dense: {units: 512, activation: relu}, dropout: {rate: 0.2}, dense: {units: 1}]}
        loss: sigmoidCrossEntropy
        training: {optimizer: adamW, learningRate: 0.001, batchSize: 8, epochs: 3, seed: 1}
        data:
          table: {file: table.csv, features: [age, marker], label: died, classes: ["no", "yes"]}
          validation: {share: 0.2}
          test: {share: 0.2}
        """

    private func write(_ text: String, to file: URL) throws { try Data(text.utf8).write(to: file) }

    /// A training file and 40,000 rows, whose class follows from the features.
    private func prepare(_ folder: URL) throws -> [String] {
        var table = "name,age,marker,died\n"
        for row in 0..<40_000 {
            let (age, marker) = (40 + row * 37 % 45, Double(row * 13 % 29) / 10)
            table += "person-\(row),\(age),\(marker),\(Double(age) / 20 + marker > 4.5 ? "yes" : "no")\n"
        }
        try write(table, to: folder.appending(path: "table.csv"))
        let file = folder.appending(path: "training.yaml")
        try write(Self.training, to: file)
        return ["model", "train", file.path, "--threads", "1"]
    }

    @Test func anInterruptedTrainingGoesOnToTheSameBits() throws {
        try Program.withFolder { folder in
            let command = try prepare(folder)
            let (whole, stopped) = (folder.appending(path: "whole"), folder.appending(path: "stopped"))
            let first = try Program.run(command + ["--output", whole.path])
            #expect(first.status == 0, "\(first.errors)")
            #expect(first.output.contains("epoch 3/3: loss 0."))
            #expect(first.output.contains("validation: loss 0."))

            let process = Program.prepared(command + ["--output", stopped.path])
            try process.run()
            let checkpoint = stopped.path + ".checkpoint"
            #expect(Program.eventually { FileManager.default.fileExists(atPath: checkpoint) })
            kill(process.processIdentifier, SIGINT)
            #expect(Program.hasEnded(process))
            #expect(process.terminationStatus == 3)
            #expect(!FileManager.default.fileExists(atPath: stopped.path))

            let again = try Program.run(command + ["--output", stopped.path])
            #expect(again.status == 3 && again.errors.contains("hint: go on with --resume"))
            let other = try Program.run(command + ["--output", stopped.path, "--resume", "--epochs", "9"])
            #expect(other.status == 1 && other.errors.contains("another model or training"))
            let rest = try Program.run(command + ["--output", stopped.path, "--resume"])
            #expect(rest.status == 0, "\(rest.errors)")
            #expect(try Data(contentsOf: stopped) == Data(contentsOf: whole))
            #expect(!FileManager.default.fileExists(atPath: checkpoint))

            let quality = try Program.run(["model", "evaluate", whole.path, "--data", folder.path])
            #expect(quality.status == 0 && quality.output.hasPrefix("8,000 examples\nloss 0."), "\(quality)")
            let new = folder.appending(path: "new.csv")
            try write("marker,age\n0.5,45\n2.5,80\n", to: new)
            let scores = try Program.run(["model", "predict", whole.path, "--table", new.path])
            #expect(scores.status == 0 && scores.output.hasPrefix("row,score\n1,0."), "\(scores)")
            #expect(scores.output.split(separator: "\n").count == 3)
        }
    }

    @Test func trainingThatNeedsTooMuchMemoryIsRefusedBeforeDataAreRead() throws {
        try Program.withFolder { folder in
            let file = folder.appending(path: "training.yaml")
            try write(Self.training, to: file)
            let output = folder.appending(path: "model").path
            let result = try Program.run(["model", "train", file.path, "--output", output, "--memory", "10kB"])
            #expect(result.status == 3)
            #expect(result.errors.hasPrefix("error: training would take about "))
            #expect(result.errors.contains("10000 are allowed"))
        }
    }

    @Test func errorsHoldNoValueOfTheData() throws {
        try Program.withFolder { folder in
            let file = folder.appending(path: "training.yaml")
            try write(Self.training, to: file)
            try write("name,age,marker,died\nErika,4o,1,no\n", to: folder.appending(path: "table.csv"))
            let result = try Program.run(
                ["model", "train", file.path, "--output", folder.appending(path: "model").path])
            #expect(result.status == 1)
            #expect(result.errors.contains("row 1: column `age` is not a number"))
            #expect(!result.errors.contains("Erika") && !result.errors.contains("4o"))
        }
    }
}
