// SPDX-License-Identifier: Apache-2.0
// Why a table could not be used: a code for programs, a sentence and a hint for people, the places for the site.

/// The error of every function that reads a table.
///
/// Privacy: holds names of files, columns and arrays, line numbers and counts, never a value of the table. Line numbers and counts stay at
/// the site: over the wire goes ``code`` alone.
package struct DataError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, CaseIterable, Hashable, Sendable {
        /// The file does not exist or cannot be read.
        case unreadableFile
        /// The file cannot be written.
        case unwritableFile
        /// The gzip stream is damaged or ends early.
        case damagedGzip
        /// The bytes are not text in the encoding that was given or found.
        case wrongEncoding
        /// A zero byte: the file is not a text table.
        case zeroByte
        /// Text after a closing quote, or a quote that is never closed.
        case malformedQuotes
        /// A row is longer than 64 MiB.
        case rowTooLong
        /// More than 100,000 columns.
        case tooManyColumns
        /// More rows than a table may hold.
        case tooManyRows
        /// Not even a header.
        case emptyTable
        /// Two columns have the same name.
        case duplicateColumn
        /// The table lacks a column that the contract needs.
        case missingColumn
        /// The site's mapping contradicts the contract.
        case wrongMapping
        /// The contract cannot be applied: no label, a group of too many levels.
        case wrongContract
        /// Values break the contract; ``DataError/findings`` says where.
        case refused
        /// The preprocessing was made for other columns.
        case wrongPreprocessing
        /// An archive of arrays contradicts itself: places, lengths, checksums, headers.
        case damagedArchive
        /// An archive, or an array in it, has a form that is not read: encrypted, ZIP64, big-endian, of objects.
        case unsupportedArchive
        /// An archive claims more members or bytes than the reader allows.
        case archiveTooLarge
        /// The archive has no array of that name.
        case missingArray
        /// A line of a table of numbers is of another width, or holds something that is not a number.
        case wrongNumbers
        /// The file is not a vocabulary of this program.
        case wrongVocabulary
    }

    package var code: Code
    package var message: String
    package var hint: String
    /// The refusals, for ``Code/refused``; else empty.
    package var findings: [DataFinding]

    package init(_ code: Code, _ message: String, hint: String, findings: [DataFinding] = []) {
        self.code = code
        self.message = message
        self.hint = hint
        self.findings = findings
    }

    package var description: String {
        let places = findings.map { "\n  \($0.message)" }.joined()
        return "error: \(message)\(places)\nhint: \(hint)"
    }
}
