// SPDX-License-Identifier: Apache-2.0
// Bytes as text: base64url without padding and base32, both of RFC 4648, the only spellings that are accepted.

import Foundation

enum Base64URL {
    /// RFC 4648 §5 without padding.
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Reads exactly what ``encode(_:)`` writes; `nil` for anything else, other spellings of the same bytes included.
    static func decode(_ text: String) -> [UInt8]? {
        let standard = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: standard + padding) else { return nil }
        let bytes = Array(data)
        return encode(bytes) == text ? bytes : nil
    }
}

enum Base32 {
    private static let digits = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// The first `count` characters of RFC 4648 §6, in lower case; at most 12.
    static func prefix(_ count: Int, of bytes: some Sequence<UInt8>) -> String {
        let number = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return String(
            decoding: (0..<min(count, 12)).map { digits[Int(number >> (59 - 5 * UInt64($0)) & 31)] }, as: UTF8.self)
    }
}
