// SPDX-License-Identifier: Apache-2.0
// Bytes from nowhere: truncated, changed and random messages are refused or are what they say, and nothing traps.

import Federation
import Randomness
import Testing
import WireProtocol

@Suite struct MessageFuzzTests {
    /// What must hold of anything that was decoded: it encodes, and to the same value.
    private func check(_ bytes: [UInt8], _ place: String) throws {
        if let message = try? SiteMessage(decoding: bytes) {
            #expect(try SiteMessage(decoding: message.encoded()) == message, "\(place)")
        }
        if let message = try? AggregatorMessage(decoding: bytes) {
            #expect(try AggregatorMessage(decoding: message.encoded()) == message, "\(place)")
        }
        if let request = try? ControlRequest(decoding: bytes) {
            #expect(try ControlRequest(decoding: request.encoded()) == request, "\(place)")
        }
        // Its numbers may be NaN, which equals nothing.
        if let reply = try? ControlReply(decoding: bytes) { _ = try ControlReply(decoding: reply.encoded()) }
    }

    private func encodings() throws -> [[UInt8]] {
        try SampleMessages.fromSites.map { try $0.encoded() } + SampleMessages.fromAggregators.map { try $0.encoded() }
            + SampleMessages.requests.map { try $0.encoded() } + SampleMessages.replies.map { try $0.encoded() }
    }

    /// A body has its length in front: a message cut inside it is never another one.
    @Test func messagesCutAnywhereAreRefused() throws {
        for message in SampleMessages.fromSites {
            let bytes = try message.encoded()
            for count in 0..<bytes.count {
                #expect(throws: WireError.self, "\(message) at \(count)") {
                    try SiteMessage(decoding: Array(bytes.prefix(count)))
                }
            }
        }
        for message in SampleMessages.fromAggregators {
            let bytes = try message.encoded()
            // The largest study in steps.
            for count in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 500)) {
                #expect(throws: WireError.self, "at \(count)") {
                    try AggregatorMessage(decoding: Array(bytes.prefix(count)))
                }
            }
        }
        for reply in SampleMessages.replies {
            let bytes = try reply.encoded()
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try ControlReply(decoding: Array(bytes.prefix(count))) }
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func randomBytesNeverTrap(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "garbage")
        for index in 0..<2_000 {
            let bytes = (0..<generator.index(below: 120)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            try check(bytes, "seed \(seed), case \(index)")
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func changedMessagesNeverTrap(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "changes")
        let messages = try encodings().filter { $0.count < 2_000 }
        for index in 0..<2_000 {
            var bytes = messages[generator.index(below: messages.count)]
            for _ in 0...generator.index(below: 4) where !bytes.isEmpty {
                let place = generator.index(below: bytes.count)
                switch generator.index(below: 4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes[place] ^= 1 << UInt8(generator.index(below: 8))
                case 2: bytes.remove(at: place)
                default: bytes.insert(UInt8(truncatingIfNeeded: generator.next()), at: place)
                }
            }
            try check(bytes, "seed \(seed), case \(index)")
        }
    }
}
