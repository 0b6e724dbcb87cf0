// SPDX-License-Identifier: Apache-2.0
// What the aggregator counts. No metric has a site's name: who took part is in the records, behind rights.

import CoreMetrics
import Federation
package import Telemetry

/// The metrics of one aggregator.
package struct AggregatorMetrics: Sendable {
    private static let own: [MetricDescription] =
        [
            MetricDescription(
                "consilium_aggregator_build_info", .gauge, labels: ["version": []], "1, for the version."),
            MetricDescription("consilium_aggregator_member_sites", .gauge, "Sites that may take part."),
            MetricDescription("consilium_aggregator_connected_sites", .gauge, "Sites with an open connection."),
            MetricDescription(
                "consilium_aggregator_healthy_sites", .gauge, "Connected sites that say they are able to compute."),
            MetricDescription(
                "consilium_aggregator_site_connections_total", .counter, "Connections of sites that said hello."),
            MetricDescription("consilium_aggregator_running_studies", .gauge, "Studies that have not ended."),
            MetricDescription(
                "consilium_aggregator_studies_ended_total", .counter,
                labels: ["outcome": ["completed", "degraded", "stopped"]], "Studies that have ended."),
            MetricDescription(
                "consilium_aggregator_rounds_total", .counter,
                labels: ["kind": RoundKind.allCases.map(\.rawValue), "outcome": ["closed", "abandoned"]],
                "Attempts of rounds that are over."),
            MetricDescription(
                "consilium_aggregator_round_seconds", .histogram, labels: ["kind": RoundKind.allCases.map(\.rawValue)],
                "From the opening of a round that was closed to its result."),
            MetricDescription(
                "consilium_aggregator_uploads_total", .counter, labels: ["result": ["accepted", "refused"]],
                "Vectors that arrived whole."),
            MetricDescription("consilium_aggregator_received_bytes_total", .counter, "Bytes of accepted vectors."),
            MetricDescription("consilium_aggregator_sent_bytes_total", .counter, "Bytes of models sent to sites."),
            MetricDescription("consilium_aggregator_certificates_issued_total", .counter, "Certificates after a join."),
            MetricDescription("consilium_aggregator_certificates_renewed_total", .counter, "Certificates renewed."),
            MetricDescription(
                "consilium_aggregator_membership_alarms_total", .counter,
                "What members or newcomers did that looks like an attack; each is an entry."),
            MetricDescription("consilium_aggregator_entries", .gauge, "Signed entries in the store."),
        ]
    package static let catalogue = own + ProcessMetrics.catalogue

    private let factory = PrometheusRegistry(Self.own)

    package init() {
        gauge("build_info", 1, labels: ["version": programVersion])
    }

    private static func label(_ name: String) -> String { "consilium_aggregator_" + name }

    func count(_ name: String, _ labels: KeyValuePairs<String, String> = [:], by amount: Int = 1) {
        Counter(label: Self.label(name), dimensions: labels.map { ($0, $1) }, factory: factory)
            .increment(by: Int64(amount))
    }

    func gauge(_ name: String, _ value: Int, labels: KeyValuePairs<String, String> = [:]) {
        Gauge(label: Self.label(name), dimensions: labels.map { ($0, $1) }, factory: factory).record(value)
    }

    func roundClosed(_ kind: RoundKind, seconds: Double) {
        count("rounds_total", ["kind": kind.rawValue, "outcome": "closed"])
        CoreMetrics.Timer(label: Self.label("round_seconds"), dimensions: [("kind", kind.rawValue)], factory: factory)
            .recordSeconds(seconds)
    }

    /// Everything as text.
    func text() -> String { factory.text() + ProcessMetrics.text() }
}
