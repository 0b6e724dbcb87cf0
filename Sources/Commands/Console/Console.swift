// SPDX-License-Identifier: Apache-2.0
// Where commands write: results to standard output, everything else to standard error.

import Foundation
import Glibc

/// The two output streams of a command, and what they can show.
struct Console: Sendable {
    /// Width of everything written.
    static let columns = 80

    /// Whether standard output is a terminal that moves its cursor.
    let isTerminal: Bool
    /// Whether text may be set off by weight; nothing is ever said by it alone.
    let usesEmphasis: Bool
    /// Nothing but errors is shown to people; a machine reads standard output.
    var isQuiet = false

    /// The console of this process. `NO_COLOR` (no-color.org) and `TERM=dumb` are respected.
    static func standard(quiet: Bool = false) -> Console {
        let environment = ProcessInfo.processInfo.environment
        let isTerminal = isatty(STDOUT_FILENO) == 1 && environment["TERM", default: "dumb"] != "dumb"
        return Console(
            isTerminal: isTerminal, usesEmphasis: isTerminal && environment["NO_COLOR", default: ""].isEmpty,
            isQuiet: quiet)
    }

    /// Writes one line for people, wrapped at the width.
    func line(_ text: String = "", indent: Int = 0) {
        guard !isQuiet else { return }
        write(Self.wrapped(text, indent: indent).joined(separator: "\n") + "\n")
    }

    /// Writes a heading.
    func heading(_ text: String) {
        guard !isQuiet else { return }
        write(usesEmphasis ? "\u{1B}[1m\(text)\u{1B}[0m\n" : "\(text)\n")
    }

    /// Writes text as it is.
    func raw(_ text: String) {
        if !isQuiet { write(text) }
    }

    /// Writes to standard error, wrapped at the width.
    func note(_ text: String) {
        try? FileHandle.standardError.write(
            contentsOf: Data((Self.wrapped(text).joined(separator: "\n") + "\n").utf8))
    }

    private func write(_ text: String) { StandardOutput.write(Data(text.utf8)) }

    /// Breaks `text` at blanks; continuation lines are indented by two more. A word longer than a line stays whole.
    static func wrapped(_ text: String, indent: Int = 0) -> [String] {
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let own = paragraph.prefix { $0 == " " }.count
            var line = String(repeating: " ", count: indent) + paragraph
            while line.count > columns {
                let limit = line.index(line.startIndex, offsetBy: columns + 1)
                let lead = line.prefix { $0 == " " }.endIndex
                guard let blank = line[lead..<limit].lastIndex(of: " ") ?? line[limit...].firstIndex(of: " ")
                else { break }
                lines.append(String(line[..<blank]))
                line = String(repeating: " ", count: indent + own + 2) + line[line.index(after: blank)...]
            }
            lines.append(line)
        }
        return lines
    }
}
