// SPDX-License-Identifier: Apache-2.0
// The socket and buffer sizes of every channel, chosen by measurement.

import Glibc
import NIOCore
import NIOPosix

/// Bytes per read, per hand-over and per write.
///
/// Measured with TLS 1.3 (AES-GCM), one connection over loopback, both ends on two cores, best of four, 256 KiB in
/// flight; chunk payloads of 64 KiB / 256 KiB: these values 2.2 / 2.6 GB/s; one read per turn 2.1 / 2.3, four 2.2 / 2.5;
/// reads of 128 KiB 2.0 / 2.6; portions of 128 KiB 2.1 / 2.0. A window of 512 KiB gives 2.5 / 2.7, of 1 MiB 2.7 / 3.6.
/// What decides is that ciphertext and plaintext stay in the second-level cache, that no buffer is fresh memory (some
/// 500 to 4000 page faults in 2 GB), and that tasks are not woken for each frame: with NIO's accumulation of unfinished
/// messages and a sender woken per write it was 0.45 GB/s and 620,000 page faults. NIO's `NIOAsyncChannel` reaches 2.2 /
/// 2.1, but falls to 0.9 to 1.3 in runs in which its buffers come from fresh mappings.
enum TransferSizes {
    /// Bytes per read from a socket at most.
    static let read = 64 << 10
    /// Reads before the frames in them are handed on.
    static let readsPerTurn: UInt = 2
    /// Plaintext bytes per write to a socket, about.
    static let portion = 64 << 10
    /// Plaintext bytes of control frames per write at most, where they are not larger themselves. The TLS handler keeps
    /// a buffer of the largest write for as long as the connection lives: with this it stays at its first 16 KiB in
    /// connections that carry no bulk data, which decides how many idle ones a server can hold.
    static let controlPortion = 15 << 10
    /// Plaintext of a full TLS record (RFC 8446 §5.1).
    static let record = 16 << 10

    fileprivate static let allocator = AdaptiveRecvByteBufferAllocator(
        minimum: 1 << 10, initial: 4 << 10, maximum: read)
}

/// TCP keepalive (`tcp(7)`): asks after 60 s of silence, four times, 15 s apart. Finds dead peers, and keeps the state of
/// firewalls on the way alive.
private enum KeepAlive {
    static let options: [(CInt, SocketOptionValue)] = [(TCP_KEEPIDLE, 60), (TCP_KEEPINTVL, 15), (TCP_KEEPCNT, 4)]
}

extension ServerBootstrap {
    /// Buffer sizes for accepted connections.
    func tunedForFrames() -> ServerBootstrap {
        childChannelOption(.recvAllocator, value: TransferSizes.allocator)
            .childChannelOption(.maxMessagesPerRead, value: TransferSizes.readsPerTurn)
    }

    /// Keepalive for accepted TCP connections.
    func keepingAlive() -> ServerBootstrap {
        KeepAlive.options.reduce(childChannelOption(.socketOption(.so_keepalive), value: 1)) { bootstrap, option in
            bootstrap.childChannelOption(.tcpOption(NIOBSDSocket.Option(rawValue: option.0)), value: option.1)
        }
    }
}

extension ClientBootstrap {
    /// Buffer sizes for the connection.
    func tunedForFrames() -> ClientBootstrap {
        channelOption(.recvAllocator, value: TransferSizes.allocator)
            .channelOption(.maxMessagesPerRead, value: TransferSizes.readsPerTurn)
    }

    /// Keepalive for a TCP connection.
    func keepingAlive() -> ClientBootstrap {
        KeepAlive.options.reduce(channelOption(.socketOption(.so_keepalive), value: 1)) { bootstrap, option in
            bootstrap.channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: option.0)), value: option.1)
        }
    }
}
