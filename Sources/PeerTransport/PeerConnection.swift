// SPDX-License-Identifier: Apache-2.0
// What the rest of the system sees of a connection, whatever carries it.

/// A two-way, ordered, authenticated stream of frames.
///
/// Three kinds exist with one behaviour: mutual TLS over TCP, a Unix socket, and ``InMemoryNetwork``.
package protocol PeerConnection: AnyObject, Sendable {
    /// Who the peer proved to be.
    var identity: PeerIdentity { get }

    /// Where the peer is: an address, for logs; never a name the peer chose.
    var remoteDescription: String { get }

    /// Hands over one frame; suspends while the peer or the network is slow.
    ///
    /// Several tasks may send at once: frames stay whole and those of one task stay in order. A control frame waits
    /// behind at most ``TransportLimits/inFlightByteCount`` bytes of chunk frames.
    ///
    /// - Throws: ``TransportError`` `frameTooLarge`, `closed`, or why the connection ended; `CancellationError` when
    ///   the task is cancelled while it waits, and then nothing was sent.
    func send(_ frame: Frame) async throws

    /// The next frame of the peer, or nothing once it has closed the connection in order.
    ///
    /// Not reading slows the peer down: at most ``TransportLimits/inFlightByteCount`` bytes and one network read are
    /// held. One task at a time may call this.
    ///
    /// - Throws: ``TransportError`` for why the connection ended, `concurrentRead` for a second reader;
    ///   `CancellationError` when the task is cancelled while it waits, and then no frame is lost.
    func nextFrame() async throws -> Frame?

    /// Lets accepted frames leave, says goodbye and closes; safe to call twice, and from several tasks.
    func close() async
}

/// Runs `body` and closes the connection whichever way it ends.
func scoped<Result>(
    _ connection: any PeerConnection, _ body: (any PeerConnection) async throws -> Result
) async throws -> Result {
    do {
        let result = try await body(connection)
        await connection.close()
        return result
    } catch {
        await connection.close()
        throw error
    }
}
