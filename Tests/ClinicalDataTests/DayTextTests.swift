// SPDX-License-Identifier: Apache-2.0
// Days in the three formats of the contract.

import ClinicalData
import Federation
import Testing

@Suite struct DayTextTests {
    @Test func everyFormatReadsTheSameDay() {
        let day = CalendarDay(year: 2024, month: 2, day: 29)
        for text in ["2024-02-29", "2024/2/29", "2024.02.29", " 2024-02-29 23:59:59 ", "2024-02-29T08:00:00Z"] {
            #expect(DayText.day(of: text, format: .yearMonthDay) == day, "\(text)")
        }
        #expect(DayText.day(of: "29.2.2024", format: .dayMonthYear) == day)
        #expect(DayText.day(of: "02/29/2024", format: .monthDayYear) == day)
    }

    @Test func wrongDaysAndOtherFormatsAreRefused() {
        for text in [
            "2023-02-29", "2024-13-01", "2024-00-10", "24-01-01", "2024-01", "2024-01-01-01", "20240101", "", "x",
        ] {
            #expect(DayText.day(of: text, format: .yearMonthDay) == nil, "\(text)")
        }
        #expect(DayText.day(of: "29.02.2024", format: .monthDayYear) == nil)
        #expect(DayText.day(of: "2024-02-29", format: .dayMonthYear) == nil)
        #expect(DayText.day(of: "2024-02 29", format: .yearMonthDay) == nil)
    }
}
