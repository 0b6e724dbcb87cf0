// SPDX-License-Identifier: Apache-2.0
// The hospital's daemon program: reads its configuration, builds the service, runs it.

import ArgumentParser
import DaemonSupport
import Federation
import SiteService
import StudyFiles
import Telemetry

@main
struct ConsiliumSite: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consilium-site",
        abstract: "The daemon of one hospital in a federation.",
        discussion: """
            It connects outward to the aggregator, trains on the tables named in its
            configuration, and listens on no port. SIGTERM or Ctrl-C ends it cleanly; what
            was agreed and computed is kept in its state directory.

            Examples:
              consilium-site --config /etc/consilium/site.yaml
              consilium-site --config sites/cleveland/site.yaml --check
              consilium-site --config-reference
            """,
        version: programVersion)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        if options.configReference {
            print(SiteConfiguration.reference() + "\n" + PolicyFile.schema.reference())
            return
        }
        if options.metricsReference {
            print(SiteMetrics.catalogue.reference, terminator: "")
            return
        }
        try await options.run(
            load: { try SiteConfiguration.load($0) }, logLevel: \.logLevel, dryStart: SiteDaemon.dryStart,
            service: { configuration, environment, logger in
                SiteDaemon(
                    configuration: configuration, insecureSimulationSeed: environment.insecureSimulationSeed,
                    logger: logger)
            })
    }
}
