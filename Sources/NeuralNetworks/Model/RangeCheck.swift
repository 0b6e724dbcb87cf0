// SPDX-License-Identifier: Apache-2.0
// Checks the fields of a layer against their ranges, whoever wrote them.

import Tensors

/// Finds the first field that is out of range.
struct RangeCheck: FieldVisitor {
    private(set) var problem: (field: String, range: String)?

    private mutating func check(_ name: String, _ fits: Bool, _ range: @autoclosure () -> String) {
        if problem == nil, !fits { problem = (name, range()) }
    }

    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ presence: FieldPresence) {
        check(name, range.contains(value), "from \(range.lowerBound) to \(range.upperBound)")
    }

    mutating func optionalInteger(_ name: String, _ value: inout Int?, _ range: ClosedRange<Int>) {
        check(name, value.map(range.contains) ?? true, "from \(range.lowerBound) to \(range.upperBound)")
    }

    mutating func decimal(
        _ name: String, _ value: inout Double, _ range: ClosedRange<Double>, _ presence: FieldPresence
    ) {
        check(name, range.contains(value), "from \(range.lowerBound) to \(range.upperBound)")
    }

    mutating func flag(_ name: String, _ value: inout Bool) {}

    mutating func sizes(_ name: String, _ value: inout [Int], _ range: ClosedRange<Int>, _ form: SizesForm) {
        check(
            name, form.dimensions.map { $0 == value.count } ?? !value.isEmpty,
            "one size for each of \(form.dimensions ?? 1) dimensions")
        if case .list(let most) = form { check(name, value.count <= most, "at most \(most) sizes") }
        check(name, value.allSatisfy(range.contains), "from \(range.lowerBound) to \(range.upperBound)")
    }

    mutating func activation(_ name: String, _ value: inout ActivationFunction, _ presence: FieldPresence) {
        let range = ActivationFunction.numberRange
        if let number = value.number {
            check(
                name, range.contains(Double(number.value)),
                "\(number.name) from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    mutating func padding(_ name: String, _ value: inout Padding, dimensions: Int) {
        guard case .explicit(let amounts) = value else { return }
        check(name, amounts.count == dimensions, "one amount for each of \(dimensions) dimensions")
        check(
            name, amounts.allSatisfy(Padding.range.contains),
            "from \(Padding.range.lowerBound) to \(Padding.range.upperBound)")
    }

    mutating func word<Word: CaseIterable & RawRepresentable>(_ name: String, _ value: inout Word)
    where Word.RawValue == String {}

    mutating func group<Group: FieldGroup>(_ name: String, _ value: inout Group?) {
        var own = RangeCheck()
        value?.visit(&own)
        if let (field, range) = own.problem { check("\(name).\(field)", false, range) }
    }
}
