// SPDX-License-Identifier: Apache-2.0
// The option `--json FILE` that every reporting command has.

import ArgumentParser
import Foundation
import Glibc
import Simulation

/// Writes a command's result for machines.
struct JSONOption: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    /// A console that leaves standard output to the JSON when that goes there.
    var console: Console { .standard(quiet: json == "-") }

    /// Refuses a file that cannot be written, before a long command runs.
    func check() throws {
        if let json, json != "-" { try Self.checkWritable(json) }
    }

    /// Refuses the name of a file that cannot be written.
    static func checkWritable(_ path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw CommandError(.notDone, "the folder of \(path) does not exist", hint: "make it, or name another file")
        }
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw CommandError(.notDone, "\(path) is a folder", hint: "name a file")
        }
        guard access(folder, W_OK) == 0 else {
            throw CommandError(.notDone, "the folder of \(path) may not be written", hint: "name another file")
        }
    }

    func write(_ value: @autoclosure () -> some Encodable) throws {
        guard let json else { return }
        let data = try JSONDocument.encode(value())
        if json == "-" {
            return StandardOutput.write(data)
        }
        do { try data.write(to: URL(fileURLWithPath: json), options: .atomic) } catch {
            throw CommandError(.notDone, "cannot write \(json)", hint: "check that its folder may be written")
        }
    }
}
