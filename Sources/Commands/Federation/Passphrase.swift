// SPDX-License-Identifier: Apache-2.0
// Asks for a passphrase on the terminal, unseen, or reads it from a file.

import Foundation
import Glibc

enum Passphrase {
    static let shortest = 12

    /// A passphrase for a new key: at least twelve bytes, typed twice.
    static func new(file: String?) throws -> [UInt8] {
        let bytes: [UInt8]
        if let file {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw CommandError(
                    .notDone, "cannot read \(file)", hint: "name a file whose first line is the passphrase")
            }
            bytes = Array((text.split(separator: "\n", omittingEmptySubsequences: false).first ?? "").utf8)
        } else {
            guard isatty(STDIN_FILENO) == 1 else {
                throw CommandError(
                    .wrongUse, "there is no terminal to ask for a passphrase", hint: "use --passphrase-file")
            }
            bytes = try ask("passphrase for the root's key: ")
            guard try ask("once more: ") == bytes else {
                throw CommandError(.wrongUse, "the two passphrases differ", hint: "try again")
            }
        }
        guard bytes.count >= shortest else {
            throw CommandError(.wrongUse, "a passphrase has at least \(shortest) characters", hint: "use several words")
        }
        return bytes
    }

    /// The passphrase of a key that is there.
    static func known(file: String?) throws -> [UInt8] {
        if file != nil { return try new(file: file) }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandError(.wrongUse, "there is no terminal to ask for a passphrase", hint: "use --passphrase-file")
        }
        return try ask("passphrase of the root's key: ")
    }

    private static func ask(_ prompt: String) throws -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: 1_024)
        // The C library turns echo off, and on again whatever happens.
        guard readpassphrase(prompt, &buffer) else {
            throw CommandError(.notDone, "the passphrase cannot be read", hint: "use --passphrase-file")
        }
        return buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }

    private static func readpassphrase(_ prompt: String, _ buffer: inout [CChar]) -> Bool {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return false }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else { return false }
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        try? FileHandle.standardError.write(contentsOf: Data(prompt.utf8))
        let line = readLine() ?? ""
        try? FileHandle.standardError.write(contentsOf: Data("\n".utf8))
        let bytes = Array(line.utf8)
        guard !bytes.isEmpty, bytes.count < buffer.count else { return false }
        for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
        return true
    }
}
