// SPDX-License-Identifier: Apache-2.0
// The aggregator's daemon: opens its store, listens for sites and for commands, and runs rounds until told to stop.

import Federation
import Foundation
package import Logging
import NIOPosix
import PeerTransport
import ServiceLifecycle
import Store
package import StudyFiles

/// The operator's daemon, ready to run.
package struct AggregatorDaemon: Service {
    private let configuration: AggregatorConfiguration
    private let logger: Logger

    package init(configuration: AggregatorConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Runs until graceful shutdown or cancellation.
    ///
    /// Once it listens, `listening.json` in the state directory holds the port, and `control.sock` takes commands.
    /// - Throws: ``StoreError`` for a state directory that cannot be used, ``TransportError`` for unusable TLS files or
    ///   a port that is taken.
    package func run() async throws {
        let configuration = configuration
        let logger = logger
        let store = try AggregatorStore.open(directory: configuration.stateDirectory)
        let vault = try FileVault(directory: configuration.stateDirectory)
        let identity = TLSIdentity(
            certificateChainPath: configuration.tls.certificate, privateKeyPath: configuration.tls.privateKey,
            trustRootsPath: configuration.tls.authority)
        // More than there are processors: most of their time they wait for the device.
        let workers = NIOThreadPool(numberOfThreads: 4)
        workers.start()
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: configuration.federation, members: Set(configuration.sites),
                maximumModelBytes: configuration.limits.maximumModelBytes),
            store: store, vault: vault, workers: workers, logger: logger)
        var limits = TransportLimits()
        limits.maximumConnections = configuration.limits.maximumConnections
        let siteLimits = limits
        let directory = configuration.stateDirectory
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await aggregator.run() }
                    group.addTask {
                        try await PeerListener.run(
                            host: configuration.listen.host, port: configuration.listen.port, identity: identity,
                            limits: siteLimits, logger: logger,
                            onBound: { port in
                                logger.notice("listening for sites", metadata: ["port": "\(port)"])
                                Self.announce(port: port, in: directory, logger: logger)
                            },
                            onConnection: { await aggregator.serve($0) })
                    }
                    group.addTask {
                        try await LocalSocket.run(
                            path: directory + "/control.sock", logger: logger,
                            onConnection: { await aggregator.serveControl($0) })
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        } catch is CancellationError {
            // Told to stop.
        }
        try await workers.shutdownGracefully()
        logger.notice("aggregator stopped")
    }

    private static func announce(port: Int, in directory: String, logger: Logger) {
        do {
            try Data("{\"port\":\(port)}\n".utf8).write(
                to: URL(fileURLWithPath: directory + "/listening.json"), options: .atomic)
        } catch {
            logger.error("cannot write listening.json", metadata: ["error": "\(error)"])
        }
    }
}
