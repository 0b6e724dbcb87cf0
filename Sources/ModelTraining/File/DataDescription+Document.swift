// SPDX-License-Identifier: Apache-2.0
// The section `data` of a training file, read and checked against the model.

import ClinicalData
import Federation
import NeuralNetworks

extension DataDescription {
    private static let kinds = ["arrays", "table", "texts", "series"]
    static let keys = kinds + ["validation", "test"]

    /// - Parameters:
    ///   - inputs: The names of the model's inputs, in its order.
    ///   - losses: The names of the outputs that have a loss; nil for the only one.
    init(_ reader: DocumentReader, inputs: [String], losses: [String?]) throws(DocumentError) {
        let fields = try reader.fields(Self.keys)
        let named = Self.kinds.filter { fields[optional: $0] != nil }
        guard named.count == 1, let body = fields[optional: named[0]] else {
            throw reader.error("must name one source", hint: "one of: \(Self.kinds.joined(separator: ", "))")
        }
        let form = ArrayForm(inputs: inputs, losses: losses)
        let source: Source =
            switch named[0] {
            case "arrays": .arrays(try ArraySource(body, form))
            case "table": .table(try TableSource(body))
            case "texts": .texts(try TextSource(body))
            default: .series(try SeriesSource(body))
            }
        self.source = source
        validation = try fields[optional: "validation"].map { field throws(DocumentError) in
            try Held(field, source: source, form)
        }
        test = try fields[optional: "test"].map { field throws(DocumentError) in
            try Held(field, source: source, form)
        }
        guard case .share(let one) = validation, case .share(let other) = test else { return }
        guard one + other < 0.95 else {
            throw reader.error("holds back nearly everything", hint: "shares of validation and test below 0.95 in sum")
        }
    }

    func canonicalValue(inputs: [String], losses: [String?]) -> CanonicalValue {
        let form = ArrayForm(inputs: inputs, losses: losses)
        let body: CanonicalValue =
            switch source {
            case .arrays(let source): source.canonicalValue(form)
            case .table(let source): source.canonicalValue
            case .texts(let source): source.canonicalValue
            case .series(let source): source.canonicalValue
            }
        var object = [source.kind: body]
        if let validation { object["validation"] = validation.canonicalValue(form) }
        if let test { object["test"] = test.canonicalValue(form) }
        return .object(object)
    }
}

extension DataDescription.Held {
    init(_ reader: DocumentReader, source: DataDescription.Source, _ form: ArrayForm) throws(DocumentError) {
        if case .arrays(let training) = source {
            if case .mapping(let entries) = reader.node.content, entries.contains(where: { $0.key == "share" }) {
                self = .share(try reader.fields(["share"]).required("share").decimal(0.001...0.9))
            } else {
                self = .arrays(try ArrayPlace(reader, form, training: training.place))
            }
            return
        }
        let fields = try reader.fields(["share", "file"])
        switch (fields[optional: "share"], fields[optional: "file"]) {
        case (let share?, nil): self = .share(try share.decimal(0.001...0.9))
        case (nil, let file?): self = .file(try file.text())
        default: throw reader.error("must say where its examples are", hint: "one of share: 0.1, file: NAME")
        }
    }

    fileprivate func canonicalValue(_ form: ArrayForm) -> CanonicalValue {
        switch self {
        case .share(let share): .object(["share": .decimal(share)])
        case .file(let file): .object(["file": .string(file)])
        case .arrays(let place): .object(place.canonicalFields(form))
        }
    }
}

extension DocumentReader {
    /// Text that is not empty.
    func text() throws(DocumentError) -> String {
        let text = try string(maximumLength: 1_000)
        guard !text.isEmpty else { throw error("is empty", hint: "write a name") }
        return text
    }

    /// One name, or a list of them.
    func texts() throws(DocumentError) -> [String] {
        if case .scalar = node.content { return [try text()] }
        var texts: [String] = []
        for element in try elements() { texts.append(try element.text()) }
        guard !texts.isEmpty, Set(texts).count == texts.count else {
            throw error("names nothing, or one thing twice", hint: "one name, or a list of different names")
        }
        return texts
    }

    /// Codes of classes or of a category: at least two.
    func codes() throws(DocumentError) -> [String] {
        let codes = try texts()
        guard codes.count >= 2 else { throw error("has one code only", hint: "list two codes or more, in order") }
        return codes
    }
}

// MARK: Tables

