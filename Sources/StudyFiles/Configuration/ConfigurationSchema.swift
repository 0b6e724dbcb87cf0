// SPDX-License-Identifier: Apache-2.0
// The keys of a configuration file as a table: it decides what is accepted, what a default is, and what the help says.

import Federation

/// One key of a configuration file.
package struct ConfigurationKey: Sendable {
    /// What an absent key means.
    package enum Absence: Sendable {
        /// An error.
        case refused
        /// The same as this text.
        case standard(String)
        /// What these words say.
        case described(String)
    }

    /// The path in the file: `aggregator.port`; `datasets[].name` for a key of every element of a list; `NAME` stands
    /// for a key that the file chooses.
    package let path: String
    package let absence: Absence
    /// Whether a variable of the environment may replace the value.
    package let isOverridable: Bool
    package let meaning: String

    static func file(_ path: String, _ absence: Absence, _ meaning: String) -> ConfigurationKey {
        ConfigurationKey(path: path, absence: absence, isOverridable: false, meaning: meaning)
    }

    static func setting(_ path: String, _ absence: Absence, _ meaning: String) -> ConfigurationKey {
        ConfigurationKey(path: path, absence: absence, isOverridable: true, meaning: meaning)
    }

    /// The variable that replaces the value: `CONSILIUM_TLS_PRIVATE_KEY` for `tls.privateKey`.
    package var environmentName: String? {
        guard isOverridable else { return nil }
        var name = "CONSILIUM_"
        for character in path {
            if character == "." {
                name += "_"
            } else {
                if character.isUppercase { name += "_" }
                name += character.uppercased()
            }
        }
        return name
    }
}

/// All keys of one kind of configuration file, in the order in which people should read about them.
package struct ConfigurationSchema: Sendable {
    package let title: String
    package let keys: [ConfigurationKey]

    /// The names of the keys directly below `pattern` (`""` is the whole file), in order.
    func names(under pattern: String) -> [String] {
        let prefix = pattern.isEmpty ? "" : pattern + "."
        var names: [String] = []
        for key in keys where key.path.hasPrefix(prefix) {
            let name = String(key.path.dropFirst(prefix.count).prefix { $0 != "." && $0 != "[" })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// The key at `path`. Asking for one that the table lacks is a mistake of the code that reads the file.
    func key(at path: String) -> ConfigurationKey {
        guard let key = keys.first(where: { $0.path == path }) else {
            preconditionFailure("\(title) has no key \(path) in its table")
        }
        return key
    }

    /// A Markdown table of every key: what it means, its default, and the variable that replaces it.
    package func reference() -> String {
        var lines = [
            "## \(title)", "", "| key | default | environment variable | meaning |", "|---|---|---|---|",
        ]
        for key in keys {
            let absence =
                switch key.absence {
                case .refused: "required"
                case .standard(let text): "`\(text)`"
                case .described(let words): words
                }
            let variable = key.environmentName.map { "`\($0)`" } ?? ""
            lines.append("| `\(key.path)` | \(absence) | \(variable) | \(key.meaning) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
