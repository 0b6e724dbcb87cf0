// SPDX-License-Identifier: Apache-2.0
// A party in Python, with openssl and its own TLS, joins by the specification and is served.

import AggregatorService
import Enrolment
import Federation
import Foundation
import Testing

@Suite(.timeLimit(.minutes(2)))
struct ForeignJoinTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Interop/foreign_join.py").path

    private static func python(_ arguments: [String], input: String, output: FileHandle) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        let pipe = Pipe()
        process.standardInput = pipe
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try pipe.fileHandleForWriting.close()
        return process
    }

    private static let hasCryptography: Bool = {
        guard let process = try? python(["-c", "import cryptography"], input: "", output: .nullDevice) else {
            return false
        }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    @Test(.enabled(if: hasCryptography, "the Python package `cryptography` is not installed"))
    func aPartyInPythonJoinsAndIsServed() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("foreign")
            let log = federation.folder + "/foreign.log"
            #expect(FileManager.default.createFile(atPath: log, contents: nil))
            let output = try #require(FileHandle(forWritingAtPath: log))
            let process = try Self.python(
                [Self.script, "--directory", federation.keys("foreign")], input: token.text + "\n", output: output)
            defer { if process.isRunning { process.terminate() } }
            func said() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await eventually("it shows its words") { said().contains("words ") || !process.isRunning }
            let waiting = await federation.registry.overview().parties.first { $0.state == "waiting" }
            let words = try #require(waiting?.words, "\(said())")
            try await federation.registry.approve(try federation.party("foreign"), words: words)
            try await eventually("it has joined") { !process.isRunning }
            #expect(process.terminationStatus == 0, "\(said())")
            #expect(said().contains("joined fl://test.example.org/site/foreign"))
            #expect(await federation.isWelcome(try await federation.connect("foreign")))
            // A second party with the same token is refused by its code.
            let again = try Self.python(
                [Self.script, "--directory", federation.keys("thief")], input: token.text + "\n", output: output)
            try await eventually("the thief is refused") { !again.isRunning }
            #expect(again.terminationStatus == 1 && said().contains("refused 7"), "usedToken is code 7: \(said())")
        }
    }
}
