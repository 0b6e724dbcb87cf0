// SPDX-License-Identifier: Apache-2.0
// Standard output, which may be a closed pipe or a full disk: what is lost there is remembered, never overlooked.

import Foundation
import Glibc
import Synchronization

/// Writes to standard output and remembers the first failure.
enum StandardOutput {
    /// The `errno` of the first write that failed; 0 while none has.
    private static let failure = Atomic<Int32>(0)

    /// Writes all of `data`, or remembers why that is impossible. After a failure nothing more is written.
    ///
    /// When nobody reads any longer (`consilium demo | head -1`) the process asks itself to stop, by the signal that
    /// long commands clean up on and that ends short ones at once.
    static func write(_ data: Data) {
        guard failure.load(ordering: .relaxed) == 0 else { return }
        let code = data.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count >= 0 {
                    done += count
                } else if errno == EAGAIN {
                    var ready = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                    poll(&ready, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
        guard code != 0 else { return }
        failure.store(code, ordering: .relaxed)
        if code == EPIPE { kill(getpid(), SIGTERM) }
    }

    /// Throws when something that was written did not arrive.
    static func check() throws {
        let code = failure.load(ordering: .relaxed)
        guard code != 0, code != EPIPE else { return }
        throw CommandError(
            .notDone, "standard output cannot be written: \(String(cString: strerror(code)))",
            hint: "make room there, or send the output elsewhere")
    }
}
