// SPDX-License-Identifier: Apache-2.0
// Hours of the week in which a site computes.

/// A daily span on some days of the week, in the site's own clock. A span that ends before it begins runs past midnight.
package struct TimeWindow: Hashable, Sendable {
    package enum Day: String, CaseIterable, Hashable, Sendable {
        case monday, tuesday, wednesday, thursday, friday, saturday, sunday

        /// The day after.
        var next: Day { Self.allCases[((Self.allCases.firstIndex(of: self) ?? 0) + 1) % 7] }
    }

    /// The days on which it begins.
    package var days: [Day]
    /// Minutes since midnight, 0 to 1 439.
    package var from: Int
    /// Minutes since midnight, exclusive, 1 to 1 440.
    package var to: Int

    package init(days: [Day], from: Int, to: Int) {
        self.days = days
        self.from = from
        self.to = to
    }

    /// Whether a moment lies inside.
    ///
    /// - Parameter minute: since midnight, 0 to 1 439.
    package func contains(_ day: Day, minute: Int) -> Bool {
        if from < to { return days.contains(day) && (from..<to).contains(minute) }
        return days.contains(day) && minute >= from || days.contains { $0.next == day } && minute < to
    }
}

extension [TimeWindow] {
    /// No windows mean any time.
    package func allow(_ day: TimeWindow.Day, minute: Int) -> Bool {
        isEmpty || contains { $0.contains(day, minute: minute) }
    }
}
