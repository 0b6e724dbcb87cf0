// SPDX-License-Identifier: Apache-2.0
// Models in a study document, and their canonical form.

package import NeuralNetworks

extension ModelSpecification {
    /// The model as its hash sees it: every field of every layer is written; names, sources, inputs and outputs only
    /// where they are not what they are by themselves.
    package var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = ["layers": .array(elements.map(\.canonicalValue))]
        if !inputs.isEmpty {
            let values = inputs.map { ($0.name, $0.canonicalValue) }
            object["inputs"] = .object(Dictionary(values) { first, _ in first })
        }
        if !outputs.isEmpty { object["outputs"] = .strings(outputs) }
        return .object(object)
    }

    /// Reads a model by itself, as a file of `studies/models` holds it, and checks that its layers fit.
    package init(document: DocumentNode, features: Int? = nil) throws(DocumentError) {
        try self.init(DocumentReader(document), features: features)
    }

    /// The same, for a model inside another document.
    package init(_ reader: DocumentReader, features: Int?) throws(DocumentError) {
        try self.init(reader) { (model) throws(ModelError) in _ = try model.graph(features: features)
        }
    }

    /// Reads the model of a study and checks the shapes from `features` of the table to the `head`.
    init(_ reader: DocumentReader, features: Int, head: Head) throws(DocumentError) {
        try self.init(reader) { (model) throws(ModelError) in try model.check(features: features, head: head) }
    }

    private init(
        _ reader: DocumentReader, check: (ModelSpecification) throws(ModelError) -> Void
    ) throws(DocumentError) {
        let fields = try reader.fields(["inputs", "layers", "outputs"])
        let (inputsReader, layersReader) = (fields[optional: "inputs"], try fields.required("layers"))
        let (inputs, outputs) = (try inputsReader?.entries() ?? [], fields[optional: "outputs"])
        guard inputs.count <= Self.largestEdgeCount else {
            throw reader.error("has too many inputs", hint: "at most \(Self.largestEdgeCount)")
        }
        let entries = try layersReader.elements()
        guard entries.count <= Self.largestElementCount else {
            throw layersReader.error("has too many layers", hint: "at most \(Self.largestElementCount)")
        }
        var elements: [ModelElement] = []
        for entry in entries { elements.append(try ModelElement(entry)) }
        var modelInputs: [ModelInput] = []
        for input in inputs { modelInputs.append(try ModelInput(name: input.key, input.value)) }
        self.init(inputs: modelInputs, elements: elements, outputs: try outputs?.names() ?? [])
        do {
            try check(self)
        } catch {
            // The error stands where the mistake is: at the layer, the input, the outputs, or the list.
            let place =
                switch error {
                case .layer(let place, _): entries[place.index]
                case .input(let index, _) where self.inputs.indices.contains(index):
                    inputs.first { $0.key == self.inputs[index].name }?.value ?? reader
                case .output: outputs ?? layersReader
                default: layersReader
                }
            throw place.error("does not fit", hint: error.description)
        }
    }
}

extension ModelInput {
    var canonicalValue: CanonicalValue {
        if holdsTokens { return .object(["tokens": .count(sizes[0])]) }
        if sizes.count == 1 { return .object(["features": .count(sizes[0])]) }
        return .object(["shape": .array(sizes.map { .count($0) })])
    }

    init(name: String, _ reader: DocumentReader) throws(DocumentError) {
        let range = 1...GraphBuilder.largestValueCount
        let fields = try reader.fields(["features", "shape", "tokens"])
        switch (fields[optional: "features"], fields[optional: "shape"], fields[optional: "tokens"]) {
        case (let features?, nil, nil): self = .table(name, features: try features.integer(range))
        case (nil, nil, let tokens?): self = .tokens(name, try tokens.integer(range))
        case (nil, let shape?, nil):
            var sizes: [Int] = []
            for element in try shape.elements() { sizes.append(try element.integer(range)) }
            guard (1...4).contains(sizes.count) else {
                throw shape.error("has \(sizes.count) sizes", hint: "1 to 4, channels before rows and columns")
            }
            self = .values(name, sizes)
        default:
            throw reader.error("must say what the input is", hint: "one of features: N, shape: [...], tokens: N")
        }
    }
}

extension ModelElement {
    var canonicalValue: CanonicalValue {
        var (content, writer) = (content, FieldWriter())
        content.visit(&writer)
        var object: [String: CanonicalValue] = [content.studyKind: .object(writer.values)]
        if let name { object["name"] = .string(name) }
        if let from { object["from"] = .strings(from) }
        return .object(object)
    }

    /// Reads `kind: {…}`, with `name` and `from` beside the kind, or a bare `kind`.
    init(_ reader: DocumentReader) throws(DocumentError) {
        var (own, name, from) = (reader, DocumentReader?.none, DocumentReader?.none)
        if case .mapping(let entries) = reader.node.content {
            func companion(_ key: String) -> DocumentReader? {
                entries.first { $0.key == key }.map { DocumentReader($0.value, path: "\(reader.path).\(key)") }
            }
            (name, from) = (companion("name"), companion("from"))
            let rest = entries.filter { $0.key != "name" && $0.key != "from" }
            own = DocumentReader(DocumentNode(.mapping(rest), position: reader.node.position), path: reader.path)
        }
        let (kind, body) = try own.choice(ModelSpecification.kinds)
        guard var content = ModelSpecification.defaults.first(where: { $0.studyKind == kind }) else {
            preconditionFailure("a kind without defaults")
        }
        var fields = FieldReader(try body.fields(FieldTable(content).rows.map(\.name)))
        content.visit(&fields)
        if let error = fields.error { throw error }
        self.init(content, name: try name?.string(maximumLength: 64), from: try from?.names())
    }
}

extension DocumentReader {
    /// One name, or a list of names.
    fileprivate func names() throws(DocumentError) -> [String] {
        if case .scalar = node.content { return [try string(maximumLength: 64)] }
        let elements = try elements()
        guard (1...ModelSpecification.largestElementCount).contains(elements.count) else {
            throw error("names nothing, or too much", hint: "one name, or a list of names")
        }
        var names: [String] = []
        for element in elements { names.append(try element.string(maximumLength: 64)) }
        return names
    }
}
