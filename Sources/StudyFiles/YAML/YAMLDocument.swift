// SPDX-License-Identifier: Apache-2.0
// Reads a YAML file into a tree with places: size, text and syntax are checked here, meaning is not.

package import Federation
import Foundation
import Yams

/// The YAML that Consilium reads: one document of mappings, lists and scalars.
///
/// A value has one spelling that means it: no anchors, aliases, merge keys or tags, no repeated keys, no tab
/// in an indentation, at most 1 MiB, at most 32 levels deep. Scalars stay text (`no`, `1.0` and `2024-01-31` are what they
/// look like). Text is brought to Unicode NFC, so that the same words have the same canonical bytes.
package enum YAMLDocument {
    /// The largest file that is read.
    package static let largestFileBytes = 1 << 20
    /// How deep lists and mappings may nest.
    package static let deepestLevel = 32

    /// Reads the file at `path`.
    ///
    /// - Throws: ``FileError``, for a file that cannot be read or does not hold one document of the accepted kind.
    package static func load(contentsOf path: String) throws -> DocumentNode {
        try parse(bytes: read(path), path: path)
    }

    /// Reads `text`; `path` is only used to name the place of an error.
    ///
    /// - Throws: ``FileError``, as for a file.
    package static func parse(_ text: String, path: String) throws -> DocumentNode {
        try parse(bytes: Array(text.utf8), path: path)
    }

    /// Reads bytes that came from a file; a UTF-8 byte order mark is skipped.
    ///
    /// - Throws: ``FileError``, as for a file.
    package static func parse(bytes: [UInt8], path: String) throws -> DocumentNode {
        guard bytes.count <= largestFileBytes else { throw tooLarge(path) }
        let text = try YAMLText.check(bytes, path: path)
        do {
            // The parser owns the anchors, to which nodes hold weak references: it must outlive the conversion.
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            return try withExtendedLifetime(parser) {
                guard let root = try parser.singleRoot() else {
                    throw FileError(
                        code: .syntax, path: path, position: nil, problem: "the file is empty",
                        hint: "write `key: value` lines")
                }
                return try YAMLConversion(path: path).document(root, depth: 0)
            }
        } catch let error as YamlError {
            throw FileError(error, path: path)
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw unreadable(path, "the file does not exist", hint: "check the name; it counts from the current folder")
        }
        guard !isFolder.boolValue else {
            throw unreadable(path, "is a folder", hint: "name the file inside it")
        }
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            // One byte more than allowed tells a file that is too large, also when it grows or never ends.
            return Array(try file.read(upToCount: largestFileBytes + 1) ?? Data())
        } catch {
            throw unreadable(path, "the file cannot be read", hint: "check its permissions")
        }
    }

    private static func unreadable(_ path: String, _ problem: String, hint: String) -> FileError {
        FileError(code: .unreadable, path: path, position: nil, problem: problem, hint: hint)
    }

    private static func tooLarge(_ path: String) -> FileError {
        FileError(
            code: .syntax, path: path, position: nil, problem: "the file is larger than \(largestFileBytes) bytes",
            hint: "this is not a study or configuration file")
    }
}

extension FileError {
    /// The parser's own finding. Its sentences are constants; the text of the file, which it also carries, is dropped.
    fileprivate init(_ error: YamlError, path: String) {
        func make(_ problem: String, _ mark: Mark?, hint: String) -> FileError {
            FileError(
                code: .syntax, path: path,
                position: mark.map { SourcePosition(line: max(1, $0.line), column: max(1, $0.column)) },
                problem: problem, hint: hint)
        }
        let indentation = "check quotes, colons and the indentation of this line and the one above"
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
            self = make(problem, mark, hint: indentation)
        case .composer(nil, _, let mark, _):
            self = make("uses an alias", mark, hint: "write the value out")
        case .composer(_, _, let mark, _):
            self = make("starts a second document", mark, hint: "keep one document in a file")
        case .duplicatedKeysInMapping(_, let context):
            self = make("this key appears again in the same mapping", context.mark, hint: "keep one of them")
        default:
            self = make("is not readable as YAML", nil, hint: "save the file as UTF-8 text")
        }
    }
}
