// SPDX-License-Identifier: Apache-2.0
// The hashes from a leaf to its root, kept as they travel.

package import Federation

/// A path of a hash tree as one run of bytes.
///
/// A release has a path for every share, and the aggregator looks at few of them: a list of digests for each would cost
/// more than all else it does with a release.
package struct HashPath: Hashable, Sendable {
    /// 32 for each hash, from the leaf up.
    package private(set) var bytes: [UInt8]

    /// - Precondition: whole digests.
    init(bytes: [UInt8]) {
        precondition(bytes.count % 32 == 0, "a path is made of digests")
        self.bytes = bytes
    }

    package init(_ digests: [Digest]) { bytes = digests.flatMap(\.bytes) }

    package var count: Int { bytes.count / 32 }

    /// From the leaf up.
    package var digests: [Digest] {
        get {
            stride(from: 0, to: bytes.count, by: 32).compactMap { Digest(bytes: Array(bytes[$0..<$0 + 32])) }
        }
        set { bytes = newValue.flatMap(\.bytes) }
    }
}
