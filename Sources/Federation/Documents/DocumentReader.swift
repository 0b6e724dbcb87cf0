// SPDX-License-Identifier: Apache-2.0
// Typed, strict reading of a document: unknown keys, wrong kinds and values out of range are errors with a place.

/// Reads one node of a document and remembers the path to it.
package struct DocumentReader: Sendable {
    package let node: DocumentNode
    package let path: String

    package init(_ node: DocumentNode, path: String = "") {
        self.node = node
        self.path = path
    }

    /// Makes the error that names this place.
    package func error(_ problem: String, hint: String) -> DocumentError {
        DocumentError(path: path, position: node.position, problem: problem, hint: hint)
    }

    // MARK: Mappings

    /// The keys of this mapping, after checking that each is in `allowed`.
    package func fields(_ allowed: [String]) throws(DocumentError) -> DocumentFields {
        guard case .mapping(let entries) = node.content else {
            throw error(
                "must be a mapping", hint: "write `key: value` lines; known keys: \(allowed.joined(separator: ", "))")
        }
        var values: [String: DocumentReader] = [:]
        for entry in entries {
            guard allowed.contains(entry.key) else {
                throw DocumentError(
                    path: path, position: entry.keyPosition ?? entry.value.position, problem: "has an unknown key",
                    hint: "known keys: \(allowed.joined(separator: ", "))")
            }
            values[entry.key] = DocumentReader(entry.value, path: path.isEmpty ? entry.key : "\(path).\(entry.key)")
        }
        return DocumentFields(reader: self, values: values)
    }

    /// The single `name: {…}` entry of this mapping, or a bare scalar `name`, as used for "one of several kinds".
    package func choice(_ allowed: [String]) throws(DocumentError) -> (name: String, body: DocumentReader) {
        let hint = "one of: \(allowed.joined(separator: ", "))"
        switch node.content {
        case .scalar(let name) where allowed.contains(name):
            return (name, DocumentReader(DocumentNode(.mapping([]), position: node.position), path: "\(path).\(name)"))
        case .mapping(let entries) where entries.count == 1 && allowed.contains(entries[0].key):
            let entry = entries[0]
            // `name:` with nothing after it reads as an empty scalar and means "all defaults".
            var body = entry.value
            if case .scalar("") = body.content { body.content = .mapping([]) }
            return (entry.key, DocumentReader(body, path: "\(path).\(entry.key)"))
        default:
            throw error("must name exactly one known kind", hint: hint)
        }
    }

    /// All entries of a mapping whose keys the document chooses.
    package func entries() throws(DocumentError) -> [(key: String, value: DocumentReader)] {
        guard case .mapping(let entries) = node.content else {
            throw error("must be a mapping", hint: "write `key: value` lines")
        }
        return entries.map { ($0.key, DocumentReader($0.value, path: path.isEmpty ? $0.key : "\(path).\($0.key)")) }
    }

    package func elements() throws(DocumentError) -> [DocumentReader] {
        guard case .sequence(let nodes) = node.content else {
            throw error("must be a list", hint: "write `- item` lines or [a, b]")
        }
        return nodes.enumerated().map { DocumentReader($0.element, path: "\(path)[\($0.offset)]") }
    }

    // MARK: Scalars

    package func string(maximumLength: Int = 1_000) throws(DocumentError) -> String {
        guard case .scalar(let text) = node.content else {
            throw error("must be a single value", hint: "write text, not a list or mapping")
        }
        guard text.utf8.count <= maximumLength else {
            throw error("is too long", hint: "at most \(maximumLength) bytes")
        }
        return text
    }

    package func strings() throws(DocumentError) -> [String] {
        var result: [String] = []
        for element in try elements() { result.append(try element.string()) }
        return result
    }

    package func integer(_ range: ClosedRange<Int>) throws(DocumentError) -> Int {
        guard let value = Int(try string()) else {
            throw error("must be a whole number", hint: "from \(range.lowerBound) to \(range.upperBound)")
        }
        guard range.contains(value) else {
            throw error("is out of range", hint: "from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    package func unsigned() throws(DocumentError) -> UInt64 {
        guard let value = UInt64(try string()) else {
            throw error("must be a whole number", hint: "from 0 to \(UInt64.max)")
        }
        return value
    }

    package func decimal(_ range: ClosedRange<Double>) throws(DocumentError) -> Double {
        let hint = "from \(decimalText(range.lowerBound)) to \(decimalText(range.upperBound))"
        guard let value = Double(try string()), value.isFinite else {
            throw error("must be a finite number", hint: hint)
        }
        guard range.contains(value) else { throw error("is out of range", hint: hint) }
        return value
    }

    package func boolean() throws(DocumentError) -> Bool {
        switch try string() {
        case "true": return true
        case "false": return false
        default: throw error("must be true or false", hint: "write true or false")
        }
    }

    package func keyword<Keyword: CaseIterable & RawRepresentable>(
        _ type: Keyword.Type
    ) throws(DocumentError) -> Keyword where Keyword.RawValue == String {
        guard let value = Keyword(rawValue: try string()) else {
            throw error(
                "is not a known word", hint: "one of: \(Keyword.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }
}

/// The checked fields of one mapping.
package struct DocumentFields: Sendable {
    package let reader: DocumentReader
    package let values: [String: DocumentReader]

    package subscript(optional key: String) -> DocumentReader? { values[key] }

    package func required(_ key: String) throws(DocumentError) -> DocumentReader {
        guard let value = values[key] else {
            throw reader.error("lacks the key `\(key)`", hint: "add `\(key):`")
        }
        return value
    }
}
