// SPDX-License-Identifier: Apache-2.0
// Reads the data of a training file: training, validation and test, encoded for the model.

import ClinicalData
import Foundation
package import NeuralNetworks

/// The encoded parts of a training's data.
package struct DataSets: Sendable {
    package var training: Examples
    package var validation: Examples?
    package var test: Examples?
    package let preprocessing: FittedPreprocessing
}

/// Reads files that a training file describes.
package struct DataSetReader: Sendable {
    private let file: TrainingFile
    private let folder: String
    private let staysInFolder: Bool

    /// - Parameters:
    ///   - folder: Where relative file names count from.
    ///   - staysInFolder: Whether names that lead out of the folder are refused: for files of other people.
    package init(_ file: TrainingFile, folder: String, staysInFolder: Bool = false) {
        self.file = file
        self.folder = folder
        self.staysInFolder = staysInFolder
    }

    /// Reads all parts; the training rows alone decide about the preprocessing.
    ///
    /// - Throws: ``DataError``; ``LocalModelError`` when the data do not fit the model.
    package func load() throws -> DataSets {
        let (training, validation, test, columns) = try parts()
        let fitted = FittedPreprocessing(file.data.source, training, columns: columns)
        return DataSets(
            training: try encode(training, fitted), validation: try validation.map { try encode($0, fitted) },
            test: try test.map { try encode($0, fitted) }, preprocessing: fitted)
    }

    /// One part of the data the training file names, with the preprocessing of the training.
    ///
    /// - Throws: As ``load()``.
    package func load(_ part: DataPart, _ fitted: FittedPreprocessing) throws -> Examples {
        let (training, validation, test, _) = try parts(columns: fitted.tableColumns)
        let wanted: RawExamples? =
            switch part {
            case .training: training
            case .validation: validation
            case .test: test
            }
        guard let wanted else {
            throw LocalModelError(
                .unfitData, "the training file names no \(part.rawValue) data",
                hint: "choose another part, or name the file of the rows")
        }
        return try encode(wanted, fitted)
    }

    /// All rows of one file of the same form as the training data.
    ///
    /// - Parameters:
    ///   - part: Whose arrays are read, where the data are arrays.
    ///   - readsTargets: Whether the file has labels; without, the examples have no targets.
    /// - Throws: As ``load()``.
    package func load(
        path: String, as part: DataPart, _ fitted: FittedPreprocessing, readsTargets: Bool
    ) throws -> Examples {
        let raw = try SourceReader(file, columns: fitted.tableColumns, readsTargets: readsTargets)
            .read(path, arrays: arrays(of: part))
        return try encode(raw, fitted)
    }

    // MARK: Parts

    private func path(_ name: String) throws(LocalModelError) -> String {
        guard !staysInFolder || !(name.hasPrefix("/") || name.split(separator: "/").contains("..")) else {
            throw LocalModelError(
                .unfitData, "the model names data outside the folder", hint: "name the file itself with --data FILE")
        }
        return name.hasPrefix("/") ? name : URL(fileURLWithPath: folder).appending(path: name).relativePath
    }

    private func arrays(of part: DataPart) -> ArrayPlace? {
        guard case .arrays(let source) = file.data.source else { return nil }
        let held: DataDescription.Held? =
            switch part {
            case .training: nil
            case .validation: file.data.validation
            case .test: file.data.test
            }
        if case .arrays(let place) = held { return place }
        return source.place
    }

    private typealias Parts = (
        training: RawExamples, validation: RawExamples?, test: RawExamples?, columns: [TableSource.Column]
    )

    private func parts(columns fixed: [TableSource.Column]? = nil) throws -> Parts {
        let source = file.data.source
        let columns = try fixed ?? SourceReader.columns(of: source, path: try path(source.file))
        let reader = SourceReader(file, columns: columns, readsTargets: true)
        var training = try reader.read(path(source.file), arrays: arrays(of: .training))
        func other(_ held: DataDescription.Held?) throws -> RawExamples? {
            switch held {
            case .arrays(let place): try reader.read(path(place.file), arrays: place)
            case .file(let name): try reader.read(path(name), arrays: nil)
            case .share, nil: nil
            }
        }
        var (validation, test) = (try other(file.data.validation), try other(file.data.test))
        var left = 1.0
        func holdBack(_ held: DataDescription.Held?, _ part: DataPart) throws -> RawExamples? {
            guard case .share(let share) = held else { return nil }
            let split = StratifiedShare(
                classes: classes(of: training), patients: training.patients, share: share / left,
                seed: file.training.seed, stream: part.rawValue)
            left -= share
            guard !split.held.isEmpty, !split.rest.isEmpty else {
                throw LocalModelError(
                    .unfitData, "\(training.count) rows are too few to hold back a share for \(part.rawValue)",
                    hint: "give more rows, another share, or a file of its own")
            }
            defer { training = training.selecting(split.rest) }
            return training.selecting(split.held)
        }
        test = try holdBack(file.data.test, .test) ?? test
        validation = try holdBack(file.data.validation, .validation) ?? validation
        return (training, validation, test, columns)
    }

    /// What shares are alike in: the class, the event; nothing for values.
    private func classes(of rows: RawExamples) -> [Int] {
        let (loss, targets) = (file.objective.terms[0].loss, rows.targets[0])
        let width = rows.count == 0 ? 1 : targets.count / rows.count
        func whole(_ value: Float) -> Int { Int(exactly: value.rounded()) ?? 0 }
        return (0..<rows.count).map { row in
            switch loss {
            case is SigmoidCrossEntropy where width == 1, is SoftmaxCrossEntropy where width == 1: whole(targets[row])
            case is CoxPartialLikelihood, is DiscreteTimeSurvival: whole(targets[width * row + 1])
            default: 0
            }
        }
    }

    private func encode(_ rows: RawExamples, _ fitted: FittedPreprocessing) throws -> Examples {
        var standardizes = false
        if case .table(let source) = file.data.source { standardizes = source.standardizes }
        let examples = fitted.examples(rows, length: file.graph.inputShapes[0].sizes[0], standardizes: standardizes)
        do {
            try examples.check(file.graph)
            if !rows.targets.isEmpty { try file.objective.check(examples, file.graph) }
        } catch {
            throw LocalModelError(
                .unfitData, "the data do not fit the model: \(error)",
                hint: "compare the model's inputs and outputs with the data; examples count from 0")
        }
        return examples
    }
}

extension FittedPreprocessing {
    /// The columns of a table that the preprocessing was made for.
    fileprivate var tableColumns: [TableSource.Column] {
        guard case .columns(let columns) = self else { return [] }
        return columns.map { TableSource.Column(name: $0.name, codes: $0.codes) }
    }
}
