// SPDX-License-Identifier: Apache-2.0
// The commands about models, and the reading of model files that they share.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import StudyFiles

/// `consilium model …`.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Train a model, look at it, judge it, use it.",
        subcommands: [
            ModelTrainCommand.self, ModelEvaluateCommand.self, ModelPredictCommand.self, ModelSummaryCommand.self,
            ModelShowCommand.self,
        ])
}

/// A model file, read and checked: of a study, or trained here.
struct LoadedModel: Sendable {
    enum Content: Sendable {
        case study(StudyModel)
        case local(LocalModel)
    }

    let content: Content
    let parameters: [Float]
    let sha256: Digest
    let byteCount: Int

    init(_ path: String) throws {
        do {
            let (file, parameters) = try ModelFile.readWithParameters(path)
            content =
                LocalModel.describes(file)
                ? .local(try LocalModel(file, parameters: parameters)) : .study(try StudyModel(file))
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
}

extension StudyModel {
    /// The predictions for rows of a table. Shapes: `[rows.count, outputs]`.
    func outputs(for table: EncodedTable, rows: [Int32], parameters: [Float]) throws -> [Float] {
        let features = try FeatureMatrix.encode(table, preprocessing: preprocessing, rows: rows)
        return network.outputs(parameters: parameters, features: features, rows: rows.count)
    }
}

/// Which table a study's model is applied to.
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

extension TaskQuality {
    /// `loss 0.213, accuracy 0.931, AUC 0.975 …`, a line for each output where there are several.
    var lines: [String] {
        outputs.enumerated().map { index, output in
            let name = outputs.count > 1 ? "\(output.output): " : ""
            let loss = index == 0 ? ["loss \(Figures.fixed(self.loss, 4))"] : []
            let metrics = output.metrics.map { "\(Self.word($0.name)) \(Figures.fixed($0.value))" }
            return name + (loss + metrics).joined(separator: ", ")
        }
    }

    /// Clinicians' words for the names that machines get.
    private static func word(_ name: String) -> String {
        let words = [
            "auc": "AUC", "averagePrecision": "AUPRC", "f1": "F1", "brier": "Brier", "calibrationError": "ECE",
            "logLoss": "log loss", "meanAbsoluteError": "MAE", "rootMeanSquaredError": "RMSE",
            "concordance": "c-index",
        ]
        return words[name] ?? name
    }
}
