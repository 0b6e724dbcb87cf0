// SPDX-License-Identifier: Apache-2.0
// What the server does with each message and chunk of a site: rate limit, spool, hand over.

import Execution
import Federation
import NIOCore
import PeerTransport
import Store
import Synchronization
import WireProtocol

/// The reader's state for one connection. Used by the reading task only.
final class SessionInbox {
    private let site: SiteID
    private let coordinator: Coordinator
    private let send: (AggregatorMessage) -> Void
    private let streamLimit: Int
    private var uploads: [UInt32: SpooledUpload] = [:]
    private var rate: MessageRate

    init(
        site: SiteID, coordinator: Coordinator, send: @escaping (AggregatorMessage) -> Void, streamLimit: Int,
        clock: ServiceClock
    ) {
        self.site = site
        self.coordinator = coordinator
        self.send = send
        self.streamLimit = streamLimit
        rate = MessageRate(clock: clock)
    }

    /// Counts a control message; every kind of them.
    func count() throws { try rate.count() }

    func receive(_ message: SiteMessage) async throws {
        switch message {
        case .hello, .blobRequest, .renewal: throw SessionError(.protocolViolation)
        case .condition(let obstacles): coordinator.post(.condition(site, obstacles))
        case .decision(let study, let decision): coordinator.post(.decided(site, study: study, decision))
        case .progress(let task, let stage, let count):
            coordinator.post(.progress(site, task: task, stage, count: Int(clamping: count)))
        case .withheld(let task, let reason): coordinator.post(.withheld(site, task: task, reason))
        case .modelReceived(let study, let model): coordinator.post(.modelReceived(site, study: study, model: model))
        case .uploadOffer(let task, let byteCount, let digest, let stream):
            try await admit(task: task, byteCount: Int(byteCount), digest: digest, stream: stream)
        }
    }

    private func admit(task: Digest, byteCount: Int, digest: Digest, stream: UInt32) async throws {
        guard uploads.count < streamLimit, uploads[stream] == nil else { throw SessionError(.protocolViolation) }
        switch await coordinator.admitUpload(from: site, task: task, byteCount: byteCount) {
        case .alreadyReceived: send(.uploadResult(task: task, refused: nil))
        case .refused(let reason): send(.uploadResult(task: task, refused: reason))
        case .notAwaited(let isIncluded): send(.roundEnded(task: task, isIncluded ? .closed : .abandoned))
        case .obstructed: throw SessionError(.unavailable)
        case .spool(let file):
            let upload = SpooledUpload(task: task, byteCount: byteCount, digest: digest, file: file)
            send(.uploadReady(task: task, offset: UInt64(file.byteCount)))
            if upload.isComplete { finish(upload) } else { uploads[stream] = upload }
        }
    }

    func receive(chunk payload: ByteBuffer) async throws {
        var payload = payload
        guard let header = ChunkHeader(readingFrom: &payload) else { throw SessionError(.protocolViolation) }
        guard let upload = uploads[header.streamID] else {
            // Chunks of an upload that was refused or superseded are still on their way for a moment.
            return
        }
        guard header.offset == UInt64(upload.file.byteCount),
            upload.file.byteCount + payload.readableBytes <= upload.byteCount
        else { throw SessionError(.protocolViolation) }
        do {
            try payload.withUnsafeReadableBytes { try upload.file.append($0) }
        } catch let error as StoreError where error.code == .superseded {
            // The round went on without this upload, or a newer connection of the site took it over.
            uploads[header.streamID] = nil
            return
        }
        guard upload.isComplete else {
            upload.reportProgress { coordinator.post(.progress(site, task: upload.task, .uploading, count: $0)) }
            return
        }
        uploads[header.streamID] = nil
        finish(upload)
    }

    private func finish(_ upload: SpooledUpload) {
        coordinator.post(
            .uploadSpooled(site, task: upload.task, file: upload.file, digest: upload.digest))
    }
}

/// An upload on its way into the spool.
final class SpooledUpload {
    let task: Digest
    let byteCount: Int
    let digest: Digest
    let file: PartialFile
    private var lastReported = 0

    init(task: Digest, byteCount: Int, digest: Digest, file: PartialFile) {
        self.task = task
        self.byteCount = byteCount
        self.digest = digest
        self.file = file
    }

    var isComplete: Bool { file.byteCount == byteCount }

    /// Calls `report` with the bytes received, at most once for each MiB.
    func reportProgress(_ report: (Int) -> Void) {
        guard file.byteCount - lastReported >= 1 << 20 else { return }
        lastReported = file.byteCount
        report(file.byteCount)
    }
}

/// Counts control messages in windows of one second.
struct MessageRate {
    private let clock: ServiceClock
    private var windowStart: Duration
    private var messages = 0

    init(clock: ServiceClock) {
        self.clock = clock
        windowStart = clock.now
    }

    mutating func count() throws {
        let now = clock.now
        if now - windowStart > .seconds(1) {
            windowStart = now
            messages = 0
        }
        messages += 1
        guard messages <= WireLimits.controlMessagesPerSecond else { throw SessionError(.rateLimit) }
    }
}

/// Bounds the blobs that one site has under way.
struct BlobCounter {
    private let active = Ticket()
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    mutating func start() throws -> Ticket {
        guard active.begin(limit: limit) else { throw SessionError(.rateLimit) }
        return active
    }

    final class Ticket: Sendable {
        private let count = Mutex(0)

        fileprivate func begin(limit: Int) -> Bool {
            count.withLock { count in
                guard count < limit else { return false }
                count += 1
                return true
            }
        }

        func finish() { count.withLock { $0 -= 1 } }
    }
}
