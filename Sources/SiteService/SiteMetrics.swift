// SPDX-License-Identifier: Apache-2.0
// What a site counts, for the hospital's own monitoring. Nothing of it leaves the hospital, and nothing counts patients.

import CoreMetrics
import Federation
package import Telemetry

/// The metrics of one site.
package struct SiteMetrics: Sendable {
    private static let own: [MetricDescription] =
        [
            MetricDescription("consilium_site_build_info", .gauge, labels: ["version": []], "1, for the version."),
            MetricDescription("consilium_site_connected", .gauge, "1 while connected to the aggregator."),
            MetricDescription("consilium_site_connections_total", .counter, "Connections to the aggregator."),
            MetricDescription(
                "consilium_site_obstacle", .gauge, labels: ["obstacle": SiteObstacle.allCases.map(\.rawValue)],
                "1 while this keeps the site from computing."),
            MetricDescription(
                "consilium_site_rounds_total", .counter,
                labels: [
                    "kind": RoundKind.allCases.map(\.rawValue), "outcome": ["delivered", "refused", "withheld"],
                ], "Rounds that this site has answered."),
            MetricDescription(
                "consilium_site_withheld_total", .counter,
                labels: ["reason": WithholdReason.allCases.map(\.rawValue)], "Rounds to which it contributed nothing."),
            MetricDescription(
                "consilium_site_compute_seconds", .histogram, labels: ["kind": RoundKind.allCases.map(\.rawValue)],
                "Computing one round, waiting included."),
            MetricDescription("consilium_site_sent_bytes_total", .counter, "Bytes of delivered vectors."),
            MetricDescription("consilium_site_accepted_studies", .gauge, "Studies it takes part in and that run."),
            MetricDescription(
                "consilium_site_certificate_expiry_timestamp_seconds", .gauge,
                "When its certificate ends, in seconds since 1970; 0 with certificates of another authority."),
            MetricDescription("consilium_site_entries", .gauge, "Signed entries in the store."),
        ]
    package static let catalogue = own + ProcessMetrics.catalogue

    private let factory = PrometheusRegistry(Self.own)

    package init() {
        gauge("build_info", 1, labels: ["version": programVersion])
    }

    private static func label(_ name: String) -> String { "consilium_site_" + name }

    func count(_ name: String, _ labels: KeyValuePairs<String, String> = [:], by amount: Int = 1) {
        Counter(label: Self.label(name), dimensions: labels.map { ($0, $1) }, factory: factory)
            .increment(by: Int64(amount))
    }

    func gauge(_ name: String, _ value: Int64, labels: KeyValuePairs<String, String> = [:]) {
        Gauge(label: Self.label(name), dimensions: labels.map { ($0, $1) }, factory: factory).record(value)
    }

    func computed(_ kind: RoundKind, in time: Duration) {
        CoreMetrics.Timer(label: Self.label("compute_seconds"), dimensions: [("kind", kind.rawValue)], factory: factory)
            .recordSeconds(time / .seconds(1))
    }

    /// Everything as text.
    package func text() -> String { factory.text() + ProcessMetrics.text() }
}
