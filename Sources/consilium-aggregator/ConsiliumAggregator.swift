// SPDX-License-Identifier: Apache-2.0
// The operator's daemon program: reads its configuration, builds the service, runs it.

import AggregatorService
import ArgumentParser
import DaemonSupport
import Federation
import StudyFiles
import Telemetry

@main
struct ConsiliumAggregator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consilium-aggregator",
        abstract: "The aggregation server of a federation.",
        discussion: """
            It listens for the daemons of the sites over mutual TLS 1.3, and for the
            `consilium` command on a socket in its state directory. SIGTERM or Ctrl-C ends
            it cleanly; a study goes on where it was after the next start.

            Examples:
              consilium-aggregator --config /etc/consilium/aggregator.yaml
              consilium-aggregator --config aggregator.yaml --check
              consilium-aggregator --config-reference
            """,
        version: programVersion)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        if options.configReference {
            print(AggregatorConfiguration.reference())
            return
        }
        if options.metricsReference {
            print(AggregatorMetrics.catalogue.reference, terminator: "")
            return
        }
        try await options.run(
            load: { try AggregatorConfiguration.load($0) }, logLevel: \.logLevel, dryStart: AggregatorDaemon.dryStart,
            service: { configuration, _, logger in AggregatorDaemon(configuration: configuration, logger: logger) })
    }
}
