// SPDX-License-Identifier: Apache-2.0
// Writes the outbox of a connection in portions that keep the ciphertext buffer small and warm.

import NIOCore

extension FrameHandler {
    /// Writes until the outbox is empty, the network is full, or it is the turn of another connection.
    func drain() {
        guard writeBegan == nil, let context, let connection else { return }
        for _ in 0..<4 {
            let frames = connection.takePortion(
                ofAtLeast: TransferSizes.portion, controlByteCount: TransferSizes.controlPortion)
            guard !frames.isEmpty else { return closeIfAsked(context) }
            write(frames, context, connection)
            guard writeBegan == nil else { return }
        }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.drain() }
    }

    private func write(
        _ frames: CircularBuffer<Frame>, _ context: ChannelHandlerContext, _ connection: ChannelConnection
    ) {
        writeBegan = .now()
        let promise = context.eventLoop.makePromise(of: Void.self)
        let pieces = encode(frames)
        for piece in pieces.dropLast() { context.write(wrapOutboundOut(piece), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(pieces.last ?? ByteBuffer()), promise: promise)
        let cost = frames.reduce(0) { $0 + FlowWindow.cost(of: $1) }
        var isInline = true
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.writeBegan = nil
            connection.window.release(cost)
            if case .failure(let error) = result { return self.fail(.classify(error)) }
            if !isInline { self.drain() }
        }
        isInline = false
    }

    /// The bytes of `frames` in pieces. Frames that fit into a TLS record are copied together into one; a larger
    /// payload is not copied, its header ends the piece before.
    private func encode(_ frames: CircularBuffer<Frame>) -> [ByteBuffer] {
        var pieces: [ByteBuffer] = []
        var small = ByteBuffer()
        for frame in frames {
            if frame.wireByteCount <= TransferSizes.record {
                if small.readableBytes + frame.wireByteCount > TransferSizes.record {
                    pieces.append(small)
                    small = ByteBuffer()
                }
                frame.write(into: &small)
            } else {
                frame.writeHeader(into: &small)
                pieces += [small, frame.payload]
                small = ByteBuffer()
            }
        }
        if small.readableBytes > 0 { pieces.append(small) }
        return pieces
    }

    private func closeIfAsked(_ context: ChannelHandlerContext) {
        if isClosing { context.close(promise: nil) }
    }
}
