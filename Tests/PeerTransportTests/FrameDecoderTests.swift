// SPDX-License-Identifier: Apache-2.0
// Frames come out whole whatever the pieces, and nothing else comes out.

import NIOCore
import NIOTestUtils
import PeerTransport
import Testing

@Suite struct FrameDecoderTests {
    private static let limits = FrameLimits(controlPayloadByteCount: 200, chunkPayloadByteCount: 60)
    private static let frames: [Frame] = [
        .control(""), .control("a"), .patterned(.chunk, byteCount: 60), .patterned(.control, byteCount: 200),
        Frame(kind: .chunk, payload: ByteBuffer()), .control("the last one"),
    ]

    private static var stream: ByteBuffer {
        var stream = ByteBuffer()
        for frame in frames { frame.write(into: &stream) }
        return stream
    }

    /// Feeds pieces of at most `step` bytes and returns the frames before the first failure.
    private static func decode(_ stream: ByteBuffer, step: Int) -> (frames: [Frame], failure: FrameError?) {
        var decoder = FrameDecoder(limits: limits)
        var frames: [Frame] = []
        var rest = stream
        do {
            while rest.readableBytes > 0, var piece = rest.readSlice(length: min(step, rest.readableBytes)) {
                while let frame = try decoder.decode(buffer: &piece) { frames.append(frame) }
            }
            while let frame = try decoder.decodeLast(buffer: &rest, seenEOF: true) { frames.append(frame) }
            return (frames, nil)
        } catch {
            return (frames, error as? FrameError)
        }
    }

    @Test func framesAreTheSameWhateverThePieces() {
        for step in [1, 2, 3, 4, 5, 6, 7, 64, 65, 205, 100_000] {
            let (frames, failure) = Self.decode(Self.stream, step: step)
            #expect(frames == Self.frames && failure == nil, "pieces of \(step) bytes")
        }
    }

    @Test func itIsAByteToMessageDecoder() throws {
        let pairs = Self.frames.map { frame -> (ByteBuffer, [Frame]) in
            var stream = ByteBuffer()
            frame.write(into: &stream)
            return (stream, [frame])
        }
        try ByteToMessageDecoderVerifier.verifyDecoder(inputOutputPairs: pairs) { FrameDecoder(limits: Self.limits) }
    }

    @Test func aStreamCutAnywhereGivesTheWholeFramesBeforeTheCut() {
        let ends = Self.frames.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.wireByteCount) }
        for cut in 0...Self.stream.readableBytes {
            var stream = Self.stream
            stream.moveWriterIndex(to: cut)
            let (frames, failure) = Self.decode(stream, step: 100)
            let whole = ends.lastIndex { $0 <= cut } ?? 0
            #expect(frames == Array(Self.frames.prefix(whole)))
            #expect(failure == (ends[whole] == cut ? nil : .truncated(byteCount: cut - ends[whole])))
        }
    }

    /// A wrong byte in a header is refused or shifts the rest; one in a payload is delivered. Either way what came
    /// before is right, and pieces do not matter.
    @Test func aWrongByteAnywhereHarmsNothingBeforeIt() {
        let ends = Self.frames.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.wireByteCount) }
        for position in 0..<Self.stream.readableBytes {
            for mask: UInt8 in [0x01, 0x80, 0xff] {
                var stream = Self.stream
                stream.setInteger(stream.getInteger(at: position, as: UInt8.self)! ^ mask, at: position)
                let (frames, failure) = Self.decode(stream, step: 100_000)
                let before = ends.lastIndex { $0 <= position } ?? 0
                #expect(frames.count >= before && Array(frames.prefix(before)) == Array(Self.frames.prefix(before)))
                #expect(frames != Self.frames, "byte \(position) made no difference")
                let (slowly, sameFailure) = Self.decode(stream, step: 1)
                #expect(slowly == frames && sameFailure == failure)
            }
        }
    }

    @Test func aClaimTooLargeIsRefusedBeforeItsKindIsKnown() {
        let failure = Self.decode(ByteBuffer(bytes: [0, 0, 0, 202]), step: 1).failure
        #expect(failure == .payloadTooLarge(byteCount: 201, limit: 200))
    }

    @Test func theLimitIsTheOneOfTheKind() {
        let failure = Self.decode(ByteBuffer(bytes: [0, 0, 0, 62, 2]), step: 1).failure
        #expect(failure == .payloadTooLarge(byteCount: 61, limit: 60))
        #expect(Self.decode(ByteBuffer(bytes: [0, 0, 0, 62, 1]), step: 1).failure == .truncated(byteCount: 5))
    }

    @Test func memoryFollowsTheBytesThatArriveNotTheClaim() throws {
        var decoder = FrameDecoder(limits: FrameLimits())
        var claim = ByteBuffer(bytes: [0, 0x10, 0, 1, 1])
        #expect(try decoder.decode(buffer: &claim) == nil)
        #expect(decoder.unfinishedCapacity == 0)
        var some = ByteBuffer(repeating: 1, count: 1000)
        #expect(try decoder.decode(buffer: &some) == nil)
        #expect((1000...4096).contains(decoder.unfinishedCapacity))
    }

    @Test func aSmallFrameDoesNotHoldOnToTheReadItCameIn() throws {
        var decoder = FrameDecoder(limits: FrameLimits())
        var read = ByteBuffer()
        Frame.control("tiny").write(into: &read)
        read.writeRepeatingByte(0, count: 4)
        read.reserveCapacity(1 << 20)
        let frame = try #require(try decoder.decode(buffer: &read))
        #expect(frame.payload.storageCapacity <= 64)
    }
}
