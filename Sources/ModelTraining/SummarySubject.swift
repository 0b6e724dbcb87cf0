// SPDX-License-Identifier: Apache-2.0
// Any file that describes a model, and what the model costs: a model, a training file, a study, or a trained model.

package import Federation
import Foundation
package import ModelFiles
package import NeuralNetworks
import StudyFiles

/// A file whose model can be summarised.
package enum SummarySubject: Sendable {
    case model(ModelSpecification)
    case training(TrainingFile)
    case study(Study)
    case localModel(LocalModel)
    case studyModel(StudyModel)

    /// Finds out what the file at `path` is, and reads it.
    ///
    /// - Throws: ``FileError``, ``ModelFileError``, ``LocalModelError``.
    package init(path: String) throws {
        guard !Self.isModelFile(path) else {
            let (file, parameters) = try ModelFile.readWithParameters(path)
            self =
                LocalModel.describes(file)
                ? .localModel(try LocalModel(file, parameters: parameters)) : .studyModel(try StudyModel(file))
            return
        }
        let document = try YAMLDocument.load(contentsOf: path)
        if TrainingFile.describes(document) {
            self = .training(try TrainingFile.parse(document, path: path))
            return
        }
        do throws(DocumentError) {
            guard case .mapping(let entries) = document.content, !entries.contains(where: { $0.key == "layers" })
            else {
                self = .model(try ModelSpecification(document: document))
                return
            }
            self = .study(try Study(document: document))
        } catch {
            throw FileError(error, path: path)
        }
    }

    /// What the subject is, in a word or two.
    package var kind: String {
        switch self {
        case .model: "model"
        case .training: "training file"
        case .study: "study"
        case .localModel: "local model"
        case .studyModel: "study model"
        }
    }

    /// - Parameter batchSize: nil: that of the training, or 1.
    package func summary(batchSize: Int?) throws(ModelError) -> ModelSummary {
        func ofStudy(_ study: Study) throws(ModelError) -> ModelSummary {
            try ModelSummary(
                study.model, features: study.data.features.count,
                stateVectors: study.training.optimizer.stateVectors, batchSize: batchSize ?? study.training.batchSize)
        }
        switch self {
        case .model(let model): return try ModelSummary(model, features: nil, batchSize: batchSize ?? 1)
        case .training(let file): return try file.summary(batchSize: batchSize)
        case .localModel(let model): return try model.file.summary(batchSize: batchSize)
        case .study(let study): return try ofStudy(study)
        case .studyModel(let model): return try ofStudy(model.study)
        }
    }

    /// Safetensors begin with the length of a header below 2²⁴; the zero bytes in it are in no text.
    private static func isModelFile(_ path: String) -> Bool {
        guard let handle = FileHandle(forReadingAtPath: path) else { return false }
        defer { try? handle.close() }
        let start = (try? handle.read(upToCount: 9)).flatMap { $0 } ?? Data()
        return start.count == 9 && start[4..<8].allSatisfy { $0 == 0 } && start[8] == UInt8(ascii: "{")
    }
}
