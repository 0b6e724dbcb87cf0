// SPDX-License-Identifier: Apache-2.0
// Writes the fields of a layer as a canonical value, and as the rows of a table for people.

import NeuralNetworks

/// Writes every field, those with their defaults, too; an addition only where it is not zero and a group only where
/// there is one, so that a study that knows of none keeps its bytes.
struct FieldWriter: FieldVisitor {
    private(set) var values: [String: CanonicalValue] = [:]

    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ presence: FieldPresence) {
        if presence == .addition, value == 0 { return }
        values[name] = .count(value)
    }

    mutating func optionalInteger(_ name: String, _ value: inout Int?, _ range: ClosedRange<Int>) {
        values[name] = value.map { .count($0) } ?? .string("none")
    }

    mutating func decimal(
        _ name: String, _ value: inout Double, _ range: ClosedRange<Double>, _ presence: FieldPresence
    ) {
        if presence == .addition, value == 0 { return }
        values[name] = .decimal(value)
    }

    mutating func flag(_ name: String, _ value: inout Bool) { values[name] = .boolean(value) }

    mutating func sizes(_ name: String, _ value: inout [Int], _ range: ClosedRange<Int>, _ form: SizesForm) {
        values[name] = .array(value.map { .count($0) })
    }

    mutating func activation(_ name: String, _ value: inout Activation, _ presence: FieldPresence) {
        if let number = value.number {
            // The digits of the Float, not those of the nearby Double.
            let digits = Double(number.value.description) ?? Double(number.value)
            values[name] = .object([value.word: .object([number.name: .decimal(digits)])])
        } else {
            values[name] = .string(value.word)
        }
    }

    mutating func padding(_ name: String, _ value: inout Padding, dimensions: Int) {
        switch value {
        case .valid: values[name] = .string("valid")
        case .same: values[name] = .string("same")
        case .explicit(let amounts): values[name] = .array(amounts.map { .count($0) })
        }
    }

    mutating func word<Word: CaseIterable & RawRepresentable>(_ name: String, _ value: inout Word)
    where Word.RawValue == String {
        values[name] = .string(value.rawValue)
    }

    mutating func group<Group: FieldGroup>(_ name: String, _ value: inout Group?) {
        guard value != nil else { return }
        var own = FieldWriter()
        value?.visit(&own)
        values[name] = .object(own.values)
    }
}

/// Collects what a person must know of every field.
struct FieldTable: FieldVisitor {
    /// One field of one kind of layer, as text.
    struct Row {
        let name: String
        /// `required`, or the default.
        let standard: String
        let values: String
    }

    private(set) var rows: [Row] = []

    /// The fields of a layer with its defaults.
    init(_ element: any StudyElement) {
        var element = element
        element.visit(&self)
    }

    /// The fields of a group with its defaults.
    init(_ group: some FieldGroup) {
        var group = group
        group.visit(&self)
    }

    private mutating func add(_ name: String, _ presence: FieldPresence, _ standard: String, _ values: String) {
        rows.append(Row(name: name, standard: presence == .required ? "required" : "`\(standard)`", values: values))
    }

    private static func text(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) to \(range.upperBound)" }
    private static func text(_ sizes: [Int]) -> String {
        Set(sizes).count == 1 ? String(sizes[0]) : "[\(sizes.map(String.init).joined(separator: ", "))]"
    }

    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ presence: FieldPresence) {
        add(name, presence, String(value), Self.text(range))
    }

    mutating func optionalInteger(_ name: String, _ value: inout Int?, _ range: ClosedRange<Int>) {
        add(name, .standard, value.map(String.init) ?? "none", "`none`, or \(Self.text(range))")
    }

    mutating func decimal(
        _ name: String, _ value: inout Double, _ range: ClosedRange<Double>, _ presence: FieldPresence
    ) {
        let text = "\(decimalText(range.lowerBound)) to \(decimalText(range.upperBound))"
        add(name, presence, decimalText(value), text)
    }

    mutating func flag(_ name: String, _ value: inout Bool) {
        add(name, .standard, String(value), "`true` or `false`")
    }

    mutating func sizes(_ name: String, _ value: inout [Int], _ range: ClosedRange<Int>, _ form: SizesForm) {
        let number = Self.text(range)
        let text =
            switch form.dimensions {
            case 1?: number
            case let dimensions?: "\(number), or a list of \(dimensions)"
            case nil: "a list of numbers, each \(number)"
            }
        switch form {
        case .required, .list: add(name, .required, "", text)
        case .standard: add(name, .standard, Self.text(value), text)
        case .like(let field, _): rows.append(Row(name: name, standard: "as `\(field)`", values: text))
        }
    }

    mutating func activation(_ name: String, _ value: inout Activation, _ presence: FieldPresence) {
        add(name, presence, value.word, "an activation")
    }

    mutating func padding(_ name: String, _ value: inout Padding, dimensions: Int) {
        let list = dimensions == 1 ? "" : ", or a list of \(dimensions)"
        add(name, .standard, "valid", "`valid`, `same`, \(Self.text(Padding.range))\(list)")
    }

    mutating func word<Word: CaseIterable & RawRepresentable>(_ name: String, _ value: inout Word)
    where Word.RawValue == String {
        add(name, .standard, value.rawValue, Word.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", "))
    }

    mutating func group<Group: FieldGroup>(_ name: String, _ value: inout Group?) {
        let fields = FieldTable(Group()).rows.map { row in
            "`\(row.name)`: \(row.values) (\(row.standard == "required" ? "" : "default ")\(row.standard))"
        }
        add(name, .standard, "none", "`none`, or fields: \(fields.joined(separator: "; "))")
    }
}
