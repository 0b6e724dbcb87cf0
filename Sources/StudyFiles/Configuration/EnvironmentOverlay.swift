// SPDX-License-Identifier: Apache-2.0
// Variables of the environment that replace values of a configuration file before it is read.

import Configuration
import Federation

/// A configuration document in which the environment's values have taken the place of the file's.
///
/// Both then pass the same checks, and an error still names the variable or the line it came from.
struct EnvironmentOverlay {
    private(set) var document: DocumentNode
    /// From the path of a replaced value to the variable's name.
    private(set) var variables: [String: String] = [:]

    init(_ document: DocumentNode, environment: [String: String], schema: ConfigurationSchema) {
        self.document = document
        let reader = ConfigReader(
            provider: EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "consilium"))
        for key in schema.keys {
            guard let variable = key.environmentName else { continue }
            let names = key.path.split(separator: ".").map(String.init)
            // Read as text: `ConfigReader.int` takes a number it cannot read for an absent one.
            guard let text = reader.string(forKey: ConfigKey(names)) else { continue }
            self.document = Self.replacing(names[...], in: self.document, with: text)
            variables[key.path] = variable
        }
    }

    /// Adds the name of the variable, or else of the file, to what a reader found.
    func fileError(_ error: DocumentError, path: String) -> FileError {
        guard let variable = variables[error.path] else { return FileError(error, path: path) }
        return FileError(
            code: .environment, path: variable, position: nil, problem: "`\(error.path)` \(error.problem)",
            hint: error.hint)
    }

    /// A file that says `tls: 5` is left as it is, for the reader to refuse.
    private static func replacing(_ names: ArraySlice<String>, in node: DocumentNode, with text: String) -> DocumentNode
    {
        guard let name = names.first else { return DocumentNode(.scalar(text)) }
        guard case .mapping(var entries) = node.content else { return node }
        let rest = names.dropFirst()
        if let index = entries.firstIndex(where: { $0.key == name }) {
            entries[index].value = replacing(rest, in: entries[index].value, with: text)
        } else {
            let empty = DocumentNode(.mapping([]), position: node.position)
            entries.append((name, node.position, replacing(rest, in: empty, with: text)))
        }
        return DocumentNode(.mapping(entries), position: node.position)
    }
}
