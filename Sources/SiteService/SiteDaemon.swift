// SPDX-License-Identifier: Apache-2.0
// The site's daemon: opens its store, then keeps a connection to the aggregator until it is told to stop.

import Enrolment
package import Logging
import NIOPosix
import PeerTransport
import Randomness
import ServiceLifecycle
import Store
package import StudyFiles

/// A hospital's daemon, ready to run. It listens on no port; `control.sock` in its state directory takes commands.
package struct SiteDaemon: Service {
    private let configuration: SiteConfiguration
    private let logger: Logger
    private let random: RandomSource
    /// Whether the rounding can be predicted; such a site works for a federation with this name only.
    private let isReproducible: Bool
    private static let testFederation = "demo"

    /// - Parameter insecureSimulationSeed: seeds the rounding of updates instead of the system's randomness, for
    ///   reproducible demonstrations; the site then refuses every aggregator whose federation is not named `demo`.
    package init(configuration: SiteConfiguration, insecureSimulationSeed: UInt64?, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        isReproducible = insecureSimulationSeed != nil
        random =
            insecureSimulationSeed.map { seed in
                // Each site draws its own bits from one seed.
                var generator = SeededGenerator(seed: seed, stream: "site/\(configuration.site)")
                return .seeded(forTestingAndSimulation: generator.next())
            } ?? .system
        if insecureSimulationSeed != nil {
            logger.critical("INSECURE: rounding is seeded for simulation; never use this with real patients")
        }
    }

    /// Runs until graceful shutdown or cancellation.
    ///
    /// - Throws: ``StoreError`` for a state directory that cannot be used, ``TransportError`` for unusable TLS files.
    package func run() async throws {
        let configuration = configuration
        try Self.checkJoined(configuration)
        let store = try SiteStore.open(directory: configuration.stateDirectory)
        let vault = try FileVault(directory: configuration.stateDirectory)
        let identity = TLSIdentity(
            certificateChainPath: configuration.tls.certificate, privateKeyPath: configuration.tls.privateKey,
            trustRootsPath: configuration.tls.authority)
        let membership = try Self.membership(configuration, logger: logger)
        // One thread trains: the computations of this daemon never compete with each other.
        let workers = NIOThreadPool(numberOfThreads: 1)
        workers.start()
        let policyFile = configuration.policyFile
        let names = configuration.datasets.map(\.name)
        // A site that has joined signs with the key that its certificate binds.
        let statementKey =
            try membership?.folder.keys(random: .system).statement
            ?? KeyFile.statementKey(inStateDirectory: configuration.stateDirectory) { RandomSource.system.bytes(32) }
        let site = Site(
            settings: SiteSettings(
                site: configuration.site, policy: { try PolicyFile.load(policyFile, datasets: names) },
                statementKey: statementKey, onlyFederation: isReproducible ? Self.testFederation : nil,
                machine: configuration.machine), store: store, vault: vault, workers: workers, random: random,
            datasets: FileDatasets(
                Dictionary(
                    configuration.datasets.map { ($0.name, $0.mapping) }, uniquingKeysWith: { first, _ in first })),
            membership: membership?.keeper, logger: logger)
        logger.notice("site started", metadata: ["site": "\(configuration.site)"])
        let endpoint = configuration.aggregator
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await site.run {
                            if let folder = membership?.folder {
                                try await Self.comeBackIfExpired(folder, proxy: endpoint.proxy, logger: logger)
                            }
                            return try await PeerConnector.connect(
                                host: endpoint.address.host, port: endpoint.address.port, identity: identity,
                                serverName: endpoint.serverName,
                                proxy: endpoint.proxy.map { HTTPConnectProxy(host: $0.host, port: $0.port) },
                                gate: membership?.gate ?? PeerGate())
                        }
                    }
                    if let path = configuration.metricsFile {
                        group.addTask { try await site.keepMetricsFile(path) }
                    }
                    group.addTask {
                        try await LocalSocket.run(
                            path: configuration.stateDirectory + "/control.sock", logger: logger,
                            onConnection: { await site.serveControl($0) })
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        } catch is CancellationError {
            // Told to stop.
        }
        try await workers.shutdownGracefully()
        logger.notice("site stopped")
    }

    /// What a site that has joined keeps up.
    private struct Membership {
        var folder: PartyFolder
        var keeper: MembershipKeeper
        /// Lets nobody in but the federation's aggregator.
        var gate: PeerGate
    }

    /// A site that names no certificates of another authority works with those of its join.
    static func checkJoined(_ configuration: SiteConfiguration) throws {
        let keys = configuration.keysDirectory
        guard configuration.usesKeysDirectory, !PartyFolder.isMember(keys) else { return }
        throw SecretFile.Failure(
            "this site has not joined a federation: \(keys) holds no keys and certificate of a join",
            hint:
                "run `consilium site join --token-file FILE --directory \(keys)`, or list other certificates under `tls`"
        )
    }

    /// Nil for a site with certificates of another authority.
    private static func membership(_ configuration: SiteConfiguration, logger: Logger) throws -> Membership? {
        guard PartyFolder.isMember(configuration.keysDirectory) else { return nil }
        let folder = try PartyFolder(configuration.keysDirectory)
        let party = try folder.identity().certificate.party
        guard party == PartyName(.site, configuration.site) else {
            throw SecretFile.Failure(
                "the keys in \(configuration.keysDirectory) are those of another party",
                hint: "correct `site` or `keysDirectory` in site.yaml")
        }
        let federation = try folder.descriptor().federation
        return Membership(
            folder: folder, keeper: try MembershipKeeper(folder: folder, clock: { wallSeconds() }, logger: logger),
            gate: PeerGate { $0.role == .aggregator && $0.consortium == federation ? nil : .wrongRole })
    }

    /// After a missed renewal, waits for the operator's approval.
    private static func comeBackIfExpired(_ folder: PartyFolder, proxy: NetworkAddress?, logger: Logger) async throws {
        guard try folder.identity().certificate.notAfter <= wallSeconds() else { return }
        logger.error("the certificate has expired; asking to come back, which the operator is to approve")
        let client = JoinClient(
            folder: folder, proxy: proxy.map { HTTPConnectProxy(host: $0.host, port: $0.port) },
            clock: { wallSeconds() })
        _ = try await client.comeBack { _ in }
        logger.notice("the membership goes on with a new certificate")
    }
}
