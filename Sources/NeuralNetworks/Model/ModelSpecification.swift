// SPDX-License-Identifier: Apache-2.0
// A model as data: inputs, a list of layers that read each other, and outputs, as a study names them.

/// The layers of a model from the inputs to the logits; the head that follows is named apart.
///
/// Equal models are equal values: the inputs stand in the order of their names' bytes; a name that is the place in the
/// list, a source that is the element before, and an output that is the last element are left out.
package struct ModelSpecification: Hashable, Sendable {
    /// Empty: one input with the table's features.
    ///
    /// Their order is that of the graph's inputs.
    package let inputs: [ModelInput]
    package let elements: [ModelElement]
    /// Names of elements; empty: the last one.
    package let outputs: [String]

    package init(inputs: [ModelInput] = [], elements: [ModelElement], outputs: [String] = []) {
        self.inputs = inputs.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var elements = elements
        for index in elements.indices {
            if elements[index].name == String(index) { elements[index].name = nil }
        }
        // The default source of an element, where there is one.
        var before = inputs.count > 1 ? nil : inputs.first?.name ?? ModelInput.defaultName
        for index in elements.indices {
            if let only = before, elements[index].from == [only] { elements[index].from = nil }
            before = elements[index].name ?? String(index)
        }
        self.elements = elements
        self.outputs = before.map { [$0] } == outputs ? [] : outputs
    }

    /// A chain of layers and blocks behind the table's features.
    package init(layers: [any StudyElement]) {
        self.init(elements: layers.map { ModelElement($0) })
    }

    /// The most units a layer, features a table, or classes a head may have.
    package static let largestWidth = 1 << 20
    /// The most entries of the list.
    package static let largestElementCount = 256
    /// The most inputs, and the most outputs.
    package static let largestEdgeCount = 16

    /// The name of an element: its own, or its place in the list.
    package func name(ofElement index: Int) -> String { elements[index].name ?? String(index) }

    /// The words of all kinds of layers and blocks in the model, each once and sorted.
    package var kinds: [String] { Set(elements.map(\.content.studyKind)).sorted() }
}
