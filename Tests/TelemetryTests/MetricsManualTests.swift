// SPDX-License-Identifier: Apache-2.0
// The manual of the metrics is what the programs say; names and help are in Prometheus's form.

import AggregatorService
import Foundation
import SiteService
import Telemetry
import Testing

@Suite struct MetricsManualTests {
    private static let manual = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Packaging/metrics.md")

    @Test func theManualListsEveryMetric() throws {
        let text = try String(contentsOf: Self.manual, encoding: .utf8)
        #expect(text.contains("## Aggregator\n\n" + AggregatorMetrics.catalogue.reference))
        #expect(text.contains("## Site\n\n" + SiteMetrics.catalogue.reference))
    }

    @Test(arguments: [AggregatorMetrics.catalogue, SiteMetrics.catalogue])
    func namesAreUniqueAndInForm(_ catalogue: [MetricDescription]) {
        #expect(Set(catalogue.map(\.name)).count == catalogue.count)
        for metric in catalogue {
            #expect(metric.name.wholeMatch(of: /[a-z][a-z0-9_]*/) != nil, "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.help.hasSuffix(".") && !metric.help.contains("|"), "\(metric.name)")
        }
    }

    @Test func aFileIsReplacedWholeAndReadableForTheCollector() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "metrics-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "site.prom").path
        for text in ["one 1\n", "two 2\n"] { try MetricsFile.write(text, to: path) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "two 2\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["site.prom"])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o644)
        #expect(throws: MetricsFile.Failure.self) { try MetricsFile.write("", to: folder.path + "/none/site.prom") }
    }
}
