// SPDX-License-Identifier: Apache-2.0
// A study file: the YAML form in which people write and review a study.

package import Federation

/// Reads study files; their format is described in `studies/README.md`.
package enum StudyFile {
    /// Reads and checks the study in the file at `path`.
    ///
    /// - Throws: ``FileError`` with the place in the file.
    package static func load(_ path: String) throws -> Study {
        try study(in: YAMLDocument.load(contentsOf: path), path: path)
    }

    /// Reads and checks a study from text; `path` is only used to name the place of an error.
    ///
    /// - Throws: ``FileError`` with the place in the text.
    package static func parse(_ text: String, path: String) throws -> Study {
        try study(in: YAMLDocument.parse(text, path: path), path: path)
    }

    private static func study(in document: DocumentNode, path: String) throws -> Study {
        do {
            return try Study(document: document)
        } catch {
            throw FileError(error, path: path)
        }
    }
}
