// SPDX-License-Identifier: Apache-2.0
// `consilium model evaluate`: how a model does on a hospital's own rows. The result stays there.

import ArgumentParser
import ClinicalData
import Federation
import ModelFiles
import Simulation

struct ModelEvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Judge a model on a site's own rows; the result stays there.",
        usage: "consilium model evaluate <file> --site <file> [options]",
        discussion: """
            The AUC comes from score histograms, as in an evaluation round, with the
            bracket in which the exact value lies.

            Examples:
              consilium model evaluate model.safetensors --site sites/cleveland/site.yaml
              consilium model evaluate model.safetensors --site site.yaml --split all
            """)

    enum Part: String, CaseIterable, ExpressibleByArgument, Codable {
        case test
        case train
        case all
    }

    private struct Result: Codable {
        var sha256: String
        var split: Part
        var quality: ModelQuality
        /// Rows of each class; absent for a regression.
        var labelCounts: [Int]?
    }

    @Argument(help: "The model file (safetensors).")
    var file: String

    @Option(help: ArgumentHelp("The site's configuration file.", valueName: "file"))
    var site: String

    @Option(help: ArgumentHelp("A data set of the site; default: the approved one.", valueName: "name"))
    var dataset: String?

    @Option(help: "The rows: test, train or all.")
    var split: Part = .test

    @OptionGroup var json: JSONOption

    func run() async throws {
        let loaded = try LoadedModel(file)
        let study = loaded.model.study
        let choice = TableChoice(site: site, dataset: dataset)
        let table: EncodedTable
        do {
            let mapping = try choice.mapping(for: study, hash: loaded.model.studyHash)
            table = try TableLoader(contract: study.data, mapping: mapping).load().table
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let rows: [Int32] =
            switch split {
            case .test: table.rows(in: .test)
            case .train: table.rows(in: .train)
            case .all: (table.rows(in: .train) + table.rows(in: .test)).sorted()
            }
        guard !rows.isEmpty else {
            throw CommandError(.doesNotHold, "the table has no \(split.rawValue) rows", hint: "try --split all")
        }
        let labels = rows.map { table.labels[Int($0)] }
        let quality = try ModelQuality(judging: loaded.outputs(for: table, rows: rows), labels: labels, study: study)
        let result = Result(
            sha256: loaded.sha256.hex, split: split, quality: quality,
            labelCounts: Self.counts(labels, classes: study.task.classCount))
        print(result, to: json.console)
        try json.write(result)
    }

    private static func counts(_ labels: [Float], classes: Int?) -> [Int]? {
        classes.map { classes in
            var counts = [Int](repeating: 0, count: classes)
            for label in labels { counts[Int(label)] += 1 }
            return counts
        }
    }

    private func print(_ result: Result, to console: Console) {
        let quality = result.quality
        console.line("\(Figures.plural(quality.rows ?? 0, "row")) (\(result.split.rawValue))")
        if let counts = result.labelCounts {
            console.line("labels    " + counts.enumerated().map { "class \($0): \($1)" }.joined(separator: ", "))
        }
        if let accuracy = quality.accuracy { console.line("accuracy  \(Figures.fixed(accuracy))") }
        if let auc = quality.auc {
            console.line(
                "AUC       \(Figures.fixed(auc)), between \(Figures.fixed(quality.aucLower, 4)) and "
                    + Figures.fixed(quality.aucUpper, 4))
        }
        if let logLoss = quality.logLoss { console.line("log loss  \(Figures.fixed(logLoss))") }
        if let brier = quality.brier { console.line("Brier     \(Figures.fixed(brier))") }
        if let error = quality.meanAbsoluteError { console.line("mean absolute error       \(Figures.fixed(error))") }
        if let error = quality.rootMeanSquaredError {
            console.line("root mean squared error   \(Figures.fixed(error))")
        }
        if let share = quality.rSquared { console.line("R squared                 \(Figures.fixed(share))") }
        if quality.accuracy != nil, quality.auc == nil { console.line("AUC       – (all rows have one label)") }
    }
}

extension LearningTask {
    /// nil for a regression.
    var classCount: Int? {
        switch self {
        case .binary: 2
        case .multiclass(let classes): classes
        case .regression: nil
        }
    }
}
