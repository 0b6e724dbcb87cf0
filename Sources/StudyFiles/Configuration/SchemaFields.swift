// SPDX-License-Identifier: Apache-2.0
// Reads one mapping of a configuration file by its schema: which keys may stand there, and what absent ones mean.

import Federation

/// The checked fields of one mapping, with the defaults of its schema.
struct SchemaFields {
    let schema: ConfigurationSchema
    /// The mapping's place in the schema; empty for the whole file.
    let pattern: String
    let fields: DocumentFields

    /// - Throws: ``DocumentError`` for a node that is not a mapping, or that holds a key the schema lacks.
    init(_ reader: DocumentReader, schema: ConfigurationSchema, pattern: String = "") throws(DocumentError) {
        self.schema = schema
        self.pattern = pattern
        fields = try reader.fields(schema.names(under: pattern))
    }

    private func path(to name: String, in pattern: String) -> String { pattern.isEmpty ? name : "\(pattern).\(name)" }

    /// The value of a key that is required or has a default.
    func value(_ name: String) throws(DocumentError) -> DocumentReader {
        if let reader = fields[optional: name] { return reader }
        guard case .standard(let text) = schema.key(at: path(to: name, in: pattern)).absence else {
            return try fields.required(name)
        }
        return absent(name, .scalar(text))
    }

    /// The value of a key whose absence has a meaning of its own.
    func optional(_ name: String) -> DocumentReader? { fields[optional: name] }

    /// The fields of a mapping below this one; an absent one is read as empty.
    func section(_ name: String) throws(DocumentError) -> SchemaFields {
        let reader = fields[optional: name] ?? absent(name, .mapping([]))
        return try SchemaFields(reader, schema: schema, pattern: path(to: name, in: pattern))
    }

    /// The fields of a mapping below this one, or `nil` when it is absent.
    func optionalSection(_ name: String) throws(DocumentError) -> SchemaFields? {
        fields[optional: name] == nil ? nil : try section(name)
    }

    /// The fields of every element of a list of mappings; an absent list is empty.
    func sections(_ name: String) throws(DocumentError) -> [SchemaFields] {
        var sections: [SchemaFields] = []
        for element in try fields[optional: name]?.elements() ?? [] {
            sections.append(
                try SchemaFields(element, schema: schema, pattern: path(to: name, in: pattern) + "[]"))
        }
        return sections
    }

    private func absent(_ name: String, _ content: DocumentNode.Content) -> DocumentReader {
        DocumentReader(
            DocumentNode(content, position: fields.reader.node.position),
            path: path(to: name, in: fields.reader.path))
    }
}
