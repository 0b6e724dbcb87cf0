// SPDX-License-Identifier: Apache-2.0
// A small valid study as a value that tests change one key at a time.

import Federation

enum SampleStudy {
    /// Binary, four columns, every optional key left out.
    static let value = CanonicalValue.object([
        "study": .string("sample"), "title": .string("A sample"), "purpose": .string("To test."),
        "task": .string("binary"),
        "data": .object([
            "columns": .array([
                column("age", "number", number),
                column("cp", "category", .object(["codes": .strings(["1", "2", "3"])])),
                column("num", "label", .object(["positive": .strings(["1"]), "negative": .strings(["0"])])),
                column("sex", "group", .object(["codes": .strings(["0", "1"])])),
            ])
        ]),
        "model": .object(["layers": .array([.object(["dense": .object(["units": .count(1)])])])]),
        "training": .object([
            "optimizer": .string("sgd"), "learningRate": .decimal(0.1), "batchSize": .count(4),
            "localSteps": .count(10), "seed": .count(1),
        ]),
        "federation": .object(["rounds": .count(3), "minimumSites": .count(2)]),
    ])

    static let number = CanonicalValue.object([
        "unit": .string("years"), "minimum": .decimal(0), "maximum": .decimal(120),
    ])

    static func column(_ name: String, _ kind: String, _ body: CanonicalValue) -> CanonicalValue {
        .object(["name": .string(name), kind: body])
    }

    /// The study with the value at `path` (`data.columns[0].number.unit`) replaced, added, or removed for `nil`.
    static func document(_ path: String, _ value: CanonicalValue?) -> DocumentNode {
        let parts = path.split(whereSeparator: { ".[]".contains($0) }).map(String.init)
        return replacing(parts[...], in: self.value, with: value).documentNode
    }

    private static func replacing(
        _ path: ArraySlice<String>, in value: CanonicalValue, with new: CanonicalValue?
    ) -> CanonicalValue {
        guard let part = path.first else { return new ?? value }
        let rest = path.dropFirst()
        switch value {
        case .object(var fields):
            fields[part] = rest.isEmpty ? new : replacing(rest, in: fields[part] ?? .object([:]), with: new)
            return .object(fields)
        case .array(var elements):
            let index = Int(part) ?? 0
            if index == elements.count {
                if let new { elements.append(new) }
            } else if rest.isEmpty, new == nil {
                elements.remove(at: index)
            } else {
                elements[index] = replacing(rest, in: elements[index], with: new)
            }
            return .array(elements)
        case .string, .integer: return value
        }
    }
}
