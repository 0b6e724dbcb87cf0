// SPDX-License-Identifier: Apache-2.0
// The threads that move bytes.

package import NIOCore
import NIOPosix

/// The event loops shared by all connections of the process.
package enum TransportThreads {
    /// One loop per core, at most two: one core encrypts some 2 GB/s, more than a hospital's line carries, and
    /// training needs the rest of the machine.
    package static let shared: any EventLoopGroup = MultiThreadedEventLoopGroup(
        numberOfThreads: min(2, System.coreCount))
}
