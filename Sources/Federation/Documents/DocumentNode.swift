// SPDX-License-Identifier: Apache-2.0
// A tree of mappings, sequences and scalars with source positions: the common form of YAML files and canonical JSON.

/// A place in a source file, counted from one.
package struct SourcePosition: Hashable, Sendable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// One value of a document that a person wrote (YAML) or a machine sent (canonical JSON).
///
/// Scalars stay text until a reader asks for a type, so that `1.0` and `1` and the country code `no` survive.
/// Keys of a mapping are unique; whoever builds the tree refuses duplicates.
package struct DocumentNode: Sendable {
    package enum Content: Sendable {
        case scalar(String)
        case sequence([DocumentNode])
        case mapping([(key: String, keyPosition: SourcePosition?, value: DocumentNode)])
    }

    package var content: Content
    package var position: SourcePosition?

    package init(_ content: Content, position: SourcePosition? = nil) {
        self.content = content
        self.position = position
    }
}

/// Why a document was refused: where, what is wrong, and what would be right.
///
/// `path` is made of keys and list indices, `hint` of our own words; neither holds a value found in the document.
package struct DocumentError: Error, Equatable, Sendable, CustomStringConvertible {
    package var path: String
    package var position: SourcePosition?
    package var problem: String
    package var hint: String

    package init(path: String, position: SourcePosition?, problem: String, hint: String) {
        self.path = path
        self.position = position
        self.problem = problem
        self.hint = hint
    }

    package var description: String {
        let place = position.map { "line \($0.line), column \($0.column): " } ?? ""
        let subject = path.isEmpty ? "" : "`\(path)` "
        return "\(place)\(subject)\(problem) (\(hint))"
    }
}