extension TableSource {
    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields([
            "file", "separator", "features", "label", "classes", "patient", "standardize", "missing",
        ])
        file = try fields.required("file").text()
        separator = try fields[optional: "separator"]?.keyword(Separator.self)
        var columns: [Column] = []
        for element in try fields[optional: "features"]?.elements() ?? [] { columns.append(try Column(element)) }
        features = columns
        label = try Label(fields.required("label"))
        classes = try fields[optional: "classes"]?.codes() ?? []
        patient = try fields[optional: "patient"]?.text()
        standardizes = try fields[optional: "standardize"]?.boolean() ?? true
        missing = try fields[optional: "missing"]?.keyword(Missing.self) ?? .refuse
        let names = features.map(\.name) + label.names + (patient.map { [$0] } ?? [])
        guard Set(names).count == names.count else {
            throw reader.error("uses a column twice", hint: "a column is a feature, the label or the patient")
        }
        if !classes.isEmpty, label.names.count != 1 {
            throw reader.error("has classes for several columns", hint: "classes go with one label column")
        }
    }

    fileprivate var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = [
            "file": .string(file), "standardize": .boolean(standardizes), "missing": .string(missing.rawValue),
        ]
        if let separator { object["separator"] = .string(separator.rawValue) }
        if !features.isEmpty {
            object["features"] = .array(
                features.map { $0.codes.isEmpty ? .string($0.name) : .object([$0.name: .strings($0.codes)]) })
        }
        switch label {
        case .columns(let names): object["label"] = .strings(names)
        case .survival(let time, let event):
            object["label"] = .object(["time": .string(time), "event": .string(event)])
        }
        if !classes.isEmpty { object["classes"] = .strings(classes) }
        if let patient { object["patient"] = .string(patient) }
        return .object(object)
    }
}

extension TableSource.Column {
    /// A bare name, or `name: [codes]`.
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        guard case .mapping(let entries) = reader.node.content else {
            self.init(name: try reader.text(), codes: [])
            return
        }
        guard entries.count == 1, let entry = try reader.entries().first else {
            throw reader.error("must be one column", hint: "a name, or `name: [code, code]` for a category")
        }
        self.init(name: entry.key, codes: try entry.value.codes())
    }
}

extension TableSource.Label {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        guard case .mapping = reader.node.content else {
            self = .columns(try reader.texts())
            return
        }
        let fields = try reader.fields(["time", "event"])
        self = .survival(time: try fields.required("time").text(), event: try fields.required("event").text())
    }
}

// MARK: Texts and series

extension TextSource {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields([
            "file", "separator", "text", "label", "classes", "patient", "vocabulary", "leastTexts",
        ])
        file = try fields.required("file").text()
        separator = try fields[optional: "separator"]?.keyword(Separator.self)
        text = try fields.required("text").text()
        label = try fields.required("label").text()
        classes = try fields[optional: "classes"]?.codes() ?? []
        patient = try fields[optional: "patient"]?.text()
        vocabulary = try fields.required("vocabulary").integer(1...1_000_000)
        leastTexts = try fields[optional: "leastTexts"]?.integer(1...1_000_000) ?? 2
        guard text != label else { throw reader.error("learns the text from itself", hint: "name two columns") }
    }

    fileprivate var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = [
            "file": .string(file), "text": .string(text), "label": .string(label), "vocabulary": .count(vocabulary),
            "leastTexts": .count(leastTexts),
        ]
        if let separator { object["separator"] = .string(separator.rawValue) }
        if !classes.isEmpty { object["classes"] = .strings(classes) }
        if let patient { object["patient"] = .string(patient) }
        return .object(object)
    }
}

extension SeriesSource {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["file", "separator", "label", "classes", "skippedLines", "standardize"])
        file = try fields.required("file").text()
        separator = try fields[optional: "separator"]?.keyword(Separator.self)
        label = try fields.required("label").keyword(Place.self)
        classes = try fields[optional: "classes"]?.codes() ?? []
        skippedLines = try fields[optional: "skippedLines"]?.integer(0...1_000) ?? 0
        standardizes = try fields[optional: "standardize"]?.boolean() ?? false
    }

    fileprivate var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = [
            "file": .string(file), "label": .string(label.rawValue), "skippedLines": .count(skippedLines),
            "standardize": .boolean(standardizes),
        ]
        if let separator { object["separator"] = .string(separator.rawValue) }
        if !classes.isEmpty { object["classes"] = .strings(classes) }
        return .object(object)
    }
}
