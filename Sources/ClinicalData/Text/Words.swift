// SPDX-License-Identifier: Apache-2.0
// What counts as a word of a text.

import Foundation

/// Cuts texts into words.
///
/// The text is put into lower case and into Unicode's composed form (NFC). A word is then a longest run of letters and
/// decimal digits, with the marks that follow them; everything else ends a word: `Crohn's` is `crohn` and `s`, `5.3` is
/// `5` and `3`. An ideograph is a word by itself, because such texts have no blanks between words; other scripts
/// without blanks, such as Thai, are not cut. No rule depends on the language or the machine's locale.
/// Source: Unicode 15.1, chapter 4.5 (general categories L, M and Nd) and UAX #44 (Ideographic).
enum Words {
    private enum Kind {
        case letter, mark, ideograph, other
    }

    static func of(_ text: String) -> [String] {
        let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
        let lower = text.lowercased()
        let scalars = (isASCII ? lower : lower.precomposedStringWithCanonicalMapping).unicodeScalars
        var words: [String] = []
        var start: String.Index?
        func end(at place: String.Index) {
            if let first = start { words.append(String(scalars[first..<place])) }
            start = nil
        }
        for place in scalars.indices {
            switch kind(scalars[place]) {
            case .letter: start = start ?? place
            case .mark: break
            case .ideograph:
                end(at: place)
                start = place
                end(at: scalars.index(after: place))
            case .other: end(at: place)
            }
        }
        end(at: scalars.endIndex)
        return words
    }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        if scalar.isASCII {
            let isWord = ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
            return isWord ? .letter : .other
        }
        let properties = scalar.properties
        if properties.isIdeographic { return .ideograph }
        return switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
            .letter
        case .nonspacingMark, .spacingMark, .enclosingMark: .mark
        default: .other
        }
    }
}
