// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a layer from a document.

import NeuralNetworks

/// Overwrites the fields that a document names and keeps the first error.
struct FieldReader: FieldVisitor {
    private let fields: DocumentFields
    private(set) var error: DocumentError?

    init(_ fields: DocumentFields) { self.fields = fields }

    private mutating func read<Value>(
        _ name: String, _ value: inout Value, _ presence: FieldPresence,
        _ body: (DocumentReader) throws(DocumentError) -> Value
    ) {
        guard error == nil else { return }
        do throws(DocumentError) {
            if let reader = presence == .required ? try fields.required(name) : fields[optional: name] {
                value = try body(reader)
            }
        } catch {
            self.error = error
        }
    }

    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ presence: FieldPresence) {
        read(name, &value, presence) { (reader) throws(DocumentError) in try reader.integer(range) }
    }

    mutating func optionalInteger(_ name: String, _ value: inout Int?, _ range: ClosedRange<Int>) {
        read(name, &value, .standard) { (reader) throws(DocumentError) in
            try reader.string() == "none" ? nil : try reader.integer(range)
        }
    }

    mutating func decimal(
        _ name: String, _ value: inout Double, _ range: ClosedRange<Double>, _ presence: FieldPresence
    ) {
        read(name, &value, presence) { (reader) throws(DocumentError) in try reader.decimal(range) }
    }

    mutating func flag(_ name: String, _ value: inout Bool) {
        read(name, &value, .standard) { (reader) throws(DocumentError) in try reader.boolean() }
    }

    mutating func sizes(_ name: String, _ value: inout [Int], _ range: ClosedRange<Int>, _ form: SizesForm) {
        let presence: FieldPresence
        switch form {
        case .required, .list: presence = .required
        case .standard: presence = .standard
        case .like(_, let sizes):
            presence = .standard
            value = sizes
        }
        read(name, &value, presence) { (reader) throws(DocumentError) in
            let sizes = try reader.integers(range, dimensions: form.dimensions)
            if case .list(let most) = form, sizes.count > most {
                throw reader.error("has too many sizes", hint: "at most \(most)")
            }
            return sizes
        }
    }

    mutating func activation(_ name: String, _ value: inout Activation, _ presence: FieldPresence) {
        read(name, &value, presence) { (reader) throws(DocumentError) in
            let (word, body) = try reader.choice(Activation.choices.map(\.word))
            guard var activation = Activation.choices.first(where: { $0.word == word }) else {
                preconditionFailure("a word without an activation")
            }
            let keys = activation.number.map { [$0.name] } ?? []
            if let number = try body.fields(keys).values.first {
                let size = Float(try number.value.decimal(Activation.numberRange))
                activation.number?.value = size
            }
            return activation
        }
    }

    mutating func padding(_ name: String, _ value: inout Padding, dimensions: Int) {
        read(name, &value, .standard) { (reader) throws(DocumentError) in
            switch try? reader.string() {
            case "valid": return .valid
            case "same": return .same
            case let text? where Int(text) == nil:
                throw reader.error("is no padding", hint: "valid, same, or the zeros on both sides of each dimension")
            default:
                let amounts = try reader.integers(Padding.range, dimensions: dimensions)
                return amounts.allSatisfy { $0 == 0 } ? .valid : .explicit(amounts)
            }
        }
    }

    mutating func word<Word: CaseIterable & RawRepresentable>(_ name: String, _ value: inout Word)
    where Word.RawValue == String {
        read(name, &value, .standard) { (reader) throws(DocumentError) in try reader.keyword(Word.self) }
    }

    mutating func group<Group: FieldGroup>(_ name: String, _ value: inout Group?) {
        read(name, &value, .standard) { (reader) throws(DocumentError) in
            if case .scalar = reader.node.content, try reader.string() == "none" { return nil }
            var group = Group()
            var own = FieldReader(try reader.fields(FieldTable(group).rows.map(\.name)))
            group.visit(&own)
            if let error = own.error { throw error }
            return group
        }
    }
}

extension DocumentReader {
    /// A list of whole numbers, or a single one that stands for all dimensions.
    fileprivate func integers(
        _ range: ClosedRange<Int>, dimensions: Int?
    ) throws(DocumentError) -> [Int] {
        if case .scalar = node.content {
            return [Int](repeating: try integer(range), count: dimensions ?? 1)
        }
        var values: [Int] = []
        let elements = try elements()
        if let dimensions, elements.count != dimensions {
            throw error("has \(elements.count) sizes", hint: "one number, or a list of \(dimensions)")
        }
        guard (1...64).contains(elements.count) else { throw error("has no size, or too many", hint: "1 to 64 sizes") }
        for element in elements { values.append(try element.integer(range)) }
        return values
    }
}
