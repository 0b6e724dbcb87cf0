// SPDX-License-Identifier: Apache-2.0
// The aggregator's daemon: opens its store, listens for sites and for commands, and runs rounds until told to stop.

import Enrolment
import Federation
import Foundation
package import Logging
import NIOPosix
import PeerTransport
import Randomness
import ServiceLifecycle
import Store
package import StudyFiles
import Synchronization

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
        let metrics = AggregatorMetrics()
        let registry = try await Self.registry(configuration, store: store, metrics: metrics, logger: logger)
        let identity = TLSIdentity(
            certificateChainPath: configuration.tls.certificate, privateKeyPath: configuration.tls.privateKey,
            trustRootsPath: configuration.tls.authority)
        let statementKey =
            if let registry { registry.folder.statementKey } else {
                try KeyFile.statementKey(inStateDirectory: configuration.stateDirectory) {
                    RandomSource.system.bytes(32)
                }
            }
        let announcement = Announcement(directory: configuration.stateDirectory, logger: logger)
        // More than there are processors: most of their time they wait for the device.
        let workers = NIOThreadPool(numberOfThreads: 4)
        workers.start()
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: configuration.federation,
                members: registry ?? MappedMembers(configuration.members ?? [:]) as any MemberDirectory,
                statementKey: statementKey,
                maximumModelBytes: configuration.limits.maximumModelBytes),
            store: store, vault: vault, workers: workers, metrics: metrics, logger: logger,
            newcomersAddress: {
                "\(configuration.enrolment.name):\(announcement.enrolmentPort ?? configuration.enrolment.address.port)"
            })
        let gate = registry?.gate ?? PeerGate()
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
                            gate: gate, limits: siteLimits, logger: logger,
                            onBound: { port in
                                logger.notice("listening for sites", metadata: ["port": "\(port)"])
                                announcement.bound(port: port, isLast: registry == nil)
                            },
                            onConnection: { await aggregator.serve($0) })
                    }
                    if let registry {
                        group.addTask {
                            try await Self.serveNewcomers(
                                aggregator, registry, at: configuration.enrolment.address, announcement, logger)
                        }
                        group.addTask { try await Self.keepOwnCertificate(registry.folder, logger: logger) }
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

    /// The membership of an authority of our own; nil when the members file names those of another.
    private static func registry(
        _ configuration: AggregatorConfiguration, store: AggregatorStore, metrics: AggregatorMetrics, logger: Logger
    ) async throws -> Registry? {
        guard configuration.members == nil else { return nil }
        let folder = try AuthorityFolder(configuration.keysDirectory)
        guard folder.descriptor.federation == configuration.federation else {
            throw SecretFile.Failure(
                "the keys in \(configuration.keysDirectory) are of another federation",
                hint: "correct `federation` or `keysDirectory`")
        }
        if folder.ownRenewalTime <= wallSeconds() { try folder.renewOwnCertificate(now: wallSeconds()) }
        return try await Registry(
            folder: folder, store: store, clock: { wallSeconds() }, metrics: metrics, logger: logger)
    }

    private static func serveNewcomers(
        _ aggregator: Aggregator, _ registry: Registry, at address: NetworkAddress, _ announcement: Announcement,
        _ logger: Logger
    ) async throws {
        let path = AuthorityFolder.enrolment(in: registry.folder.path)
        var limits = TransportLimits()
        // Strangers: few, small and slow.
        limits.maximumConnections = 256
        limits.connectionBurstPerAddress = 64
        limits.frames = FrameLimits(controlPayloadByteCount: 16 << 10, chunkPayloadByteCount: 1 << 10)
        try await PeerListener.run(
            host: address.host, port: address.port,
            identity: TLSIdentity(
                certificateChainPath: path, privateKeyPath: path,
                trustRootsPath: AuthorityFolder.root(in: registry.folder.path)),
            clients: .newcomers, limits: limits, logger: logger,
            onBound: { port in
                logger.notice("listening for newcomers", metadata: ["port": "\(port)"])
                announcement.bound(enrolmentPort: port)
            },
            onConnection: { await aggregator.serveNewcomer($0) })
    }

    /// Renews the server's certificate in time; listeners read the new file by themselves.
    private static func keepOwnCertificate(_ folder: AuthorityFolder, logger: Logger) async throws {
        while true {
            try await Task.sleep(for: .seconds(600))
            if folder.issuingEnd < wallSeconds() + 30 * 86_400 {
                logger.error("the issuing certificate ends within 30 days; renew it with the root's key")
            }
            guard folder.ownRenewalTime <= wallSeconds() else { continue }
            do {
                try folder.renewOwnCertificate(now: wallSeconds())
                logger.notice("the server's certificate was renewed")
            } catch {
                logger.error("the server's certificate could not be renewed", metadata: ["error": "\(error)"])
            }
        }
    }
}

/// The ports that others look up in `listening.json`, written once all are bound.
private final class Announcement: Sendable {
    private struct Ports {
        var members: Int?
        var newcomers: Int?
        var hasOne = false
    }

    private let directory: String
    private let logger: Logger
    /// Guards the ports.
    private let ports = Mutex(Ports())

    init(directory: String, logger: Logger) {
        self.directory = directory
        self.logger = logger
    }

    var enrolmentPort: Int? { ports.withLock { $0.newcomers } }

    /// - Parameter isLast: there is no port for newcomers.
    func bound(port: Int, isLast: Bool) {
        ports.withLock { ports in
            (ports.members, ports.hasOne) = (port, isLast)
            write(ports)
        }
    }

    func bound(enrolmentPort: Int) {
        ports.withLock { ports in
            ports.newcomers = enrolmentPort
            write(ports)
        }
    }

    private func write(_ ports: Ports) {
        guard let members = ports.members, ports.hasOne || ports.newcomers != nil else { return }
        let more = ports.newcomers.map { ",\"enrolmentPort\":\($0)" } ?? ""
        do {
            try Data("{\"port\":\(members)\(more)}\n".utf8).write(
                to: URL(fileURLWithPath: directory + "/listening.json"), options: .atomic)
        } catch {
            logger.error("cannot write listening.json", metadata: ["error": "\(error)"])
        }
    }
}
