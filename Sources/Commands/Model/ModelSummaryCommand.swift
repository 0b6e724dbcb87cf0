// SPDX-License-Identifier: Apache-2.0
// `consilium model summary`: the layers of a model, and what it costs, before anybody trains it.

import ArgumentParser
import Federation
import ModelTraining
import NeuralNetworks

struct ModelSummaryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Show a model's layers, parameters and memory.",
        discussion: """
            The file is a model (studies/models), a training file, a study, or a trained
            model. Nothing is trained and no data are read.

            Examples:
              consilium model summary studies/models/resnet18.yaml
              consilium model summary studies/training/pneumonia.yaml --batch 128
              consilium model summary model.safetensors --json -
            """)

    private struct Result: Codable {
        var kind: String
        var summary: ModelSummary
    }

    @Argument(help: "The file: YAML or safetensors.")
    var file: String

    @Option(help: ArgumentHelp("Examples of a batch; default: the file's own, else 1.", valueName: "n"))
    var batch: Int?

    @OptionGroup var json: JSONOption

    func validate() throws {
        if let batch, !(1...1_000_000).contains(batch) {
            throw ValidationError("--batch is a number from 1 to 1000000")
        }
    }

    func run() async throws {
        let result: Result
        do {
            let subject = try SummarySubject(path: file)
            result = Result(kind: subject.kind, summary: try subject.summary(batchSize: batch))
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        // Tables keep their columns; lines are never wrapped.
        json.console.raw("\(result.kind)\n\n\(result.summary.table)")
        try json.write(result)
    }
}
