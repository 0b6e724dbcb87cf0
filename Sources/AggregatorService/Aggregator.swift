// SPDX-License-Identifier: Apache-2.0
// The aggregator as the rest of the system sees it: it serves connections, whatever carries them.

import Federation
package import Logging
package import NIOPosix
package import PeerTransport
package import Store
package import WireProtocol

/// The server of one federation.
package struct Aggregator: Sendable {
    private let coordinator: Coordinator
    private let settings: AggregatorSettings
    private let logger: Logger

    /// - Parameter workers: threads for sums and files; one or two are enough.
    package init(
        settings: AggregatorSettings, store: AggregatorStore, vault: FileVault, workers: NIOThreadPool, logger: Logger
    ) {
        self.settings = settings
        self.logger = logger
        coordinator = Coordinator(settings: settings, store: store, vault: vault, workers: workers, logger: logger)
    }

    /// Restores open studies and runs rounds until cancelled.
    ///
    /// - Throws: ``StoreError`` when the store fails.
    package func run() async throws { try await coordinator.run() }

    /// Serves one site until its connection ends.
    package func serve(_ connection: any PeerConnection) async {
        guard let name = connection.identity.siteID, let site = SiteID(name),
            settings.members.isEmpty || settings.members.contains(site)
        else {
            logger.warning("refused a peer that is no member", metadata: ["address": "\(connection.remoteDescription)"])
            if let bytes = try? AggregatorMessage.refusal(.notMember).encoded() {
                try? await connection.send(Frame(controlBytes: bytes))
            }
            await connection.close()
            return
        }
        let session = SiteSession(site: site, connection: connection, coordinator: coordinator, logger: logger)
        await session.run()
        coordinator.post(.closed(session))
        await connection.close()
    }

    /// Serves one connection of the people's command on this machine.
    package func serveControl(_ connection: any PeerConnection) async {
        do {
            while let frame = try await connection.nextFrame() {
                let request = try ControlRequest(decoding: frame.controlBytes)
                let reply = await answer(request)
                try await connection.send(Frame(controlBytes: reply.encoded()))
            }
        } catch {
            logger.info("control connection ended", metadata: ["cause": "\(error)"])
        }
        await connection.close()
    }

    /// Carries out one command.
    package func answer(_ request: ControlRequest) async -> ControlReply { await coordinator.reply(to: request) }

    /// Tells all sites that the server goes away.
    package func shutDown() async { await coordinator.shutDown() }
}
