// SPDX-License-Identifier: Apache-2.0
// A site's folder holds what the threat model's table names, readable by its owner only, and no patient's row.

import Federation
import Foundation
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct SiteDiskTests {
    private static let hex = #"[0-9a-f]{64}"#

    /// Names below a site's state directory, and the words by which `protocol/threat-model.md` names them.
    private static let allowed = [
        (#"site\.sqlite(-wal|-shm)?"#, "`site.sqlite`"), (#"site\.lock"#, "`site.lock`"),
        (#"site\.mark(\.partial)?"#, "`site.mark`"),
        (#"models/"# + hex + #"(\.partial)?"#, "`models/`"), (#"uploads/"# + hex + #"(\.partial)?"#, "`uploads/`"),
        (#"(models|uploads)/new-\d+-\d+\.partial"#, "`….partial`"),
        (#"uploads/"# + hex + #"-checkpoint(\.partial)?"#, "`uploads/…-checkpoint`"),
    ]

    private static func files(below folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    }

    /// Looks at the folder in the middle of a round and after the study.
    private static func inspect(_ folder: String, rows: [UInt8]) throws {
        #expect(try mode(folder) == 0o700)
        let needles = try Self.needles(rows)
        for name in try files(below: folder) {
            let path = "\(folder)/\(name)"
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { continue }
            if isFolder.boolValue {
                #expect(try mode(path) == 0o700 && ["models", "uploads"].contains(name))
                continue
            }
            // Files of a round come and go while we look.
            guard let mode = try? mode(path), let content = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
                continue
            }
            #expect(mode == 0o600, "\(name)")
            #expect(try allowed.contains { try Regex($0.0).wholeMatch(in: name) != nil }, "\(name) is not in the table")
            for needle in needles { #expect(content.range(of: needle) == nil, "a row of the table is in \(name)") }
        }
    }

    private static func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    /// Each row of the table as text, and its numbers side by side as floats and as doubles.
    private static func needles(_ rows: [UInt8]) throws -> [Data] {
        try String(decoding: rows, as: UTF8.self).split(separator: "\n").dropFirst().flatMap { line -> [Data] in
            let numbers = try line.split(separator: ",").prefix(2).map { try #require(Double($0)) }
            func bytes<Value>(_ values: [Value]) -> Data { values.withUnsafeBytes { Data($0) } }
            return [Data(line.utf8), bytes(numbers.map { Float($0) }), bytes(numbers)]
        }
    }

    @Test func aSitesFolderHoldsOnlyWhatTheTableNames() async throws {
        let rows = TestStudy.table(rows: 40, seed: 77)
        let folder = FileManager.default.temporaryDirectory.appending(path: "site-disk-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let plans = ["a", "b"].map { name in
            var plan = SitePlan(name, dataset: TestDataset(rows))
            plan.checkpointPause = .zero
            return plan
        }
        try await TestFederation.run(
            TestStudy.make(strategy: .scaffold(learningRate: 1), rounds: 3, minimumSites: 2), plans, in: folder
        ) { federation in
            while try await !federation.progress().isFinished { try Self.inspect("\(folder)/a", rows: rows) }
            _ = try await federation.finish(deliveries: 2)
            try Self.inspect("\(folder)/a", rows: rows)
            #expect(try Self.files(below: "\(folder)/a").contains { $0.hasPrefix("models/") }, "the released model")
            #expect(try federation.uploads(at: "a").isEmpty)
        }
    }

    @Test func theTableNamesEveryFile() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "protocol/threat-model.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for (_, name) in Self.allowed { #expect(text.contains(name), "\(name)") }
    }
}
