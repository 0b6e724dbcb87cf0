// SPDX-License-Identifier: Apache-2.0
// The table of all layers that studies may name, made from the code that reads them.

import NeuralNetworks

/// The part of `protocol/models.md` that the code writes; a test compares the two.
package enum ModelDocumentation {
    /// Every kind of layer and block with its fields, defaults and ranges, in Markdown.
    package static let layers: String = {
        var text = "| kind | meaning | field | default | values |\n|---|---|---|---|---|\n"
        for element in ModelSpecification.defaults {
            let rows = FieldTable(element).rows
            let start = "| `\(element.studyKind)` | \(element.purpose) |"
            if rows.isEmpty { text += "\(start) none | | |\n" }
            for (index, row) in rows.enumerated() {
                text += "\(index == 0 ? start : "| | |") `\(row.name)` | \(row.standard) | \(row.values) |\n"
            }
        }
        return text
    }()

    /// The functions that a field of the kind "an activation" takes, in Markdown.
    package static let activations: String =
        Activation.choices.map { activation in
            guard let number = activation.number else { return "`\(activation.word)`" }
            return "`\(activation.word): {\(number.name): \(number.value)}`"
        }.joined(separator: ", ") + "\n"
}
