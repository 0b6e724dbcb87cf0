// SPDX-License-Identifier: Apache-2.0
// Commands and exactly what they say: every file in Transcripts/ is run and compared.

import Foundation
import Testing

/// A transcript holds commands and what follows them:
///
///     $ consilium study check studies/heart-disease.yaml
///     lines of standard output
///     ! lines of standard error
///     [status 0]
struct TranscriptTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "Transcripts")

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test
    func thereAreTranscripts() {
        #expect(Self.names.count >= 6)
    }

    @Test(arguments: names)
    func theProgramSaysExactlyWhatTheTranscriptSays(_ name: String) throws {
        let expected = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
        let commands = expected.split(separator: "\n").filter { $0.hasPrefix("$ consilium ") }
        #expect(!commands.isEmpty)
        var actual = ""
        for command in commands {
            let arguments = command.dropFirst("$ consilium ".count).split(separator: " ").map(String.init)
            let result = try Program.run(arguments)
            actual += "\(command)\n\(result.output)"
            for line in result.errors.split(separator: "\n") { actual += "! \(line)\n" }
            actual += "[status \(result.status)]\n"
        }
        #expect(actual == expected)
    }

    @Test(arguments: names)
    func noLineIsWiderThanEightyColumns(_ name: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("$ ") && !line.hasPrefix("{") {
            // Texts inside JSON are for machines.
            if line.hasPrefix("    \"") { continue }
            let own = line.hasPrefix("! ") ? line.dropFirst(2) : line
            // A path or a hash is never broken.
            #expect(own.count <= 80 || !own.dropFirst(10).contains(" "), "\(own)")
        }
    }
}
