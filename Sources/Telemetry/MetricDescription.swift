// SPDX-License-Identifier: Apache-2.0
// What a metric is called and means: the one list from which measurements, their help texts and the manual come.

/// One metric.
package struct MetricDescription: Hashable, Sendable {
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        /// Only grows; begins at 0 with the process.
        case counter
        case gauge
        /// Times in seconds, in buckets of ``PrometheusRegistry/bucketSeconds``.
        case histogram
    }

    /// As Prometheus shows it.
    package let name: String
    package let kind: Kind
    /// Names of its labels, each with the values it may have; empty for those that are said elsewhere.
    package let labels: [String: [String]]
    package let help: String

    package init(_ name: String, _ kind: Kind, labels: [String: [String]] = [:], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

extension [MetricDescription] {
    /// A Markdown table of them.
    package var reference: String {
        let rows = map { metric in
            let labels = metric.labels.sorted { $0.key < $1.key }.map { name, values in
                values.isEmpty ? "`\(name)`" : "`\(name)`: " + values.map { "`\($0)`" }.joined(separator: ", ")
            }
            return
                "| `\(metric.name)` | \(metric.kind.rawValue) | \(labels.joined(separator: "; ")) | \(metric.help) |\n"
        }
        return "| name | kind | labels | meaning |\n|---|---|---|---|\n" + rows.joined()
    }
}
