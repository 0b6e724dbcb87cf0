// SPDX-License-Identifier: Apache-2.0
// Runs the built program as people do, in the project's folder, and catches what it says.

import Foundation

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
    static func run(_ arguments: [String]) throws -> Result {
        let process = Process()
        process.executableURL = executables.appending(path: "consilium")
        process.arguments = arguments
        process.currentDirectoryURL = root
        process.environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C"]
        process.standardInput = FileHandle.nullDevice
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

    /// A folder that is removed after `body`.
    static func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "commands-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }
}
