// SPDX-License-Identifier: Apache-2.0
// `consilium model evaluate`: how a model does on a hospital's own rows. The result stays there.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import ModelFiles
import ModelTraining
import Simulation

struct ModelEvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Judge a model on a site's own rows; the result stays there.",
        usage: "consilium model evaluate <file> (--site <file> | --data <path>) [options]",
        discussion: """
            A study's model is judged on the table of a site. Its AUC comes from score
            histograms, as in an evaluation round, with the bracket in which the exact
            value lies.

            A model of `consilium model train` is judged on --data: a folder, for the part
            --split of the data that its training file names; or one file of the same form,
            all of its rows, and for arrays those of --split. Its metrics are exact.

            Examples:
              consilium model evaluate pneumonia.safetensors --data downloads
              consilium model evaluate model.safetensors --data other-hospital.csv
              consilium model evaluate model.safetensors --site sites/cleveland/site.yaml
              consilium model evaluate model.safetensors --site site.yaml --split all
            """)

    enum Part: String, CaseIterable, ExpressibleByArgument, Codable {
        case test
        case validation
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
    var site: String?

    @Option(help: ArgumentHelp("The folder or file of the data of a local model.", valueName: "path"))
    var data: String?

    @Option(help: ArgumentHelp("A data set of the site; default: the approved one.", valueName: "name"))
    var dataset: String?

    @Option(help: "The rows: test, validation (local models), train or all (studies).")
    var split: Part = .test

    @Option(help: ArgumentHelp("Threads for a local model; default: all processors.", valueName: "n"))
    var threads: Int?

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (site == nil) != (data == nil) else {
            throw ValidationError("name the rows by either --site FILE or --data PATH")
        }
        if let threads, !(1...256).contains(threads) { throw ValidationError("--threads is a number from 1 to 256") }
    }

    func run() async throws {
        let loaded = try LoadedModel(file)
        switch loaded.content {
        case .study(let model): try evaluate(model, loaded)
        case .local(let model): try evaluate(model, loaded)
        }
    }

    // MARK: Local models

    private struct LocalResult: Codable {
        var sha256: String
        var split: Part
        var quality: TaskQuality
    }

    private func evaluate(_ model: LocalModel, _ loaded: LoadedModel) throws {
        guard let data else {
            throw CommandError(
                .wrongUse, "the model was trained by `consilium model train`", hint: "name its rows with --data PATH")
        }
        let part: DataPart
        switch split {
        case .test: part = .test
        case .validation: part = .validation
        case .train: part = .training
        case .all:
            throw CommandError(
                .wrongUse, "--split all goes with the model of a study",
                hint: "name a file with --data: all of its rows are used")
        }
        let quality: TaskQuality
        do {
            quality = try model.evaluate(
                data: data, part: part, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let console = json.console
        console.line(Figures.plural(quality.examples, "example"))
        for line in quality.lines { console.line(line) }
        try json.write(LocalResult(sha256: loaded.sha256.hex, split: split, quality: quality))
    }

    // MARK: Models of studies

    private func evaluate(_ model: StudyModel, _ loaded: LoadedModel) throws {
        guard site != nil else {
            throw CommandError(
                .wrongUse, "the model is that of a study", hint: "name its rows with --site FILE")
        }
        let study = model.study
        let choice = TableChoice(site: site, dataset: dataset)
        let table: EncodedTable
        do {
            let mapping = try choice.mapping(for: study, hash: model.studyHash)
            table = try TableLoader(contract: study.data, mapping: mapping).load().table
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let rows: [Int32]
        switch split {
        case .test: rows = table.rows(in: .test)
        case .train: rows = table.rows(in: .train)
        case .all: rows = (table.rows(in: .train) + table.rows(in: .test)).sorted()
        case .validation:
            throw CommandError(
                .wrongUse, "--split validation goes with a local model", hint: "a study has train and test rows")
        }
        guard !rows.isEmpty else {
            throw CommandError(.doesNotHold, "the table has no \(split.rawValue) rows", hint: "try --split all")
        }
        let labels = rows.map { table.labels[Int($0)] }
        let quality = try ModelQuality(
            judging: model.outputs(for: table, rows: rows, parameters: loaded.parameters), labels: labels,
            study: study)
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
