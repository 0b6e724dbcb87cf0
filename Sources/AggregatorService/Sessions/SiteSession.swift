// SPDX-License-Identifier: Apache-2.0
// One connected site at the server: reads its messages, spools its uploads, streams the blobs it asks for.

import Execution
import Federation
import Logging
import PeerTransport
import Store
import WireProtocol

/// The server's half of one site connection.
///
/// Tasks: the reader, the writer that drains ``send(_:)``, and one for each blob on its way out. The reader never
/// waits for the coordinator's work, only hands it events, so that one site cannot starve another.
final class SiteSession: Sendable {
    let site: SiteID
    /// As the certificate of this connection says.
    var identity: PeerIdentity { connection.identity }
    private let connection: any PeerConnection
    private let coordinator: Coordinator
    private let clock: ServiceClock
    private let logger: Logger
    /// Messages that belong together are one element.
    private let outbox: AsyncStream<[AggregatorMessage]>
    private let outboxInput: AsyncStream<[AggregatorMessage]>.Continuation

    /// Messages that may wait for a slow site before its connection is given up.
    private static let outboxLimit = 1_024
    /// Blobs and uploads one site may have under way at once.
    private static let streamLimit = 4

    init(
        site: SiteID, connection: any PeerConnection, coordinator: Coordinator, clock: ServiceClock, logger: Logger
    ) {
        self.site = site
        self.connection = connection
        self.coordinator = coordinator
        self.clock = clock
        self.logger = logger
        (outbox, outboxInput) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.outboxLimit))
    }

    /// Queues a message; a site too slow to take its messages loses its connection.
    func send(_ message: AggregatorMessage) { send([message]) }

    /// Queues a roster.
    func send(roster parts: [RosterPart]) { send(parts.map { .rosterPart($0) }) }

    private func send(_ messages: [AggregatorMessage]) {
        guard !messages.isEmpty else { return }
        if case .dropped = outboxInput.yield(messages) {
            logger.warning("site does not read its messages", metadata: ["site": "\(site)"])
            outboxInput.finish()
        }
    }

    /// Says why and closes.
    func refuse(_ code: RefusalCode) {
        outboxInput.yield([.refusal(code)])
        outboxInput.finish()
    }

    /// Which of a session's tasks has ended.
    private enum Ending { case writer, refusal, other }

    /// Serves the connection until it ends; the caller closes it.
    func run() async {
        await withTaskGroup(of: Ending.self) { group in
            group.addTask {
                await self.write()
                return .writer
            }
            group.addTask { await self.read() ? .refusal : .other }
            // Whichever ends first ends the others: the reader on a lost connection, the writer after a refusal. A
            // refusal by the reader has yet to leave: the writer ends behind it, or when the peer takes no bytes.
            let first = await group.next()
            outboxInput.finish()
            if first == .refusal {
                while let next = await group.next(), next != .writer {}
            }
            group.cancelAll()
        }
    }

    private func write() async {
        do {
            for await messages in outbox {
                for message in messages { try await connection.send(Frame(controlBytes: message.encoded())) }
            }
        } catch {
            logger.debug("sending to the site ended", metadata: ["site": "\(site)", "cause": "\(error)"])
        }
    }

    // MARK: Reading

    /// Reads until the connection ends, or something is refused, and then returns true.
    private func read() async -> Bool {
        do {
            try await greet()
            try await coordinator.whenRestored()
            coordinator.post(.opened(self))
            let inbox = SessionInbox(
                site: site, coordinator: coordinator, send: { self.send($0) }, streamLimit: Self.streamLimit,
                clock: clock)
            try await withThrowingDiscardingTaskGroup { group in
                defer { group.cancelAll() }
                var blobs = BlobCounter(limit: Self.streamLimit)
                while let frame = try await connection.nextFrame() {
                    switch frame.kind {
                    case .chunk: try await inbox.receive(chunk: frame.payload)
                    case .control:
                        try inbox.count()
                        let message = try SiteMessage(decoding: frame.controlBytes)
                        if case .blobRequest(let digest, let offset, let stream) = message {
                            let ticket = try blobs.start()
                            group.addTask {
                                await self.sendBlob(digest, offset: offset, stream: stream)
                                ticket.finish()
                            }
                        } else if case .renewal(let request) = message {
                            let ticket = try blobs.start()
                            group.addTask {
                                let reply = await self.coordinator.settings.members.renew(request, from: self.identity)
                                if let reply { self.send(.renewed(reply)) }
                                ticket.finish()
                            }
                        } else {
                            try await inbox.receive(message)
                        }
                    }
                }
            }
        } catch let error as WireError {
            logger.warning("malformed message", metadata: ["site": "\(site)", "error": "\(error)"])
            refuse(.protocolViolation)
            return true
        } catch let error as SessionError {
            logger.warning("session refused", metadata: ["site": "\(site)", "reason": "\(error.code.rawValue)"])
            refuse(error.code)
            return true
        } catch let error as StoreError {
            logger.error("cannot store an upload", metadata: ["site": "\(site)", "error": "\(error)"])
            refuse(.unavailable)
            return true
        } catch {
            logger.info("site connection ended", metadata: ["site": "\(site)", "cause": "\(error)"])
        }
        return false
    }

    private func greet() async throws {
        let hello = try await withThrowingTaskGroup(of: Frame?.self) { group in
            group.addTask { try await self.connection.nextFrame() }
            group.addTask {
                try await Task.sleep(for: self.coordinator.settings.helloTimeout)
                await self.connection.close()
                throw SessionError(.protocolViolation)
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let frame = hello else { throw SessionError(.protocolViolation) }
        guard frame.kind == .control, case .hello(let versions, _) = try SiteMessage(decoding: frame.controlBytes)
        else { throw SessionError(.protocolViolation) }
        guard let version = WireLimits.versions.first(where: versions.contains) else { throw SessionError(.version) }
        send(.welcome(version: version, federation: coordinator.federation, software: programVersion))
    }

    private func sendBlob(_ digest: Digest, offset: UInt64, stream: UInt32) async {
        do {
            guard let file = await coordinator.blob(digest, for: site), offset <= UInt64(file.byteCount) else {
                send(.blobUnavailable(digest, stream: stream))
                return
            }
            let reader = try file.reader()
            let sent = try await connection.sendTransfer(
                stream: stream, from: Int(offset), byteCount: file.byteCount
            ) { offset, buffer in
                try reader.read(at: offset, into: buffer)
            }
            coordinator.post(.blobSent(site, byteCount: sent))
        } catch {
            // The connection is gone or the file is: the site asks again after it has reconnected.
            logger.info("blob transfer ended early", metadata: ["site": "\(site)", "cause": "\(error)"])
        }
    }
}

/// A session that must end, and what the peer is told.
struct SessionError: Error {
    var code: RefusalCode

    init(_ code: RefusalCode) { self.code = code }
}
