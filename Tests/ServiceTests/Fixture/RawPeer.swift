// SPDX-License-Identifier: Apache-2.0
// Hand-written peers: they say whatever a test wants, in whatever order.

import Federation
import NeuralNetworks
import PeerTransport
import RingArithmetic
import Store
import Testing
import WireProtocol

/// A site that need not obey the protocol.
struct RawSite {
    let connection: any PeerConnection

    init(over connection: any PeerConnection) { self.connection = connection }

    /// Connects as the member `name`.
    init(_ name: String, in federation: TestFederation) async throws {
        let identity = PeerIdentity(publicKeyHash: [], names: ["fl://test/site/\(name)"])
        let network = federation.network
        // The listener's task may not have begun yet.
        for _ in 0..<1_000 {
            if let connection = try? await network.connect(as: identity) {
                self.connection = connection
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw TestFailure("nobody listens")
    }

    /// Connects, says hello, and accepts the study.
    static func joining(_ federation: TestFederation, as name: String) async throws -> RawSite {
        let site = try await RawSite(name, in: federation)
        try await site.join(federation.hash)
        return site
    }

    /// Says hello and accepts the study.
    func join(_ study: Digest) async throws {
        try await say(.hello(versions: [1], software: "test"))
        _ = try await hear { if case .studyOffer = $0 { true } else { false } }
        try await say(.decision(study: study, .accepted))
    }

    func say(_ message: SiteMessage) async throws { try await say(bytes: message.encoded()) }

    func say(bytes: [UInt8]) async throws { try await connection.send(Frame(controlBytes: bytes)) }

    func chunk(_ stream: UInt32, at offset: Int, _ bytes: [UInt8]) async throws {
        try await connection.send(.chunk(ChunkHeader(streamID: stream, offset: UInt64(offset)), data: bytes))
    }

    /// The next message that is no ping; nil at the end of the connection.
    func hear() async throws -> AggregatorMessage? {
        while let frame = try await connection.nextFrame() {
            guard frame.kind == .control else { continue }
            let message = try AggregatorMessage(decoding: frame.controlBytes)
            if message != .ping { return message }
        }
        return nil
    }

    /// The next message of a kind; others are dropped.
    func hear(_ isWanted: (AggregatorMessage) -> Bool) async throws -> AggregatorMessage {
        while let message = try await hear() {
            if isWanted(message) { return message }
        }
        throw TestFailure("the aggregator ended the connection")
    }

    /// The task of the next round of a kind.
    func task(_ kind: RoundKind) async throws -> RoundTask {
        let message = try await hear { message in
            if case .roundOpen(let task) = message { task.id.kind == kind } else { false }
        }
        guard case .roundOpen(let task) = message else { throw TestFailure("no task") }
        return task
    }

    /// What the aggregator answers about a task: a verdict, or that the round is over.
    func answer(about task: Digest) async throws -> AggregatorMessage {
        try await hear { message in
            switch message {
            case .uploadReady(task, _), .uploadResult(task, _), .roundEnded(task, _): true
            default: false
            }
        }
    }

    /// Why the aggregator ends the connection.
    func refusal() async throws -> RefusalCode? {
        while let message = try? await hear() {
            if case .refusal(let code) = message { return code }
        }
        return nil
    }

    /// Offers and sends a vector as an honest site does, and returns the verdict.
    func upload(
        _ bytes: [UInt8], task: RoundTask, stream: UInt32 = 1, digest: Digest? = nil
    ) async throws -> AggregatorMessage {
        try await say(
            .uploadOffer(
                task: task.hash, byteCount: UInt64(bytes.count), digest: digest ?? .blob(bytes), stream: stream))
        let reply = try await answer(about: task.hash)
        guard case .uploadReady(_, let offset) = reply else { return reply }
        try await chunk(stream, at: Int(offset), Array(bytes[Int(offset)...]))
        return try await answer(about: task.hash)
    }

    /// Takes part in the statistics round with a vector of zeros.
    func passStatistics(_ federation: TestFederation) async throws { try await passStatistics(of: federation.study) }

    /// Takes part in the statistics round with a vector of zeros.
    func passStatistics(of study: Study) async throws {
        try await contribute(to: try await task(.statistics), of: study)
    }

    /// Uploads a vector of zeros; in a training round with the least weight, so that the sum is plausible.
    func contribute(to task: RoundTask, of study: Study) async throws {
        let layout: RingLayout
        switch task.id.kind {
        case .statistics: layout = try StatisticsSum(contract: study.data).layout
        case .evaluation: layout = try EvaluationSum(task: study.task, bins: study.evaluation.bins).layout
        case .training:
            let network = try Network(study.model, inputs: study.data.features.count, head: study.task.head)
            layout = try UpdateSum(
                terms: study.federation, parameterCount: network.parameterCount, sites: task.sites
            ).layout
        }
        var bytes = [UInt8](repeating: 0, count: layout.packedByteCount)
        // The weight is the first of the five 64-bit totals at the end.
        if task.id.kind == .training { bytes[bytes.count - 40] = 1 }
        #expect(try await upload(bytes, task: task) == .uploadResult(task: task.hash, refused: nil))
    }
}

extension Digest {
    /// SHA-256 of a file's content.
    static func blob(_ bytes: [UInt8]) -> Digest {
        var hasher = BlobHasher()
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }
}

/// An aggregator that need not obey the protocol, and one connection of a site to it.
struct RawAggregator {
    let connection: any PeerConnection

    func say(_ message: AggregatorMessage) async throws { try await say(bytes: message.encoded()) }

    func say(bytes: [UInt8]) async throws { try await connection.send(Frame(controlBytes: bytes)) }

    /// Sends a blob in pieces.
    func send(_ bytes: [UInt8], stream: UInt32, from offset: Int = 0, pieces: Int = 1 << 16) async throws {
        for start in stride(from: offset, to: bytes.count, by: pieces) {
            try await connection.send(
                .chunk(
                    ChunkHeader(streamID: stream, offset: UInt64(start)),
                    data: bytes[start..<min(start + pieces, bytes.count)]))
        }
    }

    /// The next control message; nil at the end of the connection.
    func hear() async throws -> SiteMessage? {
        while let frame = try await connection.nextFrame() {
            if frame.kind == .control { return try SiteMessage(decoding: frame.controlBytes) }
        }
        return nil
    }

    func hear(_ isWanted: (SiteMessage) -> Bool) async throws -> SiteMessage {
        while let message = try await hear() {
            if isWanted(message) { return message }
        }
        throw TestFailure("the site ended the connection")
    }

    /// Reads until the site ends the connection.
    func end() async {
        while let frame = try? await connection.nextFrame() { _ = frame }
    }

    /// Why the site contributes nothing to a task.
    func withheld(_ task: Digest) async throws -> WithholdReason? {
        let message = try await hear { message in
            switch message {
            case .withheld(task, _), .uploadOffer(task, _, _, _): true
            default: false
            }
        }
        if case .withheld(_, let reason) = message { return reason }
        return nil
    }
}
