// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.

import Foundation

/// Texts for figures on screens; machines get the full numbers.
enum Figures {
    static func fixed(_ value: Double?, _ digits: Int = 3) -> String {
        value.map { String(format: "%.\(digits)f", $0) } ?? "–"
    }

    /// `12,345`.
    static func count(_ value: Int) -> String {
        var digits = String(abs(value))
        var text = ""
        while digits.count > 3 {
            text = "," + digits.suffix(3) + text
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + digits + text
    }

    /// `512 B`, `1.5 kB`, `12 MB`: powers of ten.
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1_000 || unit == "GB" {
                return unit == "B" || value >= 99.95
                    ? "\(Int(value.rounded())) \(unit)" : String(format: "%.1f %@", value, unit)
            }
            value /= 1_000
        }
        return "\(count) B"
    }

    static func seconds(_ value: Double?) -> String {
        guard let value else { return "–" }
        return value < 1 ? String(format: "%.0f ms", value * 1_000) : String(format: "%.2f s", value)
    }

    static func plural(_ count: Int, _ word: String) -> String {
        "\(Self.count(count)) \(word)\(count == 1 ? "" : "s")"
    }
}
