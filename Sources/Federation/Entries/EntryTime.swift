// SPDX-License-Identifier: Apache-2.0
// A moment as entries write it: RFC 3339 in UTC, to the second.

/// Seconds since 1970 with their text `2026-01-31T08:05:00Z`.
package struct EntryTime: Hashable, Comparable, Sendable {
    package let seconds: Int64

    /// - Parameter seconds: since 1970; outside the years 1970 to 9999 the nearest moment inside.
    package init(seconds: Int64) { self.seconds = min(max(seconds, 0), 253_402_300_799) }

    /// Reads exactly the form that ``text`` has.
    package init?(text: String) {
        let halves = text.dropLast().split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2, let day = CalendarDay(iso: String(halves[0])) else { return nil }
        let clock = halves[1].split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3 else { return nil }
        self.init(seconds: Int64(day.daysSinceEpoch) * 86_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2])
        guard self.text == text else { return nil }
    }

    package var text: String {
        func padded(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let day = CalendarDay(daysSinceEpoch: Int(seconds / 86_400))
        let rest = seconds % 86_400
        return "\(day.isoText)T\(padded(rest / 3_600)):\(padded(rest / 60 % 60)):\(padded(rest % 60))Z"
    }

    package static func < (left: EntryTime, right: EntryTime) -> Bool { left.seconds < right.seconds }
}
