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
    /// A short text that cannot do anything to a screen: no control characters (also not the second set, U+0080 to
    /// U+009F), no invisible formatting such as a change of direction, no line or paragraph separators.
    func checkedText(_ field: String) throws(WireError) -> String {
        let isHarmless = unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
            default: true
            }
        }
        guard utf8.count <= WireLimits.textBytes, isHarmless else { throw .invalidField(field) }
        return self
    }

    /// One of a closed list of words.
    func word<Word: RawRepresentable>(_ field: String) throws(WireError) -> Word where Word.RawValue == String {
        guard let word = Word(rawValue: self) else { throw .invalidField(field) }
        return word
    }
}
