// SPDX-License-Identifier: Apache-2.0
// The aggregator as the rest of the system sees it: it serves connections, whatever carries them.

package import Enrolment
package import Execution
import Federation
package import Logging
package import PeerTransport
package import Store
package import WireProtocol

/// The server of one federation.
package struct Aggregator: Sendable {
    private let coordinator: Coordinator
    private let settings: AggregatorSettings
    private let clock: ServiceClock
    private let logger: Logger
    private let registry: Registry?
    private let newcomersAddress: @Sendable () -> String
    private let places = AdministratorPlaces()

    /// - Parameters:
    ///   - workers: threads for sums and files; one or two are enough.
    ///   - newcomersAddress: `host:port` for tokens, when the members are a ``Registry``.
    package init(
        settings: AggregatorSettings, store: AggregatorStore, vault: FileVault, workers: any Workers,
        clock: ServiceClock = .system, metrics: AggregatorMetrics = AggregatorMetrics(), logger: Logger,
        newcomersAddress: @escaping @Sendable () -> String = { "localhost:7444" }
    ) {
        self.settings = settings
        self.clock = clock
        self.logger = logger
        self.newcomersAddress = newcomersAddress
        registry = settings.members as? Registry
        let coordinator = Coordinator(
            settings: settings, store: store, vault: vault, workers: workers, clock: clock, metrics: metrics,
            logger: logger)
        self.coordinator = coordinator
        registry?.onChange { coordinator.post(.membershipChanged) }
    }

    /// Restores open studies and runs rounds until cancelled.
    ///
    /// - Throws: ``StoreError`` when the store fails.
    package func run() async throws { try await coordinator.run() }

    /// Serves one site until its connection ends.
    package func serve(_ connection: any PeerConnection) async {
        if let registry, let rights = registry.rights(of: connection.identity),
            let person = registry.member(for: connection.identity)
        {
            guard places.enter(person) else {
                logger.warning("too many connections of one person", metadata: ["party": "\(person)"])
                return await connection.close()
            }
            defer { places.leave(person) }
            await serveControl(connection, rights: rights, of: person)
            return
        }
        guard let site = settings.members.site(for: connection.identity) else {
            logger.warning("refused a peer that is no member", metadata: ["address": "\(connection.remoteDescription)"])
            if let bytes = try? AggregatorMessage.refusal(.notMember).encoded() {
                try? await connection.send(Frame(controlBytes: bytes))
            }
            await connection.close()
            return
        }
        let session = SiteSession(
            site: site, connection: connection, coordinator: coordinator, clock: clock, logger: logger)
        await session.run()
        coordinator.post(.closed(session))
        await connection.close()
    }

    /// Serves one newcomer that asks to join or to come back.
    package func serveNewcomer(_ connection: any PeerConnection) async {
        guard let registry else { return await connection.close() }
        await EnrolmentDesk(registry: registry, logger: logger).serve(connection)
    }

    /// Serves one connection of the people's command: on this machine, or with an administrator's certificate.
    ///
    /// - Parameter person: whose certificate it is; nil for users of this machine. What auditors ask is an entry, on disk
    ///   before they hear the answer.
    package func serveControl(
        _ connection: any PeerConnection, rights: ControlRights = .all, of person: PartyName? = nil
    ) async {
        do {
            while let frame = try await connection.nextFrame() {
                let request = try ControlRequest(decoding: frame.controlBytes)
                let reply: ControlReply
                if !rights.allows(request) {
                    reply = .error(message: "an auditor only looks", hint: "ask an operator")
                } else if case .membership(.renew(let bytes)) = request, let registry, person != nil,
                    let renewal = await registry.renew(bytes, from: connection.identity)
                {
                    var answer = MembershipReply()
                    answer.renewal = renewal
                    reply = .membership(answer)
                } else {
                    if rights == .reading, let registry, let person {
                        try await registry.noteQuery(request.word, by: person)
                    }
                    reply = await answer(request)
                }
                try await connection.send(Frame(controlBytes: reply.encoded()))
            }
        } catch {
            logger.info("control connection ended", metadata: ["cause": "\(error)"])
        }
        await connection.close()
    }

    /// Carries out one command.
    package func answer(_ request: ControlRequest) async -> ControlReply {
        if case .membership(let command) = request, let registry {
            return await registry.carryOut(command, address: newcomersAddress())
        }
        return await coordinator.reply(to: request)
    }

    /// Tells all sites that the server goes away.
    package func shutDown() async { await coordinator.shutDown() }
}
