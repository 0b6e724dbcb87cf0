// SPDX-License-Identifier: Apache-2.0
// Days of the Gregorian calendar, against known days and each other.

import Federation
import Testing

@Suite struct CalendarDayTests {
    @Test(arguments: [
        ("1970-01-01", 0), ("1970-01-02", 1), ("1969-12-31", -1), ("2000-02-29", 11_016), ("2000-03-01", 11_017),
        ("2024-02-29", 19_782), ("1900-02-28", -25_509), ("1900-03-01", -25_508), ("0001-01-01", -719_162),
        ("9999-12-31", 2_932_896), ("1582-10-15", -141_427),
    ])
    func knownDaysHaveTheirNumber(_ text: String, days: Int) throws {
        let day = try #require(CalendarDay(iso: text))
        #expect(day.daysSinceEpoch == days)
        #expect(CalendarDay(daysSinceEpoch: days).isoText == text)
    }

    @Test func everyDayOfTwelveCenturiesFollowsTheOneBefore() throws {
        var expected = try #require(CalendarDay(iso: "1200-01-01")).daysSinceEpoch
        for year in 1200..<2400 {
            for month in 1...12 {
                for day in 1...31 {
                    guard let date = CalendarDay(year: year, month: month, day: day) else { continue }
                    guard date.daysSinceEpoch == expected, CalendarDay(iso: date.isoText) == date else {
                        Issue.record("\(year)-\(month)-\(day)")
                        return
                    }
                    expected += 1
                }
            }
        }
        // Three whole cycles of 400 years.
        #expect(expected - CalendarDay(iso: "1200-01-01")!.daysSinceEpoch == 3 * 146_097)
    }

    @Test(arguments: [
        "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-04-31", "0000-01-01", "10000-01-01",
        "2024-1-01", "24-01-01", "2024-01-01 ", "2024/01/01", "", "2024-01", "2024-01-01-01", "-024-01-01",
        "+024-01-01",
    ])
    func whatIsNotADayIsRefused(_ text: String) {
        #expect(CalendarDay(iso: text) == nil)
    }

    @Test func daysAreOrdered() throws {
        let early = try #require(CalendarDay(iso: "1999-12-31"))
        let late = try #require(CalendarDay(iso: "2000-01-01"))
        #expect(early < late)
        #expect(!(late < early))
    }
}
