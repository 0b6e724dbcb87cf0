// SPDX-License-Identifier: Apache-2.0
// Frames and messages that no honest site sends, from Python to the built aggregator.

import Foundation
import Testing

@Suite(.enabled(if: Programs.areInstalled("python3", "openssl"), "python3 and openssl are needed"))
struct HostileSiteTests {
    private static let answers = [
        "hello-version-9: version",
        "hello-no-version: protocolViolation",
        "hello-33-versions: protocolViolation",
        "hello-missing: protocolViolation",
        "hello-software-escape: protocolViolation",
        "hello-software-long: protocolViolation",
        // A stream that is no sequence of frames gets no answer.
        "frame-zero-length: closed",
        "frame-unknown-kind: closed",
        "frame-huge: closed",
        "frame-control-too-long: closed",
        "frame-chunk-too-long: closed",
        "frame-http: closed",
        "frame-cut: hung up",
        "frame-short-chunk: protocolViolation",
        "message-garbage: protocolViolation",
        "message-empty: protocolViolation",
        "message-unknown-body: protocolViolation",
        "message-hello-again: protocolViolation",
        "message-short-digest: protocolViolation",
        "message-unknown-word: protocolViolation",
        "message-unknown-reason: protocolViolation",
        "message-huge-upload: protocolViolation",
        "message-negative-upload: protocolViolation",
        // Nothing wrong with these, but nothing to be had either.
        "message-foreign-blob: blob_unavailable",
        "message-foreign-task: round_ended abandoned",
        "flood-progress: rateLimit",
    ]

    @Test func everyBrokenRuleGetsItsAnswerAndTheAggregatorServesOn() async throws {
        let federation = try await InteropFederation(rounds: 1, sites: [])
        let words = Self.answers.map { answer in String(answer.prefix { $0 != ":" }) }
        let hostile = try federation.foreignSite(
            running: "hostile_site.py", ["--once", "--misbehave", words.joined(separator: ",")])
        #expect(try await hostile.status() == 0, "\(hostile.output)")
        #expect(hostile.output.split(separator: "\n").map(String.init) == Self.answers)
        // What a peer has said is in no log, not even escaped.
        #expect(!federation.log().contains("red"))
        #expect(!federation.log().contains("because"))
    }
}
