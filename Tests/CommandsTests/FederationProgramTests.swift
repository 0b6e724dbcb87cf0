// SPDX-License-Identifier: Apache-2.0
// Whole federations by the built program: what they report, that they repeat, and that nothing of them is left.

import Foundation
import Testing

/// One after the other: each keeps both processors busy.
@Suite(.serialized)
struct FederationProgramTests {
    private static let heart = "studies/heart-disease.yaml"

    private static func object(_ file: URL) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    }

    private static func content(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
    }

    /// A study that takes longer than any test waits.
    private static func longStudy(in folder: URL) throws -> URL {
        let text = try String(contentsOf: Program.root.appending(path: heart), encoding: .utf8)
        let file = folder.appending(path: "long.yaml")
        try Data(text.replacing("rounds: 15", with: "rounds: 3000").utf8).write(to: file)
        return file
    }

    @Test
    func aKeptDemoReportsEveryKeyAndItsModelCanBeUsed() throws {
        try Program.withFolder { folder in
            let temporary = folder.appending(path: "temporary")
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            let kept = folder.appending(path: "kept")
            let result = try Program.run(
                ["demo", "--keep", kept.path, "--seed", "7", "--json", "-"], temporary: temporary)
            #expect(result.status == 0, "\(result.errors)")
            let report = try #require(
                try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
            for key in ["rounds", "wallSeconds", "roundOverheadSeconds", "sites", "global", "pooledReference"] {
                #expect(report[key] != nil, "\(key)")
            }
            let sites = try #require(report["sites"] as? [[String: Any]])
            #expect(sites.count == 4)
            for site in sites {
                #expect(Set(site.keys) == ["id", "trainRows", "testRows", "localOnly", "global"])
            }
            #expect(try Self.content(temporary).isEmpty)
            #expect(Program.eventually { Program.processes(with: kept.path) == 0 })

            let model = kept.appending(path: "model.safetensors").path
            let card = try Program.run(["model", "show", model])
            #expect(card.status == 0)
            #expect(card.output.contains("training after round 15, on 486 rows of all sites together"))
            let quality = try Program.run(["model", "evaluate", model, "--site", "sites/cleveland/site.yaml"])
            #expect(quality.status == 0)
            #expect(quality.output.hasPrefix("104 rows (test)\n"))
            let scores = try Program.run(["model", "predict", model, "--table", "sites/cleveland/patients.csv"])
            #expect(scores.status == 0, "\(scores.errors)")
            let lines = scores.output.split(separator: "\n")
            #expect(lines.count == 304)
            #expect(lines[0] == "row,score")
            let widths = Set(lines.map { $0.split(separator: ",").count })
            #expect(widths == [2])

            // The aggregator is stopped: its store answers.
            let state = kept.appending(path: "aggregator/state").path
            let status = try Program.run(["study", "status", "--state", state])
            #expect(status.status == 0)
            #expect(status.output.contains("completed, round 15 of 15"))
            #expect(!status.output.contains("received 0 B"))
            let federation = try Program.run(["federation", "status", "--state", state])
            #expect(federation.status == 1, "nobody runs the federation")
            #expect(federation.output.contains("aggregator: it is not running; no round goes on"))
            #expect(federation.output.contains("evaluation round 15: 4 of 4 sites in the sum, 25 % each"))
            #expect(!federation.output.contains("have not confirmed"), "deliveries are remembered")
            #expect(federation.output.split(separator: "\n").count <= 24)
            let view = try Program.run(["federation", "status", "--state", state, "--json", "-"])
            #expect(view.output.contains("\"isRunning\" : false") && view.status == 1)
        }
    }

    @Test(arguments: [SIGINT, SIGKILL])
    func noDaemonOutlivesADemoThatIsEndedEarly(_ signal: Int32) throws {
        try Program.withFolder { folder in
            let temporary = folder.appending(path: "temporary")
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            let process = Program.prepared(
                ["demo", "--study", try Self.longStudy(in: folder).path], temporary: temporary)
            try process.run()
            #expect(Program.eventually { Program.processes(with: temporary.path) == 5 })
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            #expect(Program.eventually { Program.processes(with: temporary.path) == 0 })
            guard signal == SIGINT else { return }
            #expect(process.terminationStatus == 3)
            #expect(try Self.content(temporary).isEmpty)
        }
    }

    @Test
    func anInterruptedSimulationEndsAndLeavesNothing() throws {
        try Program.withFolder { folder in
            let temporary = folder.appending(path: "temporary")
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            let process = Program.prepared(
                ["simulate", try Self.longStudy(in: folder).path, "--sites", "sites", "--copies", "5"],
                temporary: temporary)
            try process.run()
            let hasBegun = Program.eventually { ((try? Self.content(temporary)) ?? []).isEmpty == false }
            #expect(hasBegun)
            kill(process.processIdentifier, SIGINT)
            #expect(Program.hasEnded(process))
            process.waitUntilExit()
            #expect(process.terminationStatus == 3)
            #expect(try Self.content(temporary).isEmpty)
        }
    }

    @Test
    func theSameSeedRepeatsTheModelAndTheTablesAreComplete() throws {
        try Program.withFolder { folder in
            func model(_ seed: Int, _ name: String) throws -> String {
                let file = folder.appending(path: name)
                let tables = folder.appending(path: "tables").path
                let result = try Program.run([
                    "simulate", Self.heart, "--sites", "sites", "--seed", "\(seed)", "--json", file.path, "--csv",
                    tables,
                ])
                #expect(result.status == 0, "\(result.errors)")
                let report = try Self.object(file)
                return try #require((report["model"] as? [String: Any])?["sha256"] as? String)
            }
            let first = try model(7, "first.json")
            #expect(try model(7, "second.json") == first)
            #expect(try model(8, "third.json") != first)
            for (name, lines) in [("runs", 2), ("rounds", 20), ("sites", 5), ("participation", 77)] {
                let text = try String(contentsOf: folder.appending(path: "tables/\(name).csv"), encoding: .utf8)
                let rows = text.split(separator: "\n")
                #expect(rows.count == lines, "\(name)")
                let widths = Set(rows.map { $0.split(separator: ",", omittingEmptySubsequences: false).count })
                #expect(widths.count == 1)
            }
        }
    }

    @Test
    func heavyFaultsCutConnectionsAndTheStudyCompletes() throws {
        try Program.withFolder { folder in
            let file = folder.appending(path: "report.json")
            let result = try Program.run([
                "simulate", Self.heart, "--sites", "sites", "--faults", "heavy", "--json", file.path,
            ])
            #expect(result.status == 0, "\(result.errors)")
            let faults = try #require(try Self.object(file)["faults"] as? [String: Any])
            #expect(faults["profile"] as? String == "heavy")
            #expect(try #require(faults["cutConnections"] as? Int) > 0)
        }
    }
}
