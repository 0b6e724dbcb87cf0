// SPDX-License-Identifier: Apache-2.0
// Why a file that a person wrote was refused, printed the way compilers print places.

package import Federation

/// What is wrong with a file, where, and what would be right.
///
/// It holds the name of the file, a place in it and sentences made of our own key names; never a value found in the
/// file. ``description`` is two lines: `FILE:LINE:COLUMN: problem`, then `hint: …`.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind of trouble, for programs.
    package enum Code: String, Sendable {
        /// The file is absent, a folder, or may not be read.
        case unreadable
        /// The file is not text in the subset of YAML that is accepted.
        case syntax
        /// The text is well formed but says something that is unknown, missing or impossible.
        case content
        /// A variable of the environment that replaces a value of the file is wrong.
        case environment
    }

    package var code: Code
    /// The file as the caller named it, or the name of a variable of the environment.
    package var path: String
    package var position: SourcePosition?
    package var problem: String
    package var hint: String

    package init(code: Code, path: String, position: SourcePosition?, problem: String, hint: String) {
        self.code = code
        self.path = path
        self.position = position
        self.problem = problem
        self.hint = hint
    }

    /// Adds the file's name to what a reader of documents found.
    package init(_ error: DocumentError, path: String) {
        let subject = error.path.isEmpty ? "the document" : "`\(error.path)`"
        self.init(
            code: .content, path: path, position: error.position, problem: "\(subject) \(error.problem)",
            hint: error.hint)
    }

    /// `FILE:LINE:COLUMN: problem`, without the hint.
    package var message: String {
        let place = position.map { ":\($0.line):\($0.column)" } ?? ""
        return "\(path)\(place): \(problem)"
    }

    package var description: String { "\(message)\nhint: \(hint)" }
}
