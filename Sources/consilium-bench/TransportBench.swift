// SPDX-License-Identifier: Apache-2.0
// How many bytes a second one or more TLS connections carry with both ends on this machine.

import ArgumentParser
import Federation
import Foundation
import Kernels
import Logging
import NIOCore
import PeerTransport

struct TransportBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transport", abstract: "Chunk frames over mutual TLS 1.3 on the loopback interface.")

    @Option(help: "Connections that send at once.") var connections = 1
    @Option(help: "Seconds for which each repetition sends.") var seconds = 1.0
    @Option(help: "Repetitions; the median counts.") var repetitions = 7
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var connections: Int
        var gigabytesPerSecond: Spread
        var chunkBytes: Int
    }

    func run() async throws {
        consilium_tune_allocator()
        let folder = try BenchFolder()
        defer { folder.remove() }
        let server = try folder.makeIdentity("aggregator", role: "aggregator")
        let client = try folder.makeIdentity("site", role: "site")
        let (ports, portInput) = AsyncStream.makeStream(of: Int.self)
        let rates = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await PeerListener.run(
                    host: "127.0.0.1", port: 0, identity: server, logger: Logger(label: "bench"),
                    onBound: { portInput.yield($0) }, onConnection: { await Self.drain($0) })
            }
            defer { group.cancelAll() }
            var iterator = ports.makeAsyncIterator()
            guard let port = await iterator.next() else { throw BenchError("the listener did not start") }
            var rates: [Double] = []
            for _ in 0..<repetitions { rates.append(try await measure(port: port, identity: client)) }
            return rates
        }
        try result.write(
            Result(
                connections: connections, gigabytesPerSecond: Spread(rates),
                chunkBytes: FrameLimits().chunkDataByteCount))
    }

    /// Reads until the sender closes; answers a control frame, which ends a measurement.
    private static func drain(_ connection: any PeerConnection) async {
        do {
            while let frame = try await connection.nextFrame() {
                if frame.kind == .control { try await connection.send(frame) }
            }
        } catch {
            // The measurement is over.
        }
        await connection.close()
    }

    private func measure(port: Int, identity: TLSIdentity) async throws -> Double {
        let duration = Duration.seconds(seconds)
        let count = connections
        return try await withThrowingTaskGroup(of: (Int, Duration).self) { group in
            for _ in 0..<count {
                group.addTask {
                    try await PeerConnector.withConnection(host: "localhost", port: port, identity: identity) { peer in
                        let clock = ContinuousClock()
                        let began = clock.now
                        var sent = 0
                        while clock.now - began < duration {
                            sent += try await peer.sendTransfer(stream: 1, from: 0, byteCount: 16 << 20) { _, buffer in
                                // As a file would: every byte is written before it is sent.
                                buffer.initializeMemory(as: UInt8.self, repeating: 7)
                            }
                        }
                        try await peer.send(Frame(controlBytes: [1]))
                        _ = try await peer.nextFrame()
                        return (sent, clock.now - began)
                    }
                }
            }
            var bytes = 0
            var longest = Duration.zero
            for try await (sent, time) in group {
                bytes += sent
                longest = max(longest, time)
            }
            return Double(bytes) / longest.inSeconds / 1e9
        }
    }
}
