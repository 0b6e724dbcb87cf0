// SPDX-License-Identifier: Apache-2.0
// The commands about model files, and the reading they share.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import ModelFiles
import NeuralNetworks
import StudyFiles

/// `consilium model …`.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Look at a model file, judge it, use it.",
        subcommands: [ModelShowCommand.self, ModelEvaluateCommand.self, ModelPredictCommand.self])
}

/// A model file, read and checked.
struct LoadedModel: Sendable {
    let model: StudyModel
    let parameters: [Float]
    let sha256: Digest
    let byteCount: Int

    init(_ path: String) throws {
        do {
            let (file, parameters) = try ModelFile.readWithParameters(path)
            model = try StudyModel(file)
            self.parameters = parameters
            var hasher = BlobHasher()
            var count = 0
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
                piece.withUnsafeBytes { hasher.update($0) }
                count += piece.count
            }
            sha256 = hasher.finish()
            byteCount = count
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
    }

    /// The predictions for rows of a table. Shapes: `[rows.count, outputs]`.
    func outputs(for table: EncodedTable, rows: [Int32]) throws -> [Float] {
        let features = try FeatureMatrix.encode(table, preprocessing: model.preprocessing, rows: rows)
        return model.network.outputs(parameters: parameters, features: features, rows: rows.count)
    }
}

/// Which table a model is applied to.
struct TableChoice {
    var site: String?
    var dataset: String?
    var table: String?

    /// The mapping of the table's columns to the study's.
    func mapping(for study: Study, hash: Digest) throws -> TableMapping {
        do {
            if let site {
                let configuration = try SiteConfiguration.load(site)
                return try configuration.dataset(named: dataset, study: study.name, hash: hash).mapping
            }
            return TableMapping(path: table ?? "")
        } catch {
            throw CommandError(error)
        }
    }
}
