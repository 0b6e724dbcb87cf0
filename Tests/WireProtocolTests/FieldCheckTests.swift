// SPDX-License-Identifier: Apache-2.0
// Fields that break a rule: the message is refused and the error names the field, never its content.

import Federation
import Testing
import WireProtocol

/// Writes protocol buffers by hand, so that a test can say what no encoder of ours would.
private struct RawMessage {
    var bytes: [UInt8] = []

    static func body(_ field: Int, _ fields: RawMessage = RawMessage()) -> [UInt8] {
        RawMessage().bytes(field, fields.bytes).bytes
    }

    func bytes(_ field: Int, _ content: [UInt8]) -> RawMessage {
        RawMessage(bytes: bytes + Self.varint(UInt64(field << 3 | 2)) + Self.varint(UInt64(content.count)) + content)
    }

    func text(_ field: Int, _ content: String) -> RawMessage { bytes(field, Array(content.utf8)) }

    func number(_ field: Int, _ value: UInt64) -> RawMessage {
        RawMessage(bytes: bytes + Self.varint(UInt64(field << 3)) + Self.varint(value))
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}

@Suite struct FieldCheckTests {
    private static let digest = SampleMessages.digest.bytes
    private static let digests = RawMessage().bytes(1, digest)

    private func siteError(_ field: Int, _ body: RawMessage) -> WireError? {
        do {
            _ = try SiteMessage(decoding: RawMessage.body(field, body))
            return nil
        } catch { return error }
    }

    private func aggregatorError(_ field: Int, _ body: RawMessage) -> WireError? {
        do {
            _ = try AggregatorMessage(decoding: RawMessage.body(field, body))
            return nil
        } catch { return error }
    }

    @Test func digestsHave32Bytes() {
        for count in [0, 1, 31, 33, 64] {
            let wrong = RawMessage().bytes(1, [UInt8](repeating: 1, count: count))
            #expect(siteError(2, wrong.number(2, 1)) == .invalidField("study"))
            #expect(siteError(3, wrong) == .invalidField("digest"))
            #expect(siteError(4, wrong.text(2, "asked")) == .invalidField("task"))
            #expect(siteError(5, wrong.bytes(3, Self.digest)) == .invalidField("task"))
            #expect(siteError(6, wrong.text(2, "stopped")) == .invalidField("task"))
            #expect(siteError(7, wrong.bytes(2, Self.digest)) == .invalidField("study"))
            #expect(aggregatorError(5, wrong) == .invalidField("task"))
            #expect(aggregatorError(6, wrong.number(2, 1)) == .invalidField("task"))
            #expect(aggregatorError(7, wrong.text(2, "closed")) == .invalidField("task"))
            #expect(aggregatorError(8, wrong.text(2, "stopped")) == .invalidField("study"))
            #expect(aggregatorError(9, wrong) == .invalidField("digest"))
        }
        #expect(siteError(5, Self.digests) == .invalidField("digest"))
        #expect(siteError(7, Self.digests) == .invalidField("digest"))
        #expect(aggregatorError(8, Self.digests.text(2, "stopped").bytes(3, [1])) == .invalidField("model"))
    }

    @Test func wordsAreOfTheirList() {
        for word in ["", "Stopped", "stopped ", "stopped\u{0}", "unknown", "accepted"] {
            #expect(siteError(2, Self.digests.text(3, word)) == .invalidField("reason"))
            #expect(siteError(4, Self.digests.text(2, word)) == .invalidField("stage"))
            #expect(siteError(6, Self.digests.text(2, word)) == .invalidField("reason"))
            #expect(aggregatorError(2, RawMessage().text(1, word)) == .invalidField("code"))
            #expect(aggregatorError(6, Self.digests.text(3, word)) == .invalidField("reason"))
            #expect(aggregatorError(7, Self.digests.text(2, word)) == .invalidField("outcome"))
            #expect(aggregatorError(8, Self.digests.text(2, word)) == .invalidField("outcome"))
        }
        // Words of another list.
        #expect(siteError(6, Self.digests.text(2, "notApproved")) == .invalidField("reason"))
        #expect(aggregatorError(7, Self.digests.text(2, "completed")) == .invalidField("outcome"))
    }

