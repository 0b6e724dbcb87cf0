// SPDX-License-Identifier: Apache-2.0
// `consilium model predict`: one line of scores for each row of a table, on the machine where the table lies.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import ModelFiles
import NeuralNetworks
import Simulation

struct ModelPredictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Apply a model to every row of a table.",
        usage: "consilium model predict <file> (--table <file> | --site <file>) [options]",
        discussion: """
            Rows are numbered from 1 as they stand in the table, without the header; they
            need no label. Output is CSV. With --explain, for a model of one dense layer,
            each line also names the three inputs that moved its score most (weight times
            input).

            Examples:
              consilium model predict model.safetensors --table patients.csv
              consilium model predict model.safetensors --site site.yaml --csv scores.csv
              consilium model predict model.safetensors --table patients.csv --explain
            """)

    @Argument(help: "The model file (safetensors).")
    var file: String

    @Option(help: ArgumentHelp("A table whose columns are named as in the study.", valueName: "file"))
    var table: String?

    @Option(help: ArgumentHelp("A site's configuration, which maps its table.", valueName: "file"))
    var site: String?

    @Option(help: ArgumentHelp("A data set of the site; default: the approved one.", valueName: "name"))
    var dataset: String?

    @Option(help: ArgumentHelp("Write the lines to this file.", valueName: "file"))
    var csv: String?

    @Flag(help: "Name the inputs that moved each score most.")
    var explain = false

    func validate() throws {
        guard (table == nil) != (site == nil) else {
            throw ValidationError("name the rows by either --table FILE or --site FILE")
        }
    }

    func run() async throws {
        let loaded = try LoadedModel(file)
        let study = loaded.model.study
        let explanation = try explain ? LinearExplanation(loaded) : nil
        let rows: EncodedTable
        do {
            let mapping = try TableChoice(site: site, dataset: dataset, table: table)
                .mapping(for: study, hash: loaded.model.studyHash)
            rows = try TableLoader(contract: study.data, mapping: mapping).loadFeatures()
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let features = try FeatureMatrix.encode(
            rows, preprocessing: loaded.model.preprocessing, rows: Array(0..<Int32(rows.rowCount)))
        let outputs = loaded.model.network.outputs(
            parameters: loaded.parameters, features: features, rows: rows.rowCount)
        let width = study.task.head.outputs
        var text = (["row"] + study.scoreNames + (explain ? ["explanation"] : [])).csvLine
        for row in 0..<rows.rowCount {
            var cells = [String(row + 1)]
            cells += outputs[row * width..<(row + 1) * width].map { Figures.fixed(Double($0), 6) }
            if let explanation { cells.append(explanation.words(for: features, row: row)) }
            text += cells.csvLine
        }
        guard let csv else { return Console.standard().raw(text) }
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: csv), options: .atomic) } catch {
            throw CommandError(.notDone, "cannot write \(csv)", hint: "check that its folder exists and may be written")
        }
        Console.standard().line("wrote \(Figures.plural(rows.rowCount, "line")) to \(csv)")
    }
}

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

    init(_ loaded: LoadedModel) throws {
        let model = loaded.model
        guard model.network.specification.elements.count == 1, model.study.task.head.outputs == 1 else {
            throw CommandError(
                .wrongUse, "only a model of one dense layer with one output can be explained",
                hint: "leave --explain out")
        }
        names = model.study.data.features.map { model.study.data.name(of: $0) }
        weights = Array(loaded.parameters.prefix(names.count))
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
