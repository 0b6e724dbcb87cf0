// SPDX-License-Identifier: Apache-2.0
// The report as a document: its names, its order, its round trip.

import Federation
import Foundation
import Simulation
import Store
import Testing

struct FederationReportTests {
    private static func sampleEntry(_ kind: EntryKind = .roundOpened) throws -> Entry {
        try Entry(
            kind, study: nil, actor: EntryContent.aggregator, body: [:], at: EntryTime(seconds: 1),
            signedBy: try #require(StatementKey(seed: [UInt8](repeating: 1, count: 32))))
    }

    /// A report from a store with four rounds and the records of two sites.
    private static func sample() async throws -> FederationReport {
        let store = try AggregatorStore.inMemory()
        let hash = Digest(of: [1], domain: "study")
        let model = BlobReference(name: "model", digest: Digest(of: [2], domain: "model"), byteCount: 4)
        let site = try #require(SiteID("a"))
        try await store.submit(study: hash, name: "sample", canonicalBytes: [1], entry: try sampleEntry(), at: 0)
        func close(
            _ kind: RoundKind, _ round: Int, seconds: Double, metrics: [(name: String, value: Double)] = []
        ) async throws -> Digest {
            let id = RoundID(kind: kind, round: round, attempt: 1)
            let task = Digest(of: [UInt8(round)], domain: kind.rawValue)
            try await store.openRound(
                study: hash, id: id, taskHash: task, taskBytes: [1], cohort: [site], entry: try sampleEntry(), at: 0)
            let isTraining = kind == .training
            try await store.closeRound(
                study: hash, id: id,
                summary: RoundSummary(
                    seconds: seconds, overheadSeconds: 0, survivors: 2, bytesUp: 100, bytesDown: 200,
                    loss: isTraining ? 0.5 : nil, examples: isTraining ? 50 : nil),
                participation: [
                    ParticipationRecord(site: site, participation: .included, uploadTime: .milliseconds(100))
                ],
                metrics: metrics,
                models: isTraining ? [ModelRecord(role: .model, round: round, blob: model)] : [],
                entry: try sampleEntry(), at: 1)
            return task
        }
        _ = try await close(.statistics, 0, seconds: 9)
        let first = try await close(.training, 1, seconds: 0.5)
        let second = try await close(.training, 2, seconds: 0.9)
        _ = try await close(
            .evaluation, 2, seconds: 9,
            metrics: [("rows", 40), ("accuracy", 0.75), ("auc", 0.8), ("aucLower", 0.79), ("aucUpper", 0.81)])
        try await store.finishStudy(
            hash: hash, outcome: "completed", explanation: "", releasedModel: model.digest,
            entries: [try sampleEntry(.studyEnded)], at: 2)

        func records(_ name: String, _ seconds: [Double]) throws -> SiteRecords {
            SiteRecords(
                site: try #require(SiteID(name)), trainRows: 10, testRows: 20, localOnly: ["accuracy": 0.5],
                global: ["accuracy": 0.7, "auc": 0.6], computeSeconds: [first: seconds[0], second: seconds[1]])
        }
        return FederationReport(
            study: try #require(try await store.study(hash)), rounds: try await store.rounds(study: hash),
            sites: [try records("b", [0.2, 0.2]), try records("a", [0.4, 0.2])], seed: 5, wallSeconds: 1.5,
            pooledReference: ModelQuality(["accuracy": 0.8, "auc": 0.9]))
    }

    @Test
    func theReportSurvivesAJSONRoundTrip() async throws {
        let report = try await Self.sample()
        let data = try report.json()
        #expect(try JSONDecoder().decode(FederationReport.self, from: data) == report)
        #expect(try report.json() == data)
        #expect(data.last == UInt8(ascii: "\n"))
    }

    @Test
    func overheadIsTheRoundsTimeWithoutTheMedianOfComputing() async throws {
        let overhead = try #require(try await Self.sample().roundOverheadSeconds)
        // 0.5 − median(0.2, 0.4) = 0.2 and 0.9 − median(0.2, 0.2) = 0.7; only training rounds count.
        #expect(abs(overhead.median - 0.45) < 1e-12)
        #expect(abs(overhead.max - 0.7) < 1e-12)
    }

    @Test
    func theNamesThatOthersReadAreThere() async throws {
        let json = try await Self.sample().json()
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(object["rounds"] as? Int == 2)
        #expect(object["wallSeconds"] as? Double == 1.5)
        #expect(Set(try #require(object["roundOverheadSeconds"] as? [String: Any]).keys) == ["median", "max"])
        let sites = try #require(object["sites"] as? [[String: Any]])
        #expect(sites.map { $0["id"] as? String } == ["a", "b"])
        #expect(Set(sites[0].keys) == ["id", "trainRows", "testRows", "localOnly", "global"])
        let global = try #require(object["global"] as? [String: Double])
        #expect(global["accuracy"] == 0.75 && global["auc"] == 0.8)
        let pooled = try #require(object["pooledReference"] as? [String: Double])
        #expect(pooled == ["accuracy": 0.8, "auc": 0.9])
        let rounds = try #require(object["roundMetrics"] as? [[String: Any]])
        #expect(rounds.map { $0["kind"] as? String } == ["statistics", "training", "training", "evaluation"])
        #expect(rounds[1]["examplesPerSecond"] as? Double == 100)
        #expect(object["explanation"] == nil)
    }

    @Test
    func keysAreSorted() async throws {
        let text = String(decoding: try await Self.sample().json(), as: UTF8.self)
        let keys = text.split(separator: "\n").compactMap { line in
            line.hasPrefix("  \"") ? line.split(separator: "\"")[1] : nil
        }
        #expect(keys == keys.sorted())
        #expect(keys.count >= 10)
    }

    @Test
    func tablesHoldOneLineAnObservation() async throws {
        var report = try await Self.sample()
        report.study.name = "a,\"b\""
        let files = Dictionary(uniqueKeysWithValues: ReportTables([report, report]).files.map { ($0.name, $0.text) })
        #expect(Set(files.keys) == ["runs.csv", "rounds.csv", "sites.csv", "participation.csv"])
        let runs = try #require(files["runs.csv"]).split(separator: "\n")
        #expect(runs.count == 3)
        #expect(runs[1].hasPrefix("5,\"a,\"\"b\"\"\",completed,2,1.5,"))
        let rounds = try #require(files["rounds.csv"]).split(separator: "\n")
        #expect(rounds.count == 9)
        #expect(rounds[1].hasPrefix("5,statistics,0,1,closed,9.0,,2,,,,,,100,200,,"))
        let sites = try #require(files["sites.csv"]).split(separator: "\n")
        #expect(sites[1] == "5,a,10,20,0.5,,0.7,0.6,,,,")
        for text in files.values {
            let lines = text.split(separator: "\n").filter { !$0.contains("\"") }
            let widths = Set(lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).count })
            #expect(widths.count == 1)
        }
    }

    @Test
    func spreadIsThatOfTheSample() throws {
        let spread = try #require(SeedComparison.Spread([1, 2, 3, 4]))
        #expect(spread.mean == 2.5)
        #expect(abs(spread.standardDeviation - 1.290_994_448_735_805_6) < 1e-12)
        #expect(spread.minimum == 1 && spread.maximum == 4)
        #expect(SeedComparison.Spread([3])?.standardDeviation == 0)
        #expect(SeedComparison.Spread([]) == nil)
    }
}
