// SPDX-License-Identifier: Apache-2.0
// Runs the built program as people do, in the project's folder, and catches what it says.

import Foundation
import Glibc

/// The program `consilium` that was built beside these tests.
struct Program {
    struct Result: Equatable {
        var status: Int32
        var output: String
        var errors: String
    }

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static var executables: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    }

    /// Runs the program to its end. Output goes through files, so that a full pipe cannot block it.
    ///
    /// - Parameter temporary: the folder that the program takes for its temporary files.
    static func run(
        _ arguments: [String], program: String = "consilium", temporary: URL? = nil
    ) throws -> Result {
        let process = prepared(arguments, program: program, temporary: temporary)
        return try withFolder { folder in
            func open(_ name: String) throws -> FileHandle {
                let file = folder.appending(path: name)
                try Data().write(to: file)
                return try FileHandle(forWritingTo: file)
            }
            process.standardOutput = try open("output")
            process.standardError = try open("errors")
            try process.run()
            process.waitUntilExit()
            func text(_ name: String) throws -> String {
                String(decoding: try Data(contentsOf: folder.appending(path: name)), as: UTF8.self)
            }
            return Result(status: process.terminationStatus, output: try text("output"), errors: try text("errors"))
        }
    }

    /// The program before its start.
    static func prepared(
        _ arguments: [String], program: String = "consilium", temporary: URL? = nil
    ) -> Process {
        let process = Process()
        process.executableURL = executables.appending(path: program)
        process.arguments = arguments
        process.currentDirectoryURL = root
        process.environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C"]
        if let temporary { process.environment?["TMPDIR"] = temporary.path }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return process
    }

    /// Looks until `holds` does; false when ten seconds were not enough.
    static func eventually(_ holds: () -> Bool) -> Bool {
        for _ in 0..<1_000 {
            if holds() { return true }
            usleep(10_000)
        }
        return false
    }

    /// Waits for the end of a process that was asked to stop; after ten seconds it is killed.
    static func hasEnded(_ process: Process) -> Bool {
        for _ in 0..<1_000 {
            if !process.isRunning { return true }
            usleep(10_000)
        }
        kill(process.processIdentifier, SIGKILL)
        return false
    }

    /// How many processes have `text` in their arguments.
    static func processes(with text: String) -> Int {
        let numbers = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
        return numbers.count { number in
            guard let line = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") else { return false }
            return String(decoding: line, as: UTF8.self).contains(text)
        }
    }

    /// A folder that is removed after `body`.
    static func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "commands-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }
}
