// SPDX-License-Identifier: Apache-2.0
// Calendar days as tables write them.

package import Federation

/// Reads a day in one of the contract's formats.
package enum DayText {
    /// The day; `nil` for anything that is not one.
    ///
    /// Rules: a year of four digits, month and day of one or two, parted by `-`, `/` or `.`; from the first blank or
    /// `T` after the last part on, the rest is a time and is not looked at.
    package static func day(of text: String, format: DateFormat) -> CalendarDay? {
        Array(text.utf8).withUnsafeBufferPointer { day(of: $0, format: format) }
    }

    static func day(of text: UnsafeBufferPointer<UInt8>, format: DateFormat) -> CalendarDay? {
        var parts = (0, 0, 0)
        var widths = (0, 0, 0)
        var part = 0
        scan: for byte in text.trimmingBlanks {
            switch byte {
            case 0x30...0x39:
                let digit = Int(byte) - 0x30
                switch part {
                case 0: (parts.0, widths.0) = (parts.0 * 10 + digit, widths.0 + 1)
                case 1: (parts.1, widths.1) = (parts.1 * 10 + digit, widths.1 + 1)
                default: (parts.2, widths.2) = (parts.2 * 10 + digit, widths.2 + 1)
                }
                guard widths.0 <= 4, widths.1 <= 4, widths.2 <= 4 else { return nil }
            case UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "."):
                part += 1
                guard part < 3 else { return nil }
            case UInt8(ascii: " "), UInt8(ascii: "T"):
                guard part == 2 else { return nil }
                break scan
            default: return nil
            }
        }
        func day(_ year: (Int, Int), _ month: (Int, Int), _ day: (Int, Int)) -> CalendarDay? {
            guard year.1 == 4, (1...2).contains(month.1), (1...2).contains(day.1) else { return nil }
            return CalendarDay(year: year.0, month: month.0, day: day.0)
        }
        let first = (parts.0, widths.0)
        let second = (parts.1, widths.1)
        let third = (parts.2, widths.2)
        return switch format {
        case .yearMonthDay: day(first, second, third)
        case .dayMonthYear: day(third, second, first)
        case .monthDayYear: day(third, first, second)
        }
    }
}
