// SPDX-License-Identifier: Apache-2.0
// A training file: model, loss, training and data of a model that one site trains by itself.

package import Federation
import Foundation
package import NeuralNetworks
import StudyFiles

/// A checked training file; its format is described in `studies/training/README.md`.
package struct TrainingFile: Sendable {
    package let model: ModelSpecification
    package let losses: [LossEntry]
    package var training: TrainingSettings
    package let data: DataDescription
    /// What is trained: the model's layers, with those frozen and the rates that `training` names, and the weights of
    /// losses that are learned.
    package let graph: Graph
    package let objective: Objective

    /// Reads and checks the file at `path`; a model in a file of its own lies relative to it.
    ///
    /// - Throws: ``FileError`` with the place in the file.
    package static func load(_ path: String) throws -> TrainingFile {
        try parse(YAMLDocument.load(contentsOf: path), path: path)
    }

    /// Reads and checks a training file that was read; `path` names it in errors, and the folder of its model.
    ///
    /// - Throws: ``FileError`` with the place in the file.
    package static func parse(_ document: DocumentNode, path: String) throws -> TrainingFile {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        do {
            return try TrainingFile(document: document) { name in
                let path = folder.appending(path: name).relativePath
                return (path, try YAMLDocument.load(contentsOf: path))
            }
        } catch let error as DocumentError {
            throw FileError(error, path: path)
        }
    }

    /// Whether a document is a training file rather than a study or a model.
    package static func describes(_ document: DocumentNode) -> Bool {
        guard case .mapping(let entries) = document.content else { return false }
        let keys = Set(entries.map(\.key))
        return keys.contains("loss") && !keys.contains("study")
    }

    /// - Parameter model: Reads the model's own file; nil: the model must stand in the document.
    /// - Throws: ``DocumentError``, or ``FileError`` for the model's own file.
    init(document: DocumentNode, model load: ((String) throws -> (path: String, DocumentNode))?) throws {
        let fields = try DocumentReader(document).fields(["model", "loss", "training", "data"])
        let (modelReader, dataReader) = (try fields.required("model"), try fields.required("data"))
        let lossReader = try fields.required("loss")
        // Before the model, which may take its number of features from the data.
        _ = try dataReader.fields(DataDescription.keys)
        let features = try Self.listedFeatures(dataReader)
        model = try Self.model(modelReader, features: features, load)
        let layers = try Self.graph(model, features: features, dataReader)
        losses = try LossEntry.list(lossReader)
        objective = try Self.objective(losses, model, layers, lossReader)
        training = try TrainingSettings(fields.required("training"), graph: layers)
        graph = objective.completing(layers.applying(training.layerRates))
        data = try DataDescription(dataReader, inputs: model.inputNames, losses: losses.map(\.output))
        try checkData(dataReader)
        if let watching = training.watches, data.validation == nil {
            throw try fields.required("training").error(
                "\(watching), but there is no validation",
                hint: "add `validation: {share: 0.1}` to `data`, or remove `stopAfter` and `plateau`")
        }
    }

    /// The file as its hash sees it, the model written out.
    package var canonicalValue: CanonicalValue {
        .object([
            "model": model.canonicalValue, "loss": LossEntry.canonicalValue(losses),
            "training": training.canonicalValue,
            "data": data.canonicalValue(inputs: model.inputNames, losses: losses.map(\.output)),
        ])
    }

    /// What tells one training from another: model, loss, training and data, but none of the data's values.
    package var hash: Digest { Digest(of: canonicalValue.bytes, domain: "consilium training 1\n") }

    // MARK: Parts

    /// The number of a table's inputs, when the file lists its columns.
    private static func listedFeatures(_ data: DocumentReader) throws(DocumentError) -> Int? {
        guard case .mapping(let entries) = data.node.content, let table = entries.first(where: { $0.key == "table" })
        else { return nil }
        return try TableSource(DocumentReader(table.value, path: "\(data.path).table")).featureCount
    }

    private static func model(
        _ reader: DocumentReader, features: Int?, _ load: ((String) throws -> (path: String, DocumentNode))?
    ) throws -> ModelSpecification {
        guard case .scalar = reader.node.content, let load else {
            return try ModelSpecification(reader, features: features)
        }
        let (path, document) = try load(reader.text())
        do {
            return try ModelSpecification(document: document, features: features)
        } catch {
            throw FileError(error, path: path)
        }
    }

    private static func graph(
        _ model: ModelSpecification, features: Int?, _ data: DocumentReader
    ) throws(DocumentError) -> Graph {
        do {
            return try model.graph(features: features)
        } catch {
            throw data.error("does not fit the model", hint: error.description)
        }
    }

    private static func objective(
        _ losses: [LossEntry], _ model: ModelSpecification, _ graph: Graph, _ reader: DocumentReader
    ) throws -> Objective {
        let names = model.outputNames
        var terms: [Objective.Term] = []
        for entry in losses {
            guard let name = entry.output else {
                guard names.count == 1 else {
                    throw reader.error(
                        "does not say which output it judges",
                        hint: "a list of {output, loss}; outputs: \(names.joined(separator: ", "))")
                }
                terms.append(Objective.Term(entry.loss, weight: entry.weight))
                continue
            }
            guard let output = names.firstIndex(of: name) else {
                throw reader.error("judges an unknown output", hint: "outputs: \(names.joined(separator: ", "))")
            }
            terms.append(
                Objective.Term(output: output, entry.loss, weight: entry.weight, learnsWeight: entry.learnsWeight))
        }
        let objective = Objective(terms)
        do { _ = try objective.targetCounts(graph) } catch {
            throw reader.error("does not fit the model", hint: error.problem)
        }
        return objective
    }

    // MARK: Data and model

    private func checkData(_ reader: DocumentReader) throws(DocumentError) {
        let shapes = graph.inputShapes
        func needs(_ problem: String, _ hint: String, _ holds: Bool) throws(DocumentError) {
            guard holds else { throw reader.error(problem, hint: hint) }
        }
        if case .arrays(let source) = data.source { return try check(source, reader) }
        try needs("feed one input, the model has \(shapes.count)", "use `arrays` for several inputs", shapes.count == 1)
        try needs(
            "give one target, there are \(losses.count) losses", "use `arrays` for several losses", losses.count == 1)
        switch data.source {
        case .texts(let source):
            let rows = graph.vocabularyRows(ofInput: 0)
            try needs(
                "are texts, the model reads none", "give the model an input {tokens: LENGTH}", shapes[0].holdsTokens)
            try needs(
                "have more words than the embedding", "`vocabulary` is at most \((rows ?? 0) - 2) for this model",
                rows.map { source.vocabulary + 2 <= $0 } ?? true)
        case .table:
            try needs(
                "are the columns of a table, the model reads something else", "give it an input {features: N}",
                !shapes[0].holdsTokens && shapes[0].sizes.count == 1)
        default: try needs("are series of numbers, the model reads texts", "use `texts`", !shapes[0].holdsTokens)
        }
        try checkClasses(reader)
    }

    private func checkClasses(_ reader: DocumentReader) throws(DocumentError) {
        let classes = data.source.classes.count
        guard classes > 0 else { return }
        let output = graph.shapes[graph.outputs[objective.terms[0].output]]
        let expected: Int? =
            switch objective.terms[0].loss {
            case is SoftmaxCrossEntropy where output.sizes.count == 1: output.count
            case is SigmoidCrossEntropy where output.count == 1: 2
            default: nil
            }
        guard classes == expected else {
            throw reader.error(
                "has \(classes) classes",
                hint: expected.map { "the loss and the model's output need \($0)" }
                    ?? "classes go with sigmoidCrossEntropy of one output and softmaxCrossEntropy")
        }
    }

    private func check(_ source: ArraySource, _ reader: DocumentReader) throws(DocumentError) {
        for (index, conversion) in source.conversions.enumerated() {
            let (shape, name) = (graph.inputShapes[index], model.inputNames[index])
            if shape.holdsTokens, !conversion.isIdentity || conversion.isChannelsLast {
                throw reader.error("converts the token numbers of input `\(name)`", hint: "remove the conversion")
            }
            for count in [conversion.mean.count, conversion.deviation.count] where count != 1 {
                guard count == shape.sizes[0], shape.sizes.count > 1 else {
                    throw reader.error(
                        "converts \(count) channels of input `\(name)`", hint: "one number, or one for each channel")
                }
            }
            if conversion.isChannelsLast, shape.sizes.count < 3 {
                throw reader.error(
                    "puts the channels of input `\(name)` first, which has none", hint: "remove `channelsLast`")
            }
        }
    }
}

extension ModelSpecification {
    /// The names of the inputs in the order of the graph.
    var inputNames: [String] { inputs.isEmpty ? [ModelInput.defaultName] : inputs.map(\.name) }

    /// The names of the outputs in the order of the graph.
    var outputNames: [String] {
        outputs.isEmpty ? [name(ofElement: max(elements.count - 1, 0))] : outputs
    }
}

extension Graph {
    /// The rows of the smallest embedding that reads an input; nil: none does.
    func vocabularyRows(ofInput input: Int) -> Int? {
        nodes.filter { $0.inputs.contains(input) }.compactMap { ($0.layer as? Embedding)?.vocabulary }.min()
    }
}
