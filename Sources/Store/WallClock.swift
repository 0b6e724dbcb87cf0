// SPDX-License-Identifier: Apache-2.0
// The time that records carry: read by services, never by the store itself.

import Glibc

/// Milliseconds since 1970, for records that people read.
package func wallMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}

/// Seconds since 1970, for the validity of certificates and tokens.
package func wallSeconds() -> Int64 { wallMilliseconds() / 1_000 }