    @Test func textsAreShortAndHarmless() {
        let versions = RawMessage().number(1, 1)
        #expect(siteError(1, versions.text(2, String(repeating: "x", count: 201))) == .invalidField("software"))
        #expect(siteError(1, versions.text(2, String(repeating: "é", count: 101))) == .invalidField("software"))
        #expect(siteError(1, versions.text(2, "Zürich 蘇黎世 🏥")) == nil)
        let harmful = [
            "a\u{0}", "a\nb", "\u{1B}[2J", "\u{7F}", "\u{9B}31m", "\u{85}", "\u{202E}abc", "\u{2028}", "\u{200B}",
            "\u{FEFF}",
            "\u{E000}",
        ]
        for text in harmful {
            #expect(siteError(1, versions.text(2, text)) == .invalidField("software"))
            #expect(aggregatorError(1, versions.text(2, text)) == .invalidField("federation"))
            #expect(aggregatorError(1, versions.text(3, text)) == .invalidField("software"))
        }
        #expect(siteError(1, versions.bytes(2, [0xFF, 0xFE])) == .malformed)
    }

    @Test func versionsAreOneTo32OnesAndTheChosenOneIsKnown() {
        #expect(siteError(1, RawMessage()) == .invalidField("versions"))
        var many = RawMessage()
        for _ in 0..<33 { many = many.number(1, 1) }
        #expect(siteError(1, many) == .invalidField("versions"))
        for version: UInt64 in [0, 2, 4_294_967_295] {
            #expect(aggregatorError(1, RawMessage().number(1, version)) == .invalidField("version"))
        }
    }

    @Test func sizesAreBounded() {
        let limit = UInt64(WireLimits.blobBytes)
        for count in [limit + 1, 1 << 62, .max] {
            #expect(
                siteError(5, Self.digests.number(2, count).bytes(3, Self.digest)) == .invalidField("byte_count"))
            let ended = Self.digests.text(2, "completed").bytes(3, Self.digest).number(4, count)
            #expect(aggregatorError(8, ended) == .invalidField("model_bytes"))
        }
        let study = RawMessage().bytes(1, [UInt8](repeating: 1, count: WireLimits.studyBytes + 1))
        #expect(aggregatorError(3, study) == .invalidField("study"))
        #expect(throws: WireError.invalidField("study")) {
            try ControlRequest(decoding: RawMessage.body(1, study))
        }
    }

    @Test func tasksAreCanonical() {
        let good = SampleMessages.task.canonicalBytes
        #expect(aggregatorError(4, RawMessage().bytes(1, good)) == nil)
        for task in [[], Array("{}".utf8), good + [0x20], Array(good.dropLast())] {
            #expect(aggregatorError(4, RawMessage().bytes(1, task)) == .invalidField("task"))
        }
    }

    @Test func messagesWithoutAKnownBodyAreRefused() {
        let unknown: [[UInt8]] = [[], RawMessage.body(11), RawMessage.body(99), RawMessage().number(20, 7).bytes]
        for bytes in unknown {
            #expect(throws: WireError.unknownBody) { try SiteMessage(decoding: bytes) }
            #expect(throws: WireError.unknownBody) { try AggregatorMessage(decoding: bytes) }
            #expect(throws: WireError.unknownBody) { try ControlRequest(decoding: bytes) }
            #expect(throws: WireError.unknownBody) { try ControlReply(decoding: bytes) }
        }
    }

    @Test func fieldsOfLaterVersionsAreIgnored() throws {
        let later = Self.digests.text(2, "computing").number(3, 5).number(15, 1).text(16, "new")
        #expect(
            try SiteMessage(decoding: RawMessage.body(4, later))
                == .progress(task: SampleMessages.digest, .computing, count: 5))
    }
}
