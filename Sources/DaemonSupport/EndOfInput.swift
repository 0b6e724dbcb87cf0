// SPDX-License-Identifier: Apache-2.0
// Stops a daemon when the process that started it is gone, however that ended.

import Dispatch
import Glibc
import ServiceLifecycle

/// Ends when standard input does, and with it the service group it belongs to.
///
/// A parent that holds the other end of a pipe cannot die without closing it, not even by SIGKILL. The kernel's
/// parent-death signal was rejected: it fires when the starting *thread* ends.
struct EndOfInput: Service {
    func run() async throws {
        let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
        let source = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 512)
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { continuation.finish() }
        }
        source.activate()
        defer { source.cancel() }
        for await _ in ends.cancelOnGracefulShutdown() {}
    }
}
