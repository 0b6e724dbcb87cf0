// SPDX-License-Identifier: Apache-2.0
// One entry of a model's list: a layer or block, its name, and what it reads.

/// One entry of a model's list.
package struct ModelElement: Hashable, Sendable {
    package var content: any StudyElement
    /// Starts the names of its parameters; nil: the place in the list.
    package var name: String?
    /// The inputs and elements that it reads; nil: the element before.
    package var from: [String]?

    package init(_ content: any StudyElement, name: String? = nil, from: [String]? = nil) {
        self.content = content
        self.name = name
        self.from = from
    }

    package static func == (one: ModelElement, other: ModelElement) -> Bool {
        one.name == other.name && one.from == other.from && AnyHashable(one.content) == AnyHashable(other.content)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(from)
        hasher.combine(AnyHashable(content))
    }

    /// Letters, digits, `_`, `-`, and single dots between them; not a number, which names a place.
    static func isName(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let isPlain = parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
        }
        return isPlain && text.utf8.count <= 64 && Int(text) == nil
    }
}

/// One input of a model, by name.
package struct ModelInput: Hashable, Sendable {
    package var name: String
    /// `[features]`, `[time, features]`, `[channels, size…]`, or the number of tokens.
    package var sizes: [Int]
    package var holdsTokens: Bool

    package init(_ name: String, sizes: [Int], holdsTokens: Bool = false) {
        self.name = name
        self.sizes = sizes
        self.holdsTokens = holdsTokens
    }

    /// The columns of a table.
    package static func table(_ name: String = defaultName, features: Int) -> ModelInput {
        ModelInput(name, sizes: [features])
    }

    /// An image, a volume, a signal: channels first.
    package static func values(_ name: String, _ sizes: [Int]) -> ModelInput { ModelInput(name, sizes: sizes) }

    /// Text as token numbers, padded to a length.
    package static func tokens(_ name: String, _ length: Int) -> ModelInput {
        ModelInput(name, sizes: [length], holdsTokens: true)
    }

    /// The name of the only input of a model that names none.
    package static let defaultName = "features"
}
