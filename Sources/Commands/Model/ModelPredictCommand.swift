// SPDX-License-Identifier: Apache-2.0
// `consilium model predict`: one line of scores for each row of a table, on the machine where the table lies.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import Simulation

struct ModelPredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Apply a model to every row of a table or file.",
        usage: "consilium model predict <file> (--table <file> | --site <file>) [options]",
        discussion: """
            Rows are numbered from 1 as they stand in the file, without the header; they
            need no label. For a model of `consilium model train`, --table is a file of the
            form of its training data: arrays, a table, texts or series; --split chooses
            whose arrays. Output is CSV. With --explain, for a model of one dense layer,
            each line also names the three inputs that moved its score most (weight times
            input).

            Examples:
              consilium model predict model.safetensors --table patients.csv
              consilium model predict model.safetensors --site site.yaml --csv scores.csv
              consilium model predict model.safetensors --table patients.csv --explain
              consilium model predict pneumonia.safetensors --table pneumoniamnist.npz
            """)

    @Argument(help: "The model file (safetensors).")
    var file: String

    @Option(help: ArgumentHelp("The rows: columns or arrays named as in study or training file.", valueName: "file"))
    var table: String?

    @Option(help: ArgumentHelp("A site's configuration, which maps its table.", valueName: "file"))
    var site: String?

    @Option(help: ArgumentHelp("A data set of the site; default: the approved one.", valueName: "name"))
    var dataset: String?

    @Option(help: ArgumentHelp("Write the lines to this file.", valueName: "file"))
    var csv: String?

    @Option(help: "Whose arrays, for a local model: test, validation or train.")
    var split: DataPart = .test

    @Flag(help: "Name the inputs that moved each score most.")
    var explain = false

    func validate() throws {
        guard (table == nil) != (site == nil) else {
            throw ValidationError("name the rows by either --table FILE or --site FILE")
        }
    }

    func run() async throws {
        let loaded = try LoadedModel(file)
        let (rows, text) =
            switch loaded.content {
            case .study(let model): try lines(of: model, parameters: loaded.parameters)
            case .local(let model): try lines(of: model)
            }
        guard let csv else { return Console.standard().raw(text) }
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: csv), options: .atomic) } catch {
            throw CommandError(.notDone, "cannot write \(csv)", hint: "check that its folder exists and may be written")
        }
        Console.standard().line("wrote \(Figures.plural(rows, "line")) to \(csv)")
    }

    private func lines(of model: StudyModel, parameters: [Float]) throws -> (rows: Int, text: String) {
        let study = model.study
        let explanation = try explain ? LinearExplanation(model, parameters: parameters) : nil
        let rows: EncodedTable
        do {
            let mapping = try TableChoice(site: site, dataset: dataset, table: table)
                .mapping(for: study, hash: model.studyHash)
            rows = try TableLoader(contract: study.data, mapping: mapping).loadFeatures()
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let features = try FeatureMatrix.encode(
            rows, preprocessing: model.preprocessing, rows: Array(0..<Int32(rows.rowCount)))
        let outputs = model.network.outputs(parameters: parameters, features: features, rows: rows.rowCount)
        let width = study.task.head.outputs
        var text = (["row"] + study.scoreNames + (explain ? ["explanation"] : [])).csvLine
        for row in 0..<rows.rowCount {
            var cells = [String(row + 1)]
            cells += outputs[row * width..<(row + 1) * width].map { Figures.fixed(Double($0), 6) }
            if let explanation { cells.append(explanation.words(for: features, row: row)) }
            text += cells.csvLine
        }
        return (rows.rowCount, text)
    }

    private func lines(of model: LocalModel) throws -> (rows: Int, text: String) {
        guard let table, !explain else {
            throw CommandError(
                .wrongUse, "the model was trained by `consilium model train`",
                hint: "name its rows with --table FILE, and leave --explain out")
        }
        let predictions: Predictions
        do {
            predictions = try model.predict(
                data: table, part: split, threads: ProcessInfo.processInfo.activeProcessorCount)
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        var text = (["row"] + predictions.columnNames).csvLine
        for row in 0..<predictions.rows {
            text += ([String(row + 1)] + predictions.values(ofRow: row).map { Figures.fixed(Double($0), 6) }).csvLine
        }
        return (predictions.rows, text)
    }
}

extension DataPart: ExpressibleByArgument {}

extension Study {
    /// The columns of a prediction.
    fileprivate var scoreNames: [String] {
        switch data.label?.kind {
        case .classes(let codes): codes.map { "score_\($0)" }
        case .number: ["value"]
        case .binary, nil: ["score"]
        }
    }
}

/// What each input adds to the logit of a model with a single dense layer and one output.
private struct LinearExplanation {
    private let names: [String]
    private let weights: [Float]

    init(_ model: StudyModel, parameters: [Float]) throws {
        guard model.network.specification.elements.count == 1, model.study.task.head.outputs == 1 else {
            throw CommandError(
                .wrongUse, "only a model of one dense layer with one output can be explained",
                hint: "leave --explain out")
        }
        names = model.study.data.features.map { model.study.data.name(of: $0) }
        weights = Array(parameters.prefix(names.count))
    }

    /// `oldpeak +1.20; cp=4 +0.80; sex=1 -0.31`.
    func words(for features: [Float], row: Int) -> String {
        let parts = weights.indices.map { weights[$0] * features[row * weights.count + $0] }
        let largest = parts.indices.sorted { (abs(parts[$0]), $1) > (abs(parts[$1]), $0) }.prefix(3)
        return largest.map { "\(names[$0]) \(String(format: "%+.2f", parts[$0]))" }.joined(separator: "; ")
    }
}

extension [String] {
    /// RFC 4180, with a line feed at the end.
    fileprivate var csvLine: String {
        map { cell in
            cell.contains(where: { ",\"\n\r".contains($0) }) ? "\"" + cell.replacing("\"", with: "\"\"") + "\"" : cell
        }.joined(separator: ",") + "\n"
    }
}
