// SPDX-License-Identifier: Apache-2.0
// The name of a participating hospital inside a federation.

/// A site's identifier: 1 to 63 characters of `a-z`, `0-9` and `-`, not starting or ending with `-`.
///
/// It is the last part of the certificate's URI name, so it is safe in file names, logs and messages.
package struct SiteID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let rawValue: String

    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        let isAllowed = bytes.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-")
        }
        guard (1...63).contains(bytes.count), isAllowed, bytes.first != UInt8(ascii: "-"),
            bytes.last != UInt8(ascii: "-")
        else { return nil }
        rawValue = text
    }

    package var description: String { rawValue }

    package static func < (left: SiteID, right: SiteID) -> Bool {
        left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
    }
}
