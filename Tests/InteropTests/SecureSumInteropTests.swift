// SPDX-License-Identifier: Apache-2.0
// The second implementation of a site's half of the secure sum holds to itself, and still makes the committed vectors.

import Foundation
import Testing

/// The Python that `make test` installs packages for.
private enum InteropPython {
    static let path = InteropFederation.project.appending(path: ".build/interop/bin/python3").path

    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }
}

/// Swift's golden suites read what this program made; here it is asked whether it would make it again.
@Suite(.enabled(if: InteropPython.isInstalled, "`make test` installs Python's packages into .build/interop"))
struct SecureSumInteropTests {
    /// The vectors are its own; each other line names a test of the program. "every loss at every leg" takes two minutes and
    /// is left to `make soak`.
    @Test(arguments: [
        ["make_secure_vectors.py", "--check"],
        ["secure_sum.py", "--self-test", "two_manifests", "a_manifest_that_forgets_dealers"],
        ["secure_sum.py", "--self-test", "two_sets_and_both_shares", "replays_and_repeats"],
        ["secure_sum.py", "--self-test", "release_and_void_exclude_each_other", "an_update_is_in_one_sum"],
        ["secure_sum.py", "--self-test", "bad_dealers_and_responders_are_named", "terms_and_floors", "rosters"],
        ["secure_sum.py", "--self-test", "graph_mode", "a_victim_is_not_isolated_in_a_graph"],
    ])
    func theProgramHolds(words: [String]) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "secure-sum-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = InteropFederation.project.appending(path: "Tests/Interop/\(words[0])").path
        let program = try ChildProgram(
            words.joined(separator: " "), [InteropPython.path, script] + words.dropFirst(),
            output: folder.appending(path: "output"))
        #expect(try await program.status() == 0, "\(program.output)")
    }
}
