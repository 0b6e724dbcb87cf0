// SPDX-License-Identifier: Apache-2.0
// A hospital's policy file: what it means, and where its errors and contradictions are.

import Federation
import Foundation
import StudyFiles
import Testing

@Suite struct PolicyFileTests {
    static let key = String(repeating: "ab", count: 32)
    static let text = """
        federations: [demo]
        tasks: [binary, regression]
        layers: [dense]
        datasets:
          - {name: heart, minimumRows: 30}
        minimumSites: 3
        compute:
          rounds: 100
          stepsPerRound: 1000
          parameters: 5000
        hours:
          - {days: [saturday], from: "20:00", to: "06:30"}
        officers:
          - {name: dpo, key: \(key)}
        approve:
          - study: heart-disease
            dataset: heart
        """

    private func parse(_ text: String, datasets: [String]? = ["heart"]) throws -> SitePolicy {
        try ProjectFiles.withFile(Array(text.utf8)) { try PolicyFile.load($0, datasets: datasets) }
    }

    @Test func valuesAreRead() throws {
        let policy = try parse(Self.text)
        #expect(policy.federations == ["demo"])
        #expect(policy.tasks == [.binary, .regression])
        #expect(policy.datasets == [SitePolicy.DatasetRule(name: "heart", minimumRows: 30)])
        #expect(policy.minimumSites == 3)
        #expect(policy.compute == SitePolicy.ComputeLimits(rounds: 100, stepsPerRound: 1_000, parameters: 5_000))
        #expect(policy.hours == [TimeWindow(days: [.saturday], from: 1_200, to: 390)])
        #expect(policy.officers.map(\.key.bytes.hex) == [Self.key])
        #expect(policy.standingApprovals == [StandingApproval(study: .name("heart-disease"), dataset: "heart")])
        #expect(!policy.exposesIndividualUpdates, "weak modes are refused unless they are named")
    }

    @Test(arguments: [
        ("4 GiB", 4 << 30), ("500MB", 500_000_000), ("1 kB", 1_000), ("64KiB", 65_536), ("7", 7),
        ("2 TB", 2_000_000_000_000),
    ])
    func memoryHasUnits(_ text: String, _ bytes: Int) throws {
        let policy = try parse(Self.text.replacing("parameters: 5000", with: "parameters: 5000\n  memory: \(text)"))
        #expect(policy.compute.memoryBytes == bytes)
    }

    @Test(arguments: [("2e15", 2_000_000_000_000_000), ("1E3", 1_000), ("123456789", 123_456_789), ("1.5e3", 1_500)])
    func operationsMayHaveAnExponent(_ text: String, _ count: Int) throws {
        let policy = try parse(
            Self.text.replacing("parameters: 5000", with: "parameters: 5000\n  operationsPerRound: \(text)"))
        #expect(policy.compute.operationsPerRound == count)
        #expect(policy.compute.memoryBytes == nil)
    }

    @Test func aPolicyWithoutTheNewLimitsKeepsItsHash() throws {
        var policy = try parse(Self.text)
        let hash = policy.hash
        #expect(
            policy.canonicalValue.bytes.starts(
                with: Array(#"{"compute":{"parameters":5000,"rounds":100,"stepsPerRound":1000}"#.utf8)))
        policy.compute.memoryBytes = 1 << 30
        #expect(policy.hash != hash)
    }

    @Test(arguments: [
        "memory: -1 GiB", "memory: 1.5 GiB", "memory: GiB", "memory: 4 gib", "memory: 4  GiB",
        "memory: 9223372036854775807 GiB",
        "memory: \"\"", "memory: ４", "operationsPerRound: 1e19", "operationsPerRound: 1.5", "operationsPerRound: nan",
        "operationsPerRound: 1e400", "operationsPerRound: -1", "operationsPerRound: 2e15 GiB", "memory: 0",
        "operationsPerRound: 0",
    ])
    func amountsThatAreNoneAreRefused(_ line: String) throws {
        let key = String(line.prefix { $0 != ":" })
        let error = #expect(throws: FileError.self) {
            try parse(Self.text.replacing("parameters: 5000", with: "parameters: 5000\n  \(line)"))
        }
        #expect(error?.message.contains("compute.\(key)") == true)
    }

    @Test func aFreshPolicyAllowsNothing() throws {
        let policy = try parse("minimumSites: 2\ncompute: {rounds: 0, stepsPerRound: 0, parameters: 0}\n")
        #expect(policy.federations.isEmpty && policy.tasks.isEmpty && policy.officers.isEmpty)
    }

    struct Refusal: Sendable {
        var old: String
        var new: String
        var line: Int
        var problem: String

        init(_ old: String, _ new: String, _ line: Int, _ problem: String) {
            self.old = old
            self.new = new
            self.line = line
            self.problem = problem
        }
    }

    @Test(arguments: [
        Refusal("minimumSites: 3", "minimumSites: 1", 6, "`minimumSites` is out of range"),
        Refusal("minimumSites: 3", "minimumSite: 3", 6, "the document has an unknown key"),
        Refusal("[binary, regression]", "[binary, binary]", 2, "`tasks[1]` is listed twice"),
        Refusal("[binary, regression]", "[survival]", 2, "`tasks[0]` is not a known word"),
        Refusal("[dense]", "[lambda]", 3, "`layers[0]` is no kind of layer"),
        Refusal("name: heart, m", "name: lungs, m", 5, "`datasets[0].name` names no data set of site.yaml"),
        Refusal("key: ab", "key: AB", 14, "`officers[0].key` is not a public key"),
        Refusal("    dataset: heart", "    dataset: lungs", 17, "`approve[0].dataset` contradicts `datasets`"),
        Refusal("to: \"06:30\"", "to: \"20:00\"", 12, "`hours[0]` is an empty span of time"),
        Refusal("from: \"20:00\"", "from: \"25:00\"", 12, "`hours[0].from` is not a time of day"),
        Refusal("[saturday]", "[someday]", 12, "`hours[0].days[0]` is not a known word"),
        Refusal("federations: [demo]", "federations: []", 1, "the document contradicts itself"),
        Refusal("rounds: 100", "rounds: 0", 1, "the document contradicts itself"),
    ])
    func mistakesAndContradictionsAreFoundAtTheirPlace(_ refusal: Refusal) throws {
        #expect(Self.text.contains(refusal.old))
        let changed = Self.text.replacing(refusal.old, with: refusal.new, maxReplacements: 1)
        let error = #expect(throws: FileError.self) { try parse(changed) }
        #expect(error?.position?.line == refusal.line)
        #expect(error?.problem.hasPrefix(refusal.problem) == true, "\(error?.problem ?? "")")
        #expect(error?.hint.isEmpty == false)
    }

    @Test func aMissingFileIsAnError() {
        #expect(throws: FileError.self) { try PolicyFile.load("/nowhere/policy.yaml") }
    }
}
