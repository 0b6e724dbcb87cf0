// SPDX-License-Identifier: Apache-2.0
// From nothing to a member by the built programs: init, invite, join, approve, and an operator from afar.

import Foundation
import Testing

@Suite(.serialized)
struct EnrolmentProgramTests {
    private static func mode(_ path: URL) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path.path)[.posixPermissions] as? Int
    }

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// Makes a federation in `folder` and runs its aggregator while `body` does.
    private static func withAggregator(_ folder: URL, _ body: (_ state: String, _ port: Int) throws -> Void) throws {
        try Data("correct horse battery\n".utf8).write(to: folder.appending(path: "passphrase"))
        let home = folder.appending(path: "hub")
        let made = try Program.run([
            "federation", "init", "test.example.org", "--directory", home.path, "--offline",
            folder.appending(path: "offline").path, "--host", "localhost", "--passphrase-file",
            folder.appending(path: "passphrase").path,
        ])
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.output.contains("TAKE OFFLINE NOW"))
        let root = folder.appending(path: "offline/root.key")
        #expect(try mode(root) == 0o600 && mode(folder.appending(path: "offline")) == 0o700)
        #expect(try String(contentsOf: root, encoding: .utf8).contains("BEGIN ENCRYPTED PRIVATE KEY"))
        let daemon = Process()
        daemon.executableURL = Program.executables.appending(path: "consilium-aggregator")
        daemon.arguments = ["--config", home.appending(path: "aggregator.yaml").path]
        daemon.environment = [
            "CONSILIUM_LISTEN_HOST": "127.0.0.1", "CONSILIUM_LISTEN_PORT": "0", "CONSILIUM_ENROLMENT_PORT": "0",
        ]
        daemon.standardOutput = FileHandle.nullDevice
        daemon.standardError = FileHandle.nullDevice
        try daemon.run()
        defer {
            daemon.terminate()
            _ = Program.hasEnded(daemon)
        }
        let state = home.appending(path: "state")
        let listening = state.appending(path: "listening.json")
        #expect(
            Program.eventually {
                FileManager.default.fileExists(atPath: listening.path)
                    && FileManager.default.fileExists(atPath: state.appending(path: "control.sock").path)
            })
        let port = try #require(try object(String(contentsOf: listening, encoding: .utf8))["port"] as? Int)
        try body(state.path, port)
    }

    /// Invites, joins and approves; returns what `join` reported.
    private static func join(
        _ name: String, role: String, in folder: URL, by location: [String]
    ) throws -> [String: Any] {
        let invited = try Program.run(
            ["federation", "invite", name, "--role", role, "--json", "-"] + location)
        #expect(invited.status == 0, "\(invited.errors)")
        let token = try #require(try object(invited.output)["token"] as? String)
        let file = folder.appending(path: "\(name).token")
        try Data(token.utf8).write(to: file)
        let noun = role == "site" ? "site" : "federation"
        let report = folder.appending(path: "\(name).json")
        let joining = Program.prepared([
            noun, "join", "--token-file", file.path, "--directory", folder.appending(path: name).path, "--json",
            report.path,
        ])
        try joining.run()
        var words = ""
        #expect(
            Program.eventually {
                guard let roster = try? Program.run(["federation", "roster", "--json", "-"] + location),
                    let parties = try? object(roster.output)["parties"] as? [[String: Any]]
                else { return false }
                words =
                    parties.first { $0["name"] as? String == name && $0["state"] as? String == "waiting" }?["words"]
                    as? String ?? ""
                return !words.isEmpty
            })
        // Other words are not approved.
        let wrong = try Program.run(
            ["federation", "approve", name, "--role", role, "--words", "zoo zoo zoo zoo zoo zoo"] + location)
        #expect(wrong.status == 3 && wrong.errors.contains("six words"))
        let approved = try Program.run(["federation", "approve", name, "--role", role, "--words", words] + location)
        #expect(approved.status == 0, "\(approved.errors)")
        #expect(Program.hasEnded(joining))
        #expect(joining.terminationStatus == 0)
        let result = try object(String(contentsOf: report, encoding: .utf8))
        #expect(result["words"] as? String == words, "both ends show the same words")
        return result
    }

    /// A year later.
    private static func renewIssuing(in folder: URL) throws {
        let issuing = folder.appending(path: "hub/keys/issuing.pem")
        let before = try Data(contentsOf: issuing)
        func renew(_ passphrase: String) throws -> Program.Result {
            let file = folder.appending(path: "words")
            try Data(passphrase.utf8).write(to: file)
            return try Program.run([
                "federation", "renew-issuing", "--directory", folder.appending(path: "hub").path, "--offline",
                folder.appending(path: "offline").path, "--passphrase-file", file.path,
            ])
        }
        let wrong = try renew("battery horse correct")
        #expect(wrong.status == 3 && wrong.errors.contains("cannot be opened with this passphrase"))
        #expect(try Data(contentsOf: issuing) == before)
        let renewed = try renew("correct horse battery")
        #expect(renewed.status == 0 && renewed.output.contains("restart the aggregator"), "\(renewed.errors)")
        #expect(try Data(contentsOf: issuing) != before)
    }

    @Test func aFederationIsMadeAndHospitalsAndPeopleJoin() throws {
        try Program.withFolder { folder in
            try Self.withAggregator(folder) { state, port in
                let site = try Self.join("cleveland", role: "site", in: folder, by: ["--state", state])
                #expect(site["federation"] as? String == "test.example.org")
                #expect(try Self.mode(folder.appending(path: "cleveland")) == 0o700)
                #expect(try Self.mode(folder.appending(path: "cleveland/identity.pem")) == 0o600)
                // An operator works from afar, an auditor looks.
                _ = try Self.join("chief", role: "operator", in: folder, by: ["--state", state])
                let chief = ["--remote", "localhost:\(port)", "--keys", folder.appending(path: "chief").path]
                _ = try Self.join("north", role: "auditor", in: folder, by: chief)
                let north = ["--remote", "localhost:\(port)", "--keys", folder.appending(path: "north").path]
                let seen = try Program.run(["federation", "roster"] + north)
                #expect(seen.status == 0 && seen.output.contains("site cleveland: member"))
                let refused = try Program.run(["federation", "revoke", "cleveland"] + north)
                #expect(refused.status == 3 && refused.errors.contains("an auditor only looks"))
                #expect(try Program.run(["federation", "revoke", "north", "--role", "auditor"] + chief).status == 0)
                #expect(try Program.run(["federation", "roster"] + north).status == 3)
                #expect(try Program.run(["federation", "invite", "cleveland"] + chief).status == 3)
            }
            try Self.renewIssuing(in: folder)
        }
    }
}
