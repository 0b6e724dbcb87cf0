// SPDX-License-Identifier: Apache-2.0
// A model that one site trained by itself, in one file: parameters, the training file, and the preprocessing.

import ClinicalData
import Federation
package import ModelFiles
import NeuralNetworks

/// A local model with all that it takes to use it but the examples.
///
/// Privacy: the file holds no row of the data. It holds what was learned from them: parameters, means and deviations of
/// columns, and of texts the vocabulary, whose words may be as confidential as the texts.
package struct LocalModel: Sendable {
    package let file: TrainingFile
    package let preprocessing: FittedPreprocessing
    package let parameters: [Float]
    /// The epoch that the parameters come from, from 1.
    package let epoch: Int
    package let trainingExamples: Int

    private enum Key {
        static let format = "consilium.localModel"
        static let formatValue = "1"
        static let training = "consilium.training"
        static let trainingHash = "consilium.trainingHash"
        static let preprocessing = "consilium.preprocessing"
        static let epoch = "consilium.epoch"
        static let examples = "consilium.trainingExamples"
        static let limits = "consilium.limits"
    }

    package init(
        _ file: TrainingFile, _ preprocessing: FittedPreprocessing, parameters: [Float], epoch: Int,
        trainingExamples: Int
    ) {
        precondition(parameters.count == file.graph.parameterCount, "parameters of another model")
        self.file = file
        self.preprocessing = preprocessing
        self.parameters = parameters
        self.epoch = epoch
        self.trainingExamples = trainingExamples
    }

    /// Whether a model file is one of these.
    package static func describes(_ file: ModelFile) -> Bool { file.metadata[Key.format] != nil }

    /// Writes the file, whole or not at all; tensors have PyTorch's names, shapes and layouts.
    ///
    /// - Throws: ``ModelFileError``.
    package func write(to path: String) throws {
        try ModelFile.write(
            to: path, metadata: metadata, tensors: file.graph.slices.map { ($0.name, $0.shape) },
            parameters: parameters)
    }

    var metadata: [String: String] {
        func text(_ value: CanonicalValue) -> String { String(decoding: value.bytes, as: UTF8.self) }
        return [
            Key.format: Key.formatValue, Key.training: text(file.canonicalValue), Key.trainingHash: file.hash.hex,
            Key.preprocessing: text(preprocessing.canonicalValue), Key.epoch: String(epoch),
            Key.examples: String(trainingExamples),
            Key.limits: "for research; not a medical device; evaluate on local patients before any use",
        ]
    }

    /// Reads and checks the file at `path`.
    ///
    /// - Throws: ``ModelFileError``; ``LocalModelError`` `.foreignFile` for a file of another kind or one whose parts
    ///   contradict each other.
    package static func read(_ path: String) throws -> LocalModel {
        let (file, parameters) = try ModelFile.readWithParameters(path)
        return try LocalModel(file, parameters: parameters)
    }

    package init(_ model: ModelFile, parameters: [Float]) throws {
        func refuse(_ message: String) -> LocalModelError {
            LocalModelError(.foreignFile, message, hint: "use a file that `consilium model train` wrote")
        }
        let texts = model.metadata
        guard texts[Key.format] == Key.formatValue, let training = texts[Key.training],
            let preprocessing = texts[Key.preprocessing], let epoch = texts[Key.epoch].flatMap(Int.init), epoch >= 0,
            let examples = texts[Key.examples].flatMap(Int.init), examples >= 0
        else { throw refuse("the file lacks the description of a local model") }
        do {
            file = try TrainingFile(
                document: try CanonicalValue(canonicalBytes: Array(training.utf8)).documentNode, model: nil)
            self.preprocessing = try FittedPreprocessing(
                DocumentReader(try CanonicalValue(canonicalBytes: Array(preprocessing.utf8)).documentNode))
        } catch { throw refuse("the description of the model in the file is not valid") }
        guard texts[Key.trainingHash] == file.hash.hex else {
            throw refuse("the hash in the file is not that of its training")
        }
        guard model.tensors.map(\.name) == file.graph.slices.map(\.name),
            model.tensors.map(\.shape) == file.graph.slices.map(\.shape)
        else { throw refuse("the tensors are not those of the model") }
        guard self.preprocessing.fits(file) else { throw refuse("the preprocessing is not that of the training") }
        guard parameters.allSatisfy(\.isFinite) else { throw refuse("a parameter is not a finite number") }
        self.parameters = parameters
        self.epoch = epoch
        trainingExamples = examples
    }

    /// The columns of predictions, for each output: the output's name, and the names of its classes.
    package var predictionNames: [[String]] {
        file.graph.outputs.indices.map { output in
            let count = file.graph.shapes[file.graph.outputs[output]].count
            let name = file.model.outputNames.count == 1 ? "score" : "\(file.model.outputNames[output])"
            let isJudged = file.objective.terms.contains { $0.output == output }
            let classes = isJudged ? file.data.source.classes : []
            if count == 1 { return [name] }
            return (0..<count).map { classes.count == count ? "\(name)_\(classes[$0])" : "\(name)_\($0)" }
        }
    }
}

extension FittedPreprocessing {
    /// Whether the preprocessing is of the kind, and has the inputs, that a training file needs.
    fileprivate func fits(_ file: TrainingFile) -> Bool {
        switch (self, file.data.source) {
        case (.columns(let columns), .table(let source)):
            let inputs = columns.reduce(0) { $0 + $1.means.count }
            let listed = source.features.isEmpty || source.features.map(\.name) == columns.map(\.name)
            return listed && inputs == file.graph.inputShapes[0].count
        case (.vocabulary(let vocabulary), .texts):
            return file.graph.vocabularyRows(ofInput: 0).map { vocabulary.count <= $0 } ?? true
        case (.none, .arrays), (.none, .series): return true
        default: return false
        }
    }
}
