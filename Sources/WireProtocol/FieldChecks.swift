// SPDX-License-Identifier: Apache-2.0
// The checks that every field of a message passes before it becomes a value.

import Federation
import Foundation

extension Digest {
    var data: Data { Data(bytes) }
}

extension Data {
    func digest(_ field: String) throws(WireError) -> Digest {
        guard let digest = Digest(bytes: Array(self)) else { throw .invalidField(field) }
        return digest
    }
}

extension String {
    /// A short text without control characters.
    func checkedText(_ field: String) throws(WireError) -> String {
        guard utf8.count <= WireLimits.textBytes, utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .invalidField(field)
        }
        return self
    }

    /// One of a closed list of words.
    func word<Word: RawRepresentable>(_ field: String) throws(WireError) -> Word where Word.RawValue == String {
        guard let word = Word(rawValue: self) else { throw .invalidField(field) }
        return word
    }
}
