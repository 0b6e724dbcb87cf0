// SPDX-License-Identifier: Apache-2.0
// What every participating table must look like: columns, units, plausible ranges, codes and the split.

/// The data contract of a study: the columns a site must supply and what each may hold.
///
/// Invariants (checked by ``validated()``): column names are unique; there is exactly one label, at most one
/// patient key and at most one split column; at least one column is a feature.
package struct DataContract: Hashable, Sendable {
    /// In the order of the encoded features.
    package var columns: [ColumnContract]
    /// How rows are divided when no column of kind `split` says so.
    package var holdout: Holdout

    package init(columns: [ColumnContract], holdout: Holdout) {
        self.columns = columns
        self.holdout = holdout
    }
}

/// The share of patients held out for evaluation, chosen by a keyed hash of the patient key (of the row number when
/// the contract has no patient key), so that rows of one patient stay together at a site.
package struct Holdout: Hashable, Sendable {
    /// In `0..<1`.
    package var testFraction: Double
    package var seed: UInt64

    package init(testFraction: Double, seed: UInt64) {
        self.testFraction = testFraction
        self.seed = seed
    }
}

/// One column of the contract.
package struct ColumnContract: Hashable, Sendable {
    /// The contract's name for the column; a site maps a column of its own table to it.
    package var name: String
    package var kind: ColumnKind
    /// Texts that mean "missing" in this column, beside the empty field.
    package var missingCodes: [String]

    package init(name: String, kind: ColumnKind, missingCodes: [String]) {
        self.name = name
        self.kind = kind
        self.missingCodes = missingCodes
    }
}

/// What a column means.
package enum ColumnKind: Hashable, Sendable {
    /// A measured quantity, one feature.
    case number(NumberColumn)
    /// One of several codes, encoded as indicators.
    case category(CategoryColumn)
    /// A calendar day, one feature: days since `earliest`.
    case date(DateColumn)
    /// What the model predicts.
    case label(LabelColumn)
    /// Identifies the patient inside the site; never leaves it, not even hashed.
    case patientKey
    /// A group for fairness statistics; not a feature.
    case group(GroupColumn)
    /// Says which rows train and which test; rows with any other code are kept out of both.
    case split(SplitColumn)
}

/// What happens to a value outside its plausible range.
package enum OutOfRangeRule: String, CaseIterable, Hashable, Sendable {
    /// The table is refused.
    case refuse
    /// The value is moved to the nearest end of the range.
    case clip
    /// The value counts as missing.
    case missing
}

/// What happens to a code that the contract does not list.
package enum UnknownCodeRule: String, CaseIterable, Hashable, Sendable {
    /// The table is refused.
    case refuse
    /// The value counts as missing.
    case missing
}

package struct NumberColumn: Hashable, Sendable {
    /// The unit as printed to people, for example `mm[Hg]`; a site's mapping must name the same one.
    package var unit: String
    package var minimum: Double
    package var maximum: Double
    package var outOfRange: OutOfRangeRule

    package init(unit: String, minimum: Double, maximum: Double, outOfRange: OutOfRangeRule) {
        self.unit = unit
        self.minimum = minimum
        self.maximum = maximum
        self.outOfRange = outOfRange
    }
}

package struct CategoryColumn: Hashable, Sendable {
    /// Codes match as trimmed text, or as numbers when both sides are numbers (`1.0` is `1`).
    package var codes: [String]
    package var unknownCode: UnknownCodeRule
    /// Leaves out the first code's indicator, which the others determine.
    package var dropsFirst: Bool
    /// Standardises the indicators with the federation's frequencies instead of leaving them 0 and 1.
    package var isStandardized: Bool

    package init(codes: [String], unknownCode: UnknownCodeRule, dropsFirst: Bool, isStandardized: Bool) {
        self.codes = codes
        self.unknownCode = unknownCode
        self.dropsFirst = dropsFirst
        self.isStandardized = isStandardized
    }
}

/// A day of the proleptic Gregorian calendar.
package struct CalendarDay: Hashable, Sendable, Comparable {
    /// Days since 1970-01-01.
    package let daysSinceEpoch: Int

    package init(daysSinceEpoch: Int) { self.daysSinceEpoch = daysSinceEpoch }

    /// `nil` when the numbers are not a day between the years 1 and 9999.
    package init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[month - 1] else { return nil }
        // Days from civil: years start in March, so that the leap day is the last of its year.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        daysSinceEpoch = era * 146_097 + dayOfEra - 719_468
    }

    /// Reads `yyyy-MM-dd`.
    package init?(iso text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        // `Int` would take a sign for a digit.
        guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2, !text.contains("+"),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    /// `yyyy-MM-dd`.
    package var isoText: String {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    package static func < (left: CalendarDay, right: CalendarDay) -> Bool {
        left.daysSinceEpoch < right.daysSinceEpoch
    }
}

/// The order of the parts of a written date; parts are separated by `-`, `/` or `.`; a time after the day is ignored.
package enum DateFormat: String, CaseIterable, Hashable, Sendable {
    case yearMonthDay
    case dayMonthYear
    case monthDayYear
}

package struct DateColumn: Hashable, Sendable {
    package var format: DateFormat
    package var earliest: CalendarDay
    package var latest: CalendarDay
    package var outOfRange: OutOfRangeRule

    package init(format: DateFormat, earliest: CalendarDay, latest: CalendarDay, outOfRange: OutOfRangeRule) {
        self.format = format
        self.earliest = earliest
        self.latest = latest
        self.outOfRange = outOfRange
    }
}

/// The target. A row whose label is missing takes no part.
package enum LabelColumn: Hashable, Sendable {
    /// 1 for a code in `positive`, 0 for a code in `negative`; any other code refuses the table.
    case binary(positive: [String], negative: [String])
    /// The index of the code; any other code refuses the table.
    case classes([String])
    /// A quantity, encoded as it is.
    case number(unit: String, minimum: Double, maximum: Double)
}

package struct GroupColumn: Hashable, Sendable {
    package enum Levels: Hashable, Sendable {
        /// Listed codes; everything else and missing is the last, "unknown", level.
        case codes([String])
        /// Bands of a number: `edges` ascending, level `i` holds `edges[i-1] <= value < edges[i]`; missing is unknown.
        case bands(edges: [Double])
    }

    package var levels: Levels

    package init(levels: Levels) { self.levels = levels }

    /// The number of levels with "unknown" as the last one.
    package var levelCount: Int {
        switch levels {
        case .codes(let codes): codes.count + 1
        case .bands(let edges): edges.count + 2
        }
    }
}

package struct SplitColumn: Hashable, Sendable {
    package var train: [String]
    package var test: [String]

    package init(train: [String], test: [String]) {
        self.train = train
        self.test = test
    }
}
