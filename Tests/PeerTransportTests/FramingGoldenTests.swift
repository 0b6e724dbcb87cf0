// SPDX-License-Identifier: Apache-2.0
// The published streams decode to the published frames, or fail as published.

import Foundation
import NIOCore
import PeerTransport
import Testing

@Suite struct FramingGoldenTests {
    private struct Vector {
        var name: String
        var stream: [UInt8]
        var isGood: Bool
        /// Frames as `kind:payload`, or the failure.
        var outcome: String
    }

    /// The file in the folder named by `CONSILIUM_VECTORS`, else the committed one; so a run always reads a file.
    private static func vectors() throws -> [Vector] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        var file = root.deletingLastPathComponent().appending(path: "protocol/vectors/framing/frames.tsv")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(filePath: folder).appending(path: "framing/frames.tsv")
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no framing/frames.tsv in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        let text = try String(contentsOf: file, encoding: .utf8)
        return try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            try #require(fields.count == 4, "four fields: \(line)")
            return Vector(
                name: fields[0], stream: try bytes(fields[1]), isGood: fields[2] == "ok", outcome: fields[3])
        }
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        try stride(from: 0, to: hex.count, by: 2).map { offset in
            let start = hex.index(hex.startIndex, offsetBy: offset)
            return try #require(UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16))
        }
    }

    private static func describe(_ frame: Frame) -> String {
        let hex = frame.payload.readableBytesView.map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return "\(frame.kind.rawValue):\(hex.joined())"
    }

    private static func outcome(_ stream: [UInt8], step: Int) -> (isGood: Bool, text: String) {
        var decoder = FrameDecoder(limits: FrameLimits())
        var frames: [String] = []
        do {
            for start in stride(from: 0, to: stream.count, by: step) {
                var piece = ByteBuffer(bytes: stream[start..<min(start + step, stream.count)])
                while let frame = try decoder.decode(buffer: &piece) { frames.append(describe(frame)) }
            }
            var nothing = ByteBuffer()
            _ = try decoder.decodeLast(buffer: &nothing, seenEOF: true)
            return (true, frames.joined(separator: " "))
        } catch {
            return (false, String(describing: error).prefix { $0 != "(" }.description)
        }
    }

    @Test func everyStreamGivesItsPublishedOutcomeWholeAndByteByByte() throws {
        let vectors = try Self.vectors()
        #expect(!vectors.isEmpty)
        for vector in vectors {
            for step in [1, max(vector.stream.count, 1)] {
                let outcome = Self.outcome(vector.stream, step: step)
                #expect(outcome == (vector.isGood, vector.outcome), "\(vector.name), pieces of \(step)")
            }
        }
    }

    @Test func goodStreamsEncodeBackToTheirBytes() throws {
        for vector in try Self.vectors() where vector.isGood {
            var decoder = FrameDecoder(limits: FrameLimits())
            var stream = ByteBuffer(bytes: vector.stream)
            var again = ByteBuffer()
            while let frame = try decoder.decode(buffer: &stream) { frame.write(into: &again) }
            #expect(Array(again.readableBytesView) == vector.stream, "\(vector.name)")
        }
    }
}
