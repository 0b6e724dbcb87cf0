// SPDX-License-Identifier: Apache-2.0
// A text file of metrics for node-exporter's collector: always whole, never half written.

import Foundation
import Glibc

package enum MetricsFile {
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Replaces the file in one step, readable for everybody: the collector is another user.
    ///
    /// Not synced: after a power cut the next writing replaces it.
    /// - Throws: ``Failure``
    package static func write(_ text: String, to path: String) throws(Failure) {
        let temporary = path + ".tmp"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard file >= 0 else { throw failure("write", path) }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = failure("write", path)
                close(file)
                unlink(temporary)
                throw error
            }
            written += count
        }
        // The daemon's umask would close it to the collector.
        fchmod(file, 0o644)
        guard close(file) == 0, rename(temporary, path) == 0 else { throw failure("replace", path) }
    }

    private static func failure(_ what: String, _ path: String) -> Failure {
        Failure(
            description: "cannot \(what) \(path): \(String(cString: strerror(errno)))"
                + " (its folder must exist and be writable for us)")
    }
}
