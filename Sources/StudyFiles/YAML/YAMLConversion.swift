// SPDX-License-Identifier: Apache-2.0
// From the parser's nodes to document nodes, refusing what makes YAML ambiguous.

import Federation
import Foundation
import Yams

struct YAMLConversion {
    let path: String

    /// The same tree with places, in Unicode NFC.
    ///
    /// - Throws: ``FileError`` for an anchor, a tag, a merge key, a key that is not text, a repeated key, or a value
    ///   that is nested too deep.
    func document(_ node: Node, depth: Int) throws -> DocumentNode {
        guard depth <= YAMLDocument.deepestLevel else {
            throw error(
                node, "is nested too deep", hint: "at most \(YAMLDocument.deepestLevel) levels of lists and mappings")
        }
        guard node.anchor == nil else {
            throw error(node, "carries an anchor or is an alias", hint: "write the value out wherever it is needed")
        }
        switch node {
        case .scalar(let scalar):
            try checkTag(of: scalar, node)
            return DocumentNode(.scalar(normalized(scalar.string)), position: place(of: node))
        case .sequence(let sequence):
            guard isUntagged(sequence.tag) else { throw tagged(node) }
            let elements = try sequence.map { try document($0, depth: depth + 1) }
            return DocumentNode(.sequence(elements), position: place(of: node))
        case .mapping(let mapping):
            guard isUntagged(mapping.tag) else { throw tagged(node) }
            return DocumentNode(.mapping(try entries(of: mapping, depth: depth)), position: place(of: node))
        case .alias:
            throw error(node, "uses an alias", hint: "write the value out")
        }
    }

    private typealias Entry = (key: String, keyPosition: SourcePosition?, value: DocumentNode)

    private func entries(of mapping: Node.Mapping, depth: Int) throws -> [Entry] {
        var seen: Set<String> = []
        var entries: [Entry] = []
        for (keyNode, valueNode) in mapping {
            guard case .scalar(let scalar) = keyNode, keyNode.anchor == nil else {
                throw error(keyNode, "a key that is not plain text", hint: "write `key: value`")
            }
            let key = normalized(scalar.string)
            guard key != "<<" || scalar.style != .plain else {
                throw error(keyNode, "a merge key", hint: "write the merged keys out")
            }
            // The parser compared the keys for duplicates, which resolves an absent tag to that of text.
            guard isUntagged(scalar.tag) || scalar.tag.rawValue == Tag.Name.str.rawValue else { throw tagged(keyNode) }
            guard seen.insert(key).inserted else {
                throw error(keyNode, "this key appears again in the same mapping", hint: "keep one of them")
            }
            entries.append((key, place(of: keyNode), try document(valueNode, depth: depth + 1)))
        }
        return entries
    }

    /// A quoted scalar without a tag reads as one tagged as text; a plain one has no tag at all.
    private func checkTag(of scalar: Node.Scalar, _ node: Node) throws {
        let isQuotedText = scalar.style != .plain && scalar.tag.rawValue == Tag.Name.str.rawValue
        guard isUntagged(scalar.tag) || isQuotedText else { throw tagged(node) }
    }

    private func isUntagged(_ tag: Tag) -> Bool { tag.rawValue == Tag.Name.implicit.rawValue }

    private func tagged(_ node: Node) -> FileError {
        error(node, "carries a tag", hint: "remove the `!…`; what a value means is decided by its key")
    }

    private func normalized(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }

    private func place(of node: Node) -> SourcePosition? {
        node.mark.map { SourcePosition(line: $0.line, column: $0.column) }
    }

    private func error(_ node: Node, _ problem: String, hint: String) -> FileError {
        FileError(code: .syntax, path: path, position: place(of: node), problem: problem, hint: hint)
    }
}
