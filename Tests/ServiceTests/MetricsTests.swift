// SPDX-License-Identifier: Apache-2.0
// What the services count while a study runs, and that they count nothing that the manual does not know.

import AggregatorService
import Federation
import Foundation
import SiteService
import Store
import Telemetry
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct MetricsTests {
    /// Sample → value; checks every line against a catalogue.
    private static func samples(_ text: String, _ catalogue: [MetricDescription]) throws -> [String: Double] {
        var found: [String: Double] = [:]
        let suffixes = ["_bucket", "_sum", "_count", ""]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let blank = try #require(line.lastIndex(of: " "))
            let sample = String(line[..<blank])
            let name = String(sample.prefix { $0 != "{" })
            let metric = catalogue.first { metric in suffixes.contains { metric.name + $0 == name } }
            let known = try #require(metric, "\(name) is not in the manual")
            for (label, values) in known.labels where !values.isEmpty {
                #expect(values.contains { sample.contains("\(label)=\"\($0)\"") }, "\(sample)")
            }
            guard let value = Double(line[line.index(after: blank)...]) else { throw TestFailure("no number") }
            found[sample] = value
        }
        return found
    }

    @Test
    func bothSidesCountAStudy() async throws {
        var plans = ["a", "b", "c"].map { SitePlan($0) }
        plans[2].approves = false
        try await TestFederation.run(TestStudy.make(rounds: 2, minimumSites: 2), plans) { federation in
            try await federation.finish(deliveries: 2)
            guard case .metrics(let text) = try await federation.ask(.metrics) else {
                throw TestFailure("no metrics")
            }
            let counted = try Self.samples(text, AggregatorMetrics.catalogue)
            func aggregator(_ name: String) -> Double? { counted["consilium_aggregator_" + name] }
            #expect(aggregator("member_sites") == 3 && aggregator("connected_sites") == 3)
            #expect(aggregator("rounds_total{kind=\"training\",outcome=\"closed\"}") == 2)
            #expect(aggregator("rounds_total{kind=\"statistics\",outcome=\"closed\"}") == 1)
            #expect(aggregator("round_seconds_count{kind=\"training\"}") == 2)
            #expect(aggregator("uploads_total{result=\"accepted\"}") == 10)
            #expect(aggregator("studies_ended_total{outcome=\"completed\"}") == 1)
            #expect(aggregator("running_studies") == 0)
            let entries = Double(try await federation.store.entryLog.count())
            #expect(aggregator("entries") == entries)
            let summaries = try await federation.rounds().compactMap(\.summary)
            #expect(aggregator("received_bytes_total") == Double(summaries.reduce(0) { $0 + $1.bytesUp }))
            #expect((aggregator("sent_bytes_total") ?? 0) > 0)
            #expect(!text.contains("\"a\""), "no site has a name here")

            let site = try await federation["a"].measurements()
            let own = try Self.samples(site, SiteMetrics.catalogue)
            #expect(own["consilium_site_connected"] == 1)
            #expect(own["consilium_site_rounds_total{kind=\"training\",outcome=\"delivered\"}"] == 2)
            #expect(own["consilium_site_compute_seconds_count{kind=\"evaluation\"}"] == 2)
            #expect(own["consilium_site_obstacle{obstacle=\"diskFull\"}"] == 0)
            #expect(own["consilium_site_sent_bytes_total"].map { $0 > 0 } == true)
        }
    }

    @Test
    func withheldRoundsAreCountedByTheirReason() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.welcomed()
            let task = lies.task([])
            try await server.say(.roundOpen(task))
            _ = try await server.withheld(task.hash)
            let own = try Self.samples(try await lies.site.measurements(), SiteMetrics.catalogue)
            #expect(own["consilium_site_withheld_total{reason=\"taskMismatch\"}"] == 1)
            #expect(own["consilium_site_rounds_total{kind=\"training\",outcome=\"withheld\"}"] == 1)
        }
    }

    @Test
    func theDaemonsFileIsThereAndWhole() async throws {
        let federation = try DaemonFederation(members: ["a"], rows: ["a": 64])
        let site = try federation.startSite("a")
        let path = "\(federation.folder)/a.prom"
        try await eventually("the file is there") { FileManager.default.fileExists(atPath: path) }
        let own = try Self.samples(try String(contentsOfFile: path, encoding: .utf8), SiteMetrics.catalogue)
        #expect(own["consilium_site_connected"] == 0)
        #expect((own["process_resident_memory_bytes"] ?? 0) > 1e6)
        #expect(try await site.terminate() == 0)
    }
}
