// SPDX-License-Identifier: Apache-2.0
// A local model applied to data: quality where labels are known, scores where they need not be.

import Foundation
package import NeuralNetworks

extension LocalModel {
    /// How good the model is on labelled examples.
    ///
    /// - Parameter data: A folder: `part` of the data that the training file names, there. A file of the same form: all of
    ///   its rows; of arrays those of `part`.
    /// - Throws: ``DataError``; ``LocalModelError`` when the data do not fit.
    package func evaluate(data: String, part: DataPart, threads: Int) throws -> TaskQuality {
        let isFolder = Self.isFolder(data)
        let reader = DataSetReader(file, folder: isFolder ? data : "", staysInFolder: true)
        let examples =
            isFolder
            ? try reader.load(part, preprocessing)
            : try reader.load(path: data, as: part, preprocessing, readsTargets: true)
        return try quality(on: examples, threads: threads)
    }

    /// How good the model is on labelled examples that were checked.
    package func quality(on examples: Examples, threads: Int) throws -> TaskQuality {
        file.quality(try predictor(examples, threads), parameters, examples)
    }

    /// The predictions for all rows of a file, which needs no labels: `[rows, columns]`, with the names of the columns.
    ///
    /// - Parameter part: Whose arrays are read, where the data are arrays.
    /// - Throws: As ``evaluate(data:part:threads:)``.
    package func predict(data: String, part: DataPart, threads: Int) throws -> Predictions {
        guard !Self.isFolder(data) else {
            throw LocalModelError(.unfitData, "\(data) is a folder", hint: "name the file with the rows")
        }
        let examples = try DataSetReader(file, folder: "")
            .load(path: data, as: part, preprocessing, readsTargets: false)
        let outputs = try predictor(examples, threads).predictions(parameters, examples)
        return Predictions(rows: examples.count, names: predictionNames, outputs: outputs)
    }

    private func predictor(_ examples: Examples, _ threads: Int) throws -> Predictor {
        try Predictor(file.graph, objective: file.objective, examples: examples.count, threads: threads)
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}

/// What a model says about rows.
package struct Predictions: Sendable {
    package let rows: Int
    /// The names of the columns of each output.
    private let names: [[String]]
    /// For each output `[rows, columns]`.
    private let outputs: [[Float]]

    init(rows: Int, names: [[String]], outputs: [[Float]]) {
        (self.rows, self.names, self.outputs) = (rows, names, outputs)
    }

    package var columnNames: [String] { names.flatMap(\.self) }

    /// The numbers of one row, in the order of ``columnNames``.
    package func values(ofRow row: Int) -> [Float] {
        zip(names, outputs).flatMap { names, values in values[row * names.count..<(row + 1) * names.count] }
    }
}
