// SPDX-License-Identifier: Apache-2.0
// `consilium federation metrics`: the aggregator's metrics for Prometheus.

import ArgumentParser
import Foundation
import Telemetry
import WireProtocol

struct FederationMetricsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "Print the aggregator's metrics for Prometheus.",
        discussion: """
            The aggregator opens no port for them: a timer that runs this command with
            --output hands them to node-exporter's textfile collector. Their names and
            meanings stand in metrics.md. A site writes its own: `metrics.file` of site.yaml.

            Examples:
              consilium federation metrics --state /var/lib/consilium/aggregator
              consilium federation metrics --state state --output /run/metrics/consilium.prom
            """)

    @OptionGroup var location: AggregatorLocation

    @Option(help: ArgumentHelp("Replace this file in one step instead of printing.", valueName: "file"))
    var output: String?

    func run() async throws {
        let path = location.socketPath
        let text: String
        do {
            guard case .metrics(let found) = try await ControlClient.ask(.metrics, at: path) else {
                throw CommandError(.notDone, "the aggregator gave another answer than asked", hint: "see its log")
            }
            text = found
        } catch { throw ControlClient.explained(error, path: path) }
        guard let output else { return FileHandle.standardOutput.write(Data(text.utf8)) }
        do { try MetricsFile.write(text, to: output) } catch {
            throw CommandError(.notDone, "\(error)", hint: "name a file in a folder that you may write")
        }
    }
}
