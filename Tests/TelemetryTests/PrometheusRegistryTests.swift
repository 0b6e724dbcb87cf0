// SPDX-License-Identifier: Apache-2.0
// Metrics as text: the format of Prometheus, whatever the names and values.

import CoreMetrics
import Telemetry
import Testing

@Suite struct PrometheusRegistryTests {
    private let registry = PrometheusRegistry([
        MetricDescription("rounds_total", .counter, labels: ["kind": ["a", "b"]], "Rounds \\ of\na kind."),
        MetricDescription("sites", .gauge, "Sites."), MetricDescription("round_seconds", .histogram, "Time."),
    ])

    private func counter(_ name: String, _ labels: [(String, String)]) -> Counter {
        Counter(label: name, dimensions: labels, factory: registry)
    }

    @Test func countersGrowAndTheSameLabelsAreTheSameCounter() {
        counter("rounds_total", [("kind", "a"), ("outcome", "x")]).increment()
        counter("rounds_total", [("outcome", "x"), ("kind", "a")]).increment(by: 4)
        counter("rounds_total", [("kind", "b")]).increment()
        let expected = #"""
            # HELP rounds_total Rounds \\ of\na kind.
            # TYPE rounds_total counter
            rounds_total{kind="a",outcome="x"} 5
            rounds_total{kind="b"} 1
            # HELP sites Sites.
            # TYPE sites gauge
            sites 0

            """#
        #expect(registry.text() == expected)
    }

    @Test func gaugesShowTheLatestValue() {
        let gauge = Gauge(label: "sites", factory: registry)
        gauge.record(4)
        #expect(registry.text().contains("\nsites 4\n"))
        gauge.record(0.25)
        #expect(registry.text().contains("\nsites 0.25\n"))
        for (value, text) in [(Double.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (1e18, "1e+18")] {
            gauge.record(value)
            #expect(registry.text().contains("\nsites \(text)\n"))
        }
    }

    @Test func timesFallIntoCumulativeBuckets() {
        let timer = CoreMetrics.Timer(label: "round_seconds", factory: registry)
        for milliseconds in [5, 10, 11, 20_000_000] { timer.recordMilliseconds(milliseconds) }
        let text = registry.text()
        #expect(text.contains("round_seconds_bucket{le=\"0.01\"} 2\n"))
        #expect(text.contains("round_seconds_bucket{le=\"0.1\"} 3\n"))
        #expect(text.contains("round_seconds_bucket{le=\"14400\"} 3\n"))
        #expect(text.contains("round_seconds_bucket{le=\"+Inf\"} 4\n"))
        #expect(text.contains("round_seconds_count 4\n") && text.contains("round_seconds_sum 20000.026"))
    }

    @Test func whatIsNoNameOrEndsALineIsMadeHarmless() {
        counter("9 lives!", [("a-b", "quote \" back \\ line \n end")]).increment()
        #expect(registry.text().hasSuffix(#"_9_lives_{a_b="quote \" back \\ line \n end"} 1"# + "\n"))
    }

    @Test func labelsWithoutEndDoNotFillTheMemory() {
        for index in 0..<10_000 { counter("rounds_total", [("kind", "\(index)")]).increment() }
        #expect(registry.text().split(separator: "\n").count < 5_000)
    }

    @Test func manyThreadsCountWhatTheyCount() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1_000 { counter("rounds_total", [("kind", "a")]).increment() } }
            }
        }
        #expect(registry.text().contains("rounds_total{kind=\"a\"} 8000\n"))
    }

    @Test func theProcessTellsItsMemoryAndFiles() {
        let text = ProcessMetrics.text()
        for metric in ProcessMetrics.catalogue {
            let line = text.split(separator: "\n").first { $0.hasPrefix(metric.name + " ") }
            #expect(line.flatMap { Double($0.split(separator: " ")[1]) }.map { $0 > 0 } == true, "\(metric.name)")
        }
    }
}
