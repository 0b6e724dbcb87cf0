// SPDX-License-Identifier: Apache-2.0
// One open connection to the aggregator: messages out, replies matched to who waits for them, bulk data both ways.

import Federation
import NIOCore
import PeerTransport
import Store
import WireProtocol

/// Why a transfer over a link ended without its result; the caller tries again over the next link.
enum LinkError: Error {
    case lost
    /// Who answers is a member of the consortium, but not its aggregator.
    case noAggregator
    /// Another federation than the only one that this site may work for.
    case wrongFederation
    case blobUnavailable
    case refused(RefusalCode)
    case unexpectedMessage
}

/// What the aggregator answered to an upload.
enum UploadVerdict: Sendable {
    case accepted
    case refused(RefusalReason)
    /// The round does not await this site any more.
    case roundOver
}

/// The site's half of one connection. Owns the waiting downloads and uploads of that connection only.
actor AggregatorLink {
    private let connection: any PeerConnection
    private let outbox: AsyncStream<SiteMessage>
    private nonisolated let outboxInput: AsyncStream<SiteMessage>.Continuation
    private var nextStream: UInt32 = 1
    private var downloads: [UInt32: Download] = [:]
    private var uploads: [Digest: CheckedContinuation<UploadReply, any Error>] = [:]
    /// Answers that came before anybody waited for them; only for uploads under way.
    private var earlyReplies: [Digest: UploadReply] = [:]
    private var uploading: Set<Digest> = []
    private var isClosed = false

    private struct Download {
        let blob: BlobReference
        let file: PartialFile
        let onProgress: @Sendable (Int) -> Void
        let continuation: CheckedContinuation<StoredFile, any Error>
    }

    private enum UploadReply {
        case ready(offset: Int)
        case verdict(UploadVerdict)
    }

    init(connection: any PeerConnection) {
        self.connection = connection
        (outbox, outboxInput) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(4_096))
    }

    /// Queues a message; never waits.
    nonisolated func send(_ message: SiteMessage) { outboxInput.yield(message) }

    /// Says hello and in which condition the site is, then reads until the connection ends. `receive` gets every
    /// message that nobody waits for.
    ///
    /// - Parameter onlyFederation: the one that a site may work for; nil for any.
    func run(
        software: String, obstacles: [SiteObstacle], onlyFederation: String?,
        receive: @escaping @Sendable (AggregatorMessage) async throws -> Void
    ) async throws {
        defer { close() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.write() }
            group.addTask { try await self.read(onlyFederation: onlyFederation, receive) }
            send(.hello(versions: WireLimits.versions, software: software))
            send(.condition(obstacles))
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func write() async throws {
        for await message in outbox {
            try await connection.send(Frame(controlBytes: message.encoded()))
        }
    }

    private func read(
        onlyFederation: String?, _ receive: @Sendable (AggregatorMessage) async throws -> Void
    ) async throws {
        guard let first = try await connection.nextFrame(), first.kind == .control else { throw LinkError.lost }
        switch try AggregatorMessage(decoding: first.controlBytes) {
        case .welcome(_, let federation, _):
            guard onlyFederation == nil || federation == onlyFederation else { throw LinkError.wrongFederation }
        case .refusal(let code): throw LinkError.refused(code)
        default: throw LinkError.unexpectedMessage
        }
        while let frame = try await connection.nextFrame() {
            switch frame.kind {
            case .chunk: try deliver(chunk: frame.payload)
            case .control:
                let message = try AggregatorMessage(decoding: frame.controlBytes)
                if try !deliver(message) { try await receive(message) }
            }
        }
    }

    /// Ends the connection, and with it ``run(software:receive:)``.
    func disconnect() async { await connection.close() }

    private func close() {
        isClosed = true
        outboxInput.finish()
        for (_, download) in downloads.sorted(by: { $0.key < $1.key }) {
            download.continuation.resume(throwing: LinkError.lost)
        }
        downloads = [:]
        for (_, continuation) in uploads.sorted(by: { $0.key.hex < $1.key.hex }) {
            continuation.resume(throwing: LinkError.lost)
        }
        uploads = [:]
    }

    // MARK: Downloads

    /// Fetches the rest of a blob into `file`, checks its digest and gives it its name.
    func download(
        _ blob: BlobReference, into file: PartialFile, onProgress: @escaping @Sendable (Int) -> Void
    ) async throws -> StoredFile {
        guard !isClosed else { throw LinkError.lost }
        if file.byteCount == blob.byteCount { return try file.finishReplaceable(expecting: blob.digest) }
        let stream = nextStream
        nextStream += 1
        return try await withCheckedThrowingContinuation { continuation in
            downloads[stream] = Download(blob: blob, file: file, onProgress: onProgress, continuation: continuation)
            send(.blobRequest(blob.digest, offset: UInt64(file.byteCount), stream: stream))
        }
    }

    private func deliver(chunk payload: ByteBuffer) throws {
        var payload = payload
        guard let header = ChunkHeader(readingFrom: &payload) else { throw LinkError.unexpectedMessage }
        guard let download = downloads[header.streamID] else { return }
        let file = download.file
        guard header.offset == UInt64(file.byteCount),
            file.byteCount + payload.readableBytes <= download.blob.byteCount
        else { throw LinkError.unexpectedMessage }
        do {
            try payload.withUnsafeReadableBytes { try file.append($0) }
            download.onProgress(file.byteCount)
            guard file.byteCount == download.blob.byteCount else { return }
            downloads[header.streamID] = nil
            download.continuation.resume(returning: try file.finishReplaceable(expecting: download.blob.digest))
        } catch {
            downloads[header.streamID] = nil
            download.continuation.resume(throwing: error)
        }
    }

    // MARK: Uploads

    /// Offers a vector, sends what the aggregator lacks of it, and waits for its verdict.
    func upload(task: Digest, file: StoredFile) async throws -> UploadVerdict {
        guard uploading.insert(task).inserted else { throw LinkError.lost }
        defer {
            uploading.remove(task)
            earlyReplies[task] = nil
        }
        let stream = nextStream
        nextStream += 1
        let offer = SiteMessage.uploadOffer(
            task: task, byteCount: UInt64(file.byteCount), digest: file.digest, stream: stream)
        switch try await reply(about: task, after: { self.send(offer) }) {
        case .verdict(let verdict): return verdict
        case .ready(let offset):
            guard offset <= file.byteCount else { throw LinkError.unexpectedMessage }
            let reader = try file.reader()
            _ = try await connection.sendTransfer(stream: stream, from: offset, byteCount: file.byteCount) {
                try reader.read(at: $0, into: $1)
            }
            guard case .verdict(let verdict) = try await reply(about: task, after: {}) else {
                throw LinkError.unexpectedMessage
            }
            return verdict
        }
    }

    private func reply(about task: Digest, after action: () -> Void) async throws -> UploadReply {
        guard !isClosed else { throw LinkError.lost }
        if let early = earlyReplies.removeValue(forKey: task) { return early }
        return try await withCheckedThrowingContinuation { continuation in
            uploads[task] = continuation
            action()
        }
    }

    /// Hands a message to who waits for it. Returns false when nobody does.
    private func deliver(_ message: AggregatorMessage) throws -> Bool {
        switch message {
        case .uploadReady(let task, let offset): answer(task, .ready(offset: Int(clamping: offset)))
        case .uploadResult(let task, let refused): answer(task, .verdict(refused.map { .refused($0) } ?? .accepted))
        case .roundEnded(let task, _):
            answer(task, .verdict(.roundOver))
            return false
        case .blobUnavailable(_, let stream):
            downloads.removeValue(forKey: stream)?.continuation.resume(throwing: LinkError.blobUnavailable)
        case .refusal(let code): throw LinkError.refused(code)
        case .welcome: throw LinkError.unexpectedMessage
        case .studyOffer, .roundOpen, .studyEnded, .renewed, .rosterPart, .ping: return false
        }
        return true
    }

    private func answer(_ task: Digest, _ reply: UploadReply) {
        if let waiter = uploads.removeValue(forKey: task) {
            waiter.resume(returning: reply)
        } else if uploading.contains(task) {
            earlyReplies[task] = reply
        }
    }
}
