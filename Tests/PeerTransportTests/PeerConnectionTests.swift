// SPDX-License-Identifier: Apache-2.0
// One behaviour over TLS, over a Unix socket and in memory.

import NIOCore
import PeerTransport
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct PeerConnectionTests {
    @Test(arguments: Carrier.allCases)
    func framesArriveWholeAndInOrder(carrier: Carrier) async throws {
        let sizes = [0, 1, 11, 16_378, 16_379, 16_380, 65_536, 262_144, 3, 0, 1_048_576, 2]
        let frames = sizes.enumerated().map { number, size in
            Frame.patterned(size <= 262_144 && number % 2 == 1 ? .chunk : .control, byteCount: size, number: number)
        }
        let received = try await carrier.withPair { near, far in
            async let received = far.allFrames()
            for frame in frames { try await near.send(frame) }
            await near.close()
            return try await received
        }
        #expect(received == frames)
    }

    @Test(arguments: Carrier.allCases)
    func bothDirectionsFlowAtOnce(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            @Sendable func exchange(_ connection: any PeerConnection, _ number: Int) async throws -> [Frame] {
                async let sending: Void = {
                    for _ in 0..<40 { try await connection.send(.patterned(.chunk, byteCount: 50_000, number: number)) }
                }()
                var received: [Frame] = []
                while received.count < 40, let frame = try await connection.nextFrame() { received.append(frame) }
                try await sending
                return received
            }
            async let atNear = exchange(near, 1)
            async let atFar = exchange(far, 2)
            let (fromFar, fromNear) = try await (atNear, atFar)
            #expect(fromFar == Array(repeating: .patterned(.chunk, byteCount: 50_000, number: 2), count: 40))
            #expect(fromNear == Array(repeating: .patterned(.chunk, byteCount: 50_000, number: 1), count: 40))
        }
    }

    @Test(arguments: Carrier.allCases)
    func framesOfManySendersStayWholeAndEachSendersStayInOrder(carrier: Carrier) async throws {
        let received = try await carrier.withPair { near, far in
            async let received = far.allFrames()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<8 {
                    group.addTask {
                        for number in 0..<50 {
                            let text = "\(sender) \(number) " + String(repeating: "x", count: sender * 5000)
                            try await near.send(.control(text))
                        }
                    }
                }
                try await group.waitForAll()
            }
            await near.close()
            return try await received.map(\.text)
        }
        for sender in 0..<8 {
            let own = received.filter { $0.hasPrefix("\(sender) ") }
            let tail = String(repeating: "x", count: sender * 5000)
            #expect(own == (0..<50).map { "\(sender) \($0) \(tail)" })
        }
    }

    /// Sends until nothing has moved for a while; the reader has not read at all.
    private func fill(_ connection: any PeerConnection, _ sent: CountedSends) async throws {
        var seen = -1
        while seen != sent.count {
            seen = sent.count
            try await Task.sleep(for: .milliseconds(150))
        }
    }

    @Test(arguments: Carrier.allCases)
    func aSlowReaderHoldsUpTheSender(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            let sent = CountedSends()
            let total = 1000
            async let sending: Void = {
                for number in 0..<total {
                    try await near.send(.patterned(.chunk, byteCount: 65_536, number: number))
                    sent.add()
                }
            }()
            try await fill(near, sent)
            // Both windows, and for sockets what the kernel holds: far less than the 64 MiB that want to leave.
            let window = TransportLimits().inFlightByteCount / 65_536
            #expect(sent.count <= (carrier == .memory ? window : 400), "\(sent.count) frames left without a reader")
            for number in 0..<total {
                let frame = try #require(try await far.nextFrame())
                #expect(frame.payload.getInteger(at: frame.payload.readerIndex, as: UInt8.self) == UInt8(number % 256))
            }
            try await sending
        }
    }

    @Test(arguments: Carrier.allCases)
    func aControlFrameGoesBeforeChunksThatWait(carrier: Carrier) async throws {
        let after = try await carrier.withPair { near, far in
            let sent = CountedSends()
            let chunk = Frame.patterned(.chunk, byteCount: 65_536)
            return try await withThrowingTaskGroup(of: Void.self, returning: Int.self) { group in
                for _ in 0..<400 {
                    group.addTask {
                        try await near.send(chunk)
                        sent.add()
                    }
                }
                try await fill(near, sent)
                let waiting = 400 - sent.count
                try #require(waiting > 0)
                group.addTask { try await near.send(.control("urgent")) }
                try await Task.sleep(for: .milliseconds(300))
                var after = 0
                var isUrgentHere = false
                for _ in 0..<401 {
                    let frame = try #require(try await far.nextFrame())
                    if isUrgentHere { after += 1 }
                    if frame.kind == .control { isUrgentHere = true }
                }
                try await group.waitForAll()
                #expect(isUrgentHere)
                return waiting - after
            }
        }
        #expect(after <= 0, "\(after) chunks that had to wait went before the control frame")
    }

    @Test(arguments: Carrier.allCases)
    func closingDeliversWhatWasSent(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            // All of it fits into the window: nobody reads before the closing begins.
            for number in 0..<3 { try await near.send(.patterned(.chunk, byteCount: 32_768, number: number)) }
            try await near.send(.control("goodbye"))
            async let closing: Void = near.close()
            let frames = try await far.allFrames()
            await closing
            let end = try await far.nextFrame()
            #expect(frames.count == 4 && frames.last?.text == "goodbye" && end == nil)
        }
    }

    @Test(arguments: Carrier.allCases)
    func afterClosingBothEndsRefuseToSend(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            await near.close()
            #expect(await transportCode { try await near.send(.control("late")) } == .closed)
            #expect(await transportCode { _ = try await near.nextFrame() } == .closed)
            let end = try await far.nextFrame()
            #expect(end == nil)
            #expect(await transportCode { try await far.send(.control("late")) } == .connectionLost)
            await near.close()
        }
    }

    @Test(arguments: Carrier.allCases)
    func cancellingAReaderLosesNoFrame(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            let reader = Task { try await far.nextFrame() }
            try await Task.sleep(for: .milliseconds(20))
            reader.cancel()
            await #expect(throws: CancellationError.self) { try await reader.value }
            try await near.send(.control("still here"))
            let answer = try await far.nextFrame()?.text
            #expect(answer == "still here")
        }
    }

    @Test(arguments: Carrier.allCases)
    func cancellingASenderSendsNothingAndFreesItsPlace(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            let sent = CountedSends()
            let flood = Task {
                for _ in 0..<400 {
                    try await near.send(.patterned(.chunk, byteCount: 65_536))
                    sent.add()
                }
            }
            try await fill(near, sent)
            flood.cancel()
            await #expect(throws: CancellationError.self) { try await flood.value }
            for _ in 0..<sent.count { #expect(try await far.nextFrame()?.kind == .chunk) }
            try await near.send(.control("next"))
            let answer = try await far.nextFrame()?.text
            #expect(answer == "next")
        }
    }

    @Test(arguments: Carrier.allCases)
    func aSecondReaderIsRefusedAndTheFirstGoesOn(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            let first = Task { try await far.nextFrame() }
            try await Task.sleep(for: .milliseconds(50))
            #expect(await transportCode { _ = try await far.nextFrame() } == .concurrentRead)
            try await near.send(.control("for the first"))
            let answer = try await first.value?.text
            #expect(answer == "for the first")
        }
    }

    @Test(arguments: Carrier.allCases)
    func ourOwnOversizedFramesAreRefusedBeforeTheyLeave(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            for (kind, limit) in [(Frame.Kind.control, 1 << 20), (.chunk, 256 << 10)] {
                let frame = Frame(kind: kind, payload: ByteBuffer(repeating: 0, count: limit + 1))
                #expect(await transportCode { try await near.send(frame) } == .frameTooLarge)
            }
            try await near.send(.control("fine"))
            let answer = try await far.nextFrame()?.text
            #expect(answer == "fine")
        }
    }

    @Test(arguments: Carrier.allCases)
    func eachEndKnowsTheOther(carrier: Carrier) async throws {
        try await carrier.withPair { near, far in
            switch carrier {
            case .tls, .memory:
                #expect(near.identity.role == .aggregator && far.identity.siteID == "ward-7")
            case .unixSocket:
                #expect(near.identity == .localUser && far.identity == .localUser)
            }
            #expect(!near.remoteDescription.isEmpty && !far.remoteDescription.isEmpty)
        }
    }
}

/// How many frames have left.
private final class CountedSends: Sendable {
    private let value = Atomic(0)
    var count: Int { value.load(ordering: .relaxed) }
    func add() { value.add(1, ordering: .relaxed) }
}
