// SPDX-License-Identifier: Apache-2.0
// The time that records carry: read by services, never by the store itself.

import Glibc

/// Milliseconds since 1970, for records that people read. Never used to decide anything.
package func wallMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}
