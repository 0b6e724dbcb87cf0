// SPDX-License-Identifier: Apache-2.0
// `consilium model show`: the card of a model file.

import ArgumentParser
import Federation
import ModelFiles
import ModelTraining
import NeuralNetworks

struct ModelShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what a model file is: study, inputs, layers, hash.",
        discussion: """
            Examples:
              consilium model show model.safetensors
              consilium model show model.safetensors --json -
            """)

    private struct Card: Codable {
        struct Input: Codable {
            var name: String
            var treatment: String
        }

        var title: String
        var purpose: String
        var study: String
        var studyHash: String
        var task: String
        var round: Int
        var trainingRows: Int
        var inputs: [Input]
        var tensors: [String: [Int]]
        var parameters: Int
        var bytes: Int
        var sha256: String
    }

    @Argument(help: "The model file (safetensors).")
    var file: String

    @OptionGroup var json: JSONOption

    func run() async throws {
        let loaded = try LoadedModel(file)
        switch loaded.content {
        case .study(let model): try show(model, loaded)
        case .local(let model): try show(model, loaded)
        }
    }

    private func show(_ model: StudyModel, _ loaded: LoadedModel) throws {
        let study = model.study
        let card = Card(
            title: study.title, purpose: study.purpose, study: study.name, studyHash: model.studyHash.hex,
            task: study.task.words, round: model.round, trainingRows: model.trainingRows,
            inputs: zip(study.data.features, Self.treatments(model)).map {
                Card.Input(name: study.data.name(of: $0), treatment: $1)
            },
            tensors: Dictionary(
                model.network.slices.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first }),
            parameters: loaded.parameters.count, bytes: loaded.byteCount, sha256: loaded.sha256.hex)
        let console = json.console
        console.heading("\(card.study): \(card.title)")
        console.line(card.purpose)
        console.line("study    \(card.studyHash)")
        console.line("file     \(card.sha256)")
        let parameters = Figures.plural(card.parameters, "parameter")
        console.line("model    \(card.task), \(parameters), \(Figures.bytes(card.bytes))")
        let rows = Figures.plural(card.trainingRows, "row")
        console.line("training after round \(card.round), on \(rows) of all sites together")
        for slice in model.network.slices {
            console.line("tensor   \(slice.name) [\(slice.shape.map(String.init).joined(separator: ", "))]")
        }
        var table = TextTable([("input", .left), ("treatment", .left)])
        for input in card.inputs { table.add([input.name, input.treatment]) }
        for line in table.lines { console.line(line) }
        console.line("for research; not a medical device; evaluate on local patients before any use")
        try json.write(card)
    }

    private struct LocalCard: Codable {
        var trainingHash: String
        var losses: [String]
        var epoch: Int
        var trainingExamples: Int
        var data: String
        var tensors: [String: [Int]]
        var parameters: Int
        var bytes: Int
        var sha256: String
    }

    private func show(_ model: LocalModel, _ loaded: LoadedModel) throws {
        let file = model.file
        let card = LocalCard(
            trainingHash: file.hash.hex, losses: file.objective.terms.map { type(of: $0.loss).kind },
            epoch: model.epoch, trainingExamples: model.trainingExamples, data: file.data.source.kind,
            tensors: Dictionary(file.graph.slices.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first }),
            parameters: loaded.parameters.count, bytes: loaded.byteCount, sha256: loaded.sha256.hex)
        let console = json.console
        console.heading("local model of \(card.data)")
        console.line("training \(card.trainingHash)")
        console.line("file     \(card.sha256)")
        console.line("loss     \(card.losses.joined(separator: ", "))")
        console.line(
            "model    \(Figures.plural(card.parameters, "parameter")), \(Figures.bytes(card.bytes)), epoch \(card.epoch), "
                + "trained on \(Figures.plural(card.trainingExamples, "example"))")
        for slice in file.graph.slices {
            console.line("tensor   \(slice.name) [\(slice.shape.map(String.init).joined(separator: ", "))]")
        }
        console.line("for research; not a medical device; evaluate on local patients before any use")
        try json.write(card)
    }

    /// What happens to each input before the model, in the order of the features.
    private static func treatments(_ model: StudyModel) -> [String] {
        let columns = model.study.data.featureColumns
        return zip(columns, model.preprocessing.columns).flatMap { column, treatment -> [String] in
            switch treatment {
            case .quantity(let mean, let deviation):
                return ["(value - \(Figures.fixed(mean, 4))) / \(Figures.fixed(deviation, 4)); missing 0"]
            case .category(let fill, let centers, let scales):
                var missing = "none"
                if let fill, case .category(let category) = model.study.data.columns[column].kind {
                    missing = "code \(category.codes[fill])"
                }
                return zip(centers, scales).map { center, scale in
                    let value =
                        center == 0 && scale == 1
                        ? "0 or 1" : "(0 or 1 - \(Figures.fixed(center, 4))) / \(Figures.fixed(scale, 4))"
                    return "\(value); missing \(missing)"
                }
            }
        }
    }
}
