// SPDX-License-Identifier: Apache-2.0
// Changing one place of a document, and describing a whole one, for tests.

import Federation
import Randomness

extension DocumentNode {
    /// The document with the value at `path` replaced or added; `[]` is the first element of a list.
    func setting(_ path: String, to value: DocumentNode) -> DocumentNode {
        let names = path.split(separator: ".").flatMap { part in
            part.hasSuffix("[]") ? [String(part.dropLast(2)), "[]"] : [String(part)]
        }
        return setting(names[...], to: value)
    }

    private func setting(_ names: ArraySlice<String>, to value: DocumentNode) -> DocumentNode {
        guard let name = names.first else { return value }
        let rest = names.dropFirst()
        switch content {
        case .sequence(var elements) where name == "[]":
            elements[0] = elements[0].setting(rest, to: value)
            return DocumentNode(.sequence(elements), position: position)
        case .mapping(var entries):
            if let index = entries.firstIndex(where: { $0.key == name }) {
                entries[index].value = entries[index].value.setting(rest, to: value)
            } else {
                let empty = DocumentNode(.mapping([]))
                entries.append((name, nil, empty.setting(rest, to: value)))
            }
            return DocumentNode(.mapping(entries), position: position)
        case .scalar, .sequence:
            // `age: age` becomes `age: {…}`.
            return DocumentNode(.mapping([])).setting(names, to: value)
        }
    }

    /// The same document with the keys of every mapping in another order.
    func shuffled(using generator: inout SeededGenerator) -> DocumentNode {
        switch content {
        case .scalar: return self
        case .sequence(let elements):
            return DocumentNode(.sequence(elements.map { $0.shuffled(using: &generator) }), position: position)
        case .mapping(var entries):
            for index in entries.indices.dropFirst() { entries.swapAt(index, generator.index(below: index + 1)) }
            return DocumentNode(
                .mapping(entries.map { ($0.key, $0.keyPosition, $0.value.shuffled(using: &generator)) }),
                position: position)
        }
    }

    /// `{a: [x, y]}` with the places of keys and values: `{a@1:1: [x@1:5, y@1:8]@1:4}@1:1`.
    var text: String {
        func place(_ position: SourcePosition?) -> String { position.map { "@\($0.line):\($0.column)" } ?? "" }
        switch content {
        case .scalar(let text): return text + place(position)
        case .sequence(let elements): return "[" + elements.map(\.text).joined(separator: ", ") + "]" + place(position)
        case .mapping(let entries):
            let pairs = entries.map { "\($0.key)\(place($0.keyPosition)): \($0.value.text)" }
            return "{" + pairs.joined(separator: ", ") + "}" + place(position)
        }
    }
}
