// SPDX-License-Identifier: Apache-2.0
// What the two daemon programs share: options, logging, signals, exit statuses.

package import ArgumentParser
import Foundation
import Glibc
import Kernels
package import Logging
package import ServiceLifecycle
package import StudyFiles
import UnixSignals

/// The options of both daemons.
package struct DaemonOptions: ParsableArguments {
    @Option(name: .long, help: "The configuration file (YAML).")
    package var config: String?

    @Flag(name: .long, help: "Check configuration, keys, state, policy and data; change nothing.")
    package var check = false

    @Flag(name: .long, help: "Print every configuration key and its variable.")
    package var configReference = false

    @Flag(name: .long, help: "Print every metric and its meaning.")
    package var metricsReference = false

    @Flag(name: .long, help: "Stop when standard input ends: for a parent process.")
    package var stopAtEndOfInput = false

    package init() {}

    package func validate() throws {
        guard config != nil || configReference || metricsReference else {
            throw ValidationError("name the configuration file: --config FILE")
        }
    }

    /// Loads the configuration, builds the service and runs it until SIGTERM or SIGINT.
    ///
    /// With `--check` it looks at what the service needs instead, and says so line by line.
    ///
    /// Exit status: 0 stopped as asked, or a start would succeed; 1 the configuration, or what it names, does not hold;
    /// 3 could not run.
    package func run<Configuration>(
        load: (String) throws -> Configuration, logLevel: (Configuration) -> LogLevel,
        dryStart: (Configuration) -> [StartCheck],
        service: (Configuration, DaemonEnvironment, Logger) throws -> any Service
    ) async throws {
        consilium_tune_allocator()
        let configuration: Configuration
        do { configuration = try load(config ?? "") } catch {
            complain(error)
            throw ExitCode(1)
        }
        if check {
            try report([StartCheck("configuration", .fine("valid"))] + dryStart(configuration))
            return
        }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "consilium")
        logger.logLevel = Logger.Level(rawValue: logLevel(configuration).rawValue) ?? .info
        do {
            var services = [try service(configuration, DaemonEnvironment.current(), logger)]
            if stopAtEndOfInput { services.append(EndOfInput()) }
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
                    gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        } catch {
            complain(error)
            throw ExitCode(3)
        }
    }

    /// Says what a start would find; exit status 1 when it would fail.
    private func report(_ checks: [StartCheck]) throws {
        for check in checks { print(check.text) }
        if checks.contains(where: \.hasFailed) { throw ExitCode(1) }
    }

    private func complain(_ error: any Error) {
        FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    }
}

/// What a daemon reads from its environment beside its configuration.
package struct DaemonEnvironment: Sendable {
    /// Replaces the system's randomness in the rounding of updates. For reproducible demonstrations only.
    package var insecureSimulationSeed: UInt64?

    static func current() -> DaemonEnvironment {
        DaemonEnvironment(
            insecureSimulationSeed: ProcessInfo.processInfo.environment["CONSILIUM_INSECURE_SEED_FOR_SIMULATION"]
                .flatMap(UInt64.init))
    }
}
