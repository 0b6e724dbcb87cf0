// SPDX-License-Identifier: Apache-2.0
// Every bound that a connection or a listener enforces, in one place.

import NIOCore

/// How large the payload of a frame may be.
package struct FrameLimits: Sendable, Hashable {
    /// Largest payload of a control frame, in bytes.
    package var controlPayloadByteCount: Int
    /// Largest payload of a chunk frame, its ``ChunkHeader`` included, in bytes.
    package var chunkPayloadByteCount: Int

    /// Creates limits; the defaults are the protocol's (`protocol/framing.md` §2).
    ///
    /// - Precondition: both are in `1 ... 1 GiB`.
    package init(controlPayloadByteCount: Int = 1 << 20, chunkPayloadByteCount: Int = 256 << 10) {
        precondition((1...1 << 30).contains(controlPayloadByteCount), "control payloads are 1 byte to 1 GiB")
        precondition((1...1 << 30).contains(chunkPayloadByteCount), "chunk payloads are 1 byte to 1 GiB")
        self.controlPayloadByteCount = controlPayloadByteCount
        self.chunkPayloadByteCount = chunkPayloadByteCount
    }

    /// Most data that fits behind the header of one chunk frame, in bytes.
    package var chunkDataByteCount: Int { chunkPayloadByteCount - ChunkHeader.byteCount }

    /// The limit for one kind, in bytes.
    package func payloadByteCount(of kind: Frame.Kind) -> Int {
        switch kind {
        case .control: controlPayloadByteCount
        case .chunk: chunkPayloadByteCount
        }
    }

    var largestPayloadByteCount: Int { max(controlPayloadByteCount, chunkPayloadByteCount) }

    /// Refuses a frame of our own that the peer would have to refuse.
    func check(_ frame: Frame) throws {
        let limit = payloadByteCount(of: frame.kind)
        guard frame.payload.readableBytes <= limit else {
            throw TransportError.frameTooLarge(byteCount: frame.payload.readableBytes, limit: limit)
        }
    }
}

/// What a connection and a listener allow before they suspend, refuse or close.
package struct TransportLimits: Sendable, Hashable {
    /// Largest payloads.
    package var frames = FrameLimits()
    /// Payload bytes a connection holds in each direction before `send` suspends, or reading stops. One frame larger
    /// than this is let through alone.
    package var inFlightByteCount = 1 << 20
    /// Payload bytes that all connections of one listener hold in each direction. Their equal share of it is their
    /// limit where it is below ``inFlightByteCount``, but never below 64 KiB.
    package var sharedInFlightByteCount = 4 << 20
    /// From the TCP connection to the end of the TLS handshake.
    package var handshakeTimeout = Duration.seconds(10)
    /// Until the TCP connection, and a proxy's tunnel, stand.
    package var connectTimeout = Duration.seconds(10)
    /// Longest silence of the peer while we are reading; nothing means for ever, which is the default because a site
    /// that trains may have nothing to say for hours. TCP keepalive finds dead peers within two minutes either way.
    package var idleReadTimeout: Duration?
    /// Longest time in which the peer or the network takes none of the bytes we write.
    package var stalledWriteTimeout = Duration.seconds(60)
    /// How long `close` waits until bytes already accepted are on their way.
    package var closeTimeout = Duration.seconds(5)
    /// Connections of one listener, handshakes included.
    package var maximumConnections = 1024
    /// Connections of one listener whose peer is not known yet.
    package var maximumHandshakes = 64
    /// The part of them that one address (IPv6: one /64) may have, so that it cannot keep all others out.
    package var maximumHandshakesPerAddress = 32
    /// New connections of one address (IPv6: one /64) allowed at once, after a silence.
    package var connectionBurstPerAddress = 256
    /// New connections of one address allowed per second in the long run.
    package var connectionsPerSecondPerAddress = 32.0
    /// How often a listener looks whether its certificate files have changed.
    package var identityReloadInterval = Duration.seconds(30)

    /// Creates the default limits.
    package init() {}
}
