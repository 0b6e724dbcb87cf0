// SPDX-License-Identifier: Apache-2.0
// Layer and group normalisation against two passes in double precision and their central differences.

import Tensors
import Testing

@Suite struct NormalizationTests {
    private static let epsilon: Float = 1e-5
    /// Rows and width.
    private static let layerShapes = [(1, 2), (3, 5), (4, 16), (5, 17), (2, 33), (7, 40)]
    /// Channels, positions, groups; the first multiples of sixteen are tried blocked, too.
    private static let groupCases: [(channels: Int, positions: Int, groups: Int, layout: Layout)] =
        [(1, 5, 1), (6, 1, 2), (6, 7, 3), (5, 17, 5), (4, 33, 1), (16, 5, 4), (32, 3, 2), (32, 17, 32), (48, 3, 6)]
        .flatMap { channels, positions, groups in
            (channels % 16 == 0 ? [Layout.plain, .blocked] : [.plain]).map { (channels, positions, groups, $0) }
        }

    // MARK: Layer

    @Test(arguments: layerShapes) func layerForwardIsTheFormula(rows: Int, width: Int) {
        let x = seededFloats(rows * width, "x", scale: 3)
        let (weight, bias) = (seededFloats(width, "w"), seededFloats(width, "b"))
        let results = Self.layerForward(x, weight, bias)
        let exact = Self.layer(doubles(x), doubles(weight), doubles(bias))
        #expect(firstDifference(results.y, exact.y) == nil)
        #expect(firstDifference(results.statistics, exact.statistics) == nil)
    }

    // Without the first shape: the derivative of two values that lie close together is a difference of equal numbers.
    @Test(arguments: layerShapes.dropFirst()) func layerBackwardIsTheDerivative(rows: Int, width: Int) {
        let (x, dy) = (seededFloats(rows * width, "x", scale: 3), seededFloats(rows * width, "dy"))
        let (weight, bias) = (seededFloats(width, "w"), seededFloats(width, "b"))
        let statistics = Self.layerForward(x, weight, bias).statistics
        let results = onFloats([x, weight, statistics, dy, unwritten(x.count), weight, bias]) {
            Normalization.layerBackward(
                $0[0], weight: $0[1], statistics: $0[2], gradient: $0[3], into: $0[4], weightGradient: $0[5],
                biasGradient: $0[6])
        }
        let (input, w, b) = (doubles(x), doubles(weight), doubles(bias))
        let slopes = (
            x: centralDifferences(at: input) { dot(Self.layer($0, w, b).y, dy) },
            weight: centralDifferences(at: w) { dot(Self.layer(input, $0, b).y, dy) },
            bias: centralDifferences(at: b) { dot(Self.layer(input, w, $0).y, dy) }
        )
        #expect(firstDifference(results[4], slopes.x) == nil)
        // Both gradients are added to what was there.
        #expect(firstDifference(results[5], zip(slopes.weight, w).map { $0 + $1 }) == nil)
        #expect(firstDifference(results[6], zip(slopes.bias, b).map { $0 + $1 }) == nil)

        let frozen = onFloats([x, weight, statistics, dy]) {
            Normalization.layerBackward(
                $0[0], weight: $0[1], statistics: $0[2], gradient: $0[3], into: $0[3], weightGradient: nil,
                biasGradient: nil)
        }
        #expect(frozen[3] == results[4])
    }

    @Test func aMeanFarFromZeroKeepsTheVariance() {
        // One pass over the squares would lose 1000²·2⁻²⁴ = 0.06 of a variance of 0.33.
        let x = seededFloats(2 * 50, "x").map { 1000 + $0 }
        let (one, zero) = ([Float](repeating: 1, count: 50), [Float](repeating: 0, count: 50))
        let exact = Self.layer(doubles(x), doubles(one), doubles(zero)).y
        #expect(firstDifference(Self.layerForward(x, one, zero).y, exact, tolerance: 3e-4) == nil)
    }

    @Test func equalValuesGiveTheBias() {
        let (weight, bias) = (seededFloats(17, "w"), seededFloats(17, "b"))
        #expect(Self.layerForward([Float](repeating: 2.5, count: 17), weight, bias).y == bias)
    }

    @Test func nanFillsItsRowOnly() {
        for place in [0, 16, 18] {
            var x = seededFloats(3 * 19, "x")
            x[19 + place] = .nan
            let y = Self.layerForward(x, seededFloats(19, "w"), seededFloats(19, "b")).y
            for (index, value) in y.enumerated() { #expect(value.isNaN == (index / 19 == 1), "\(index)") }
        }
    }

    // MARK: Group

    @Test(arguments: groupCases)
    func groupForwardIsTheFormula(channels: Int, positions: Int, groups: Int, layout: Layout) {
        let x = seededFloats(channels * positions, "x", scale: 3)
        let (weight, bias) = (seededFloats(channels, "w"), seededFloats(channels, "b"))
        let results = Self.groupForward(x, groups, layout, weight, bias)
        let exact = Self.group(doubles(x), groups, doubles(weight), doubles(bias))
        #expect(firstDifference(results.y, exact.y) == nil)
        #expect(firstDifference(results.statistics, exact.statistics) == nil)
    }

    @Test(arguments: groupCases)
    func groupBackwardIsTheDerivative(channels: Int, positions: Int, groups: Int, layout: Layout) {
        let (x, dy) = (seededFloats(channels * positions, "x", scale: 3), seededFloats(channels * positions, "dy"))
        let (weight, bias) = (seededFloats(channels, "w"), seededFloats(channels, "b"))
        let statistics = Self.groupForward(x, groups, layout, weight, bias).statistics
        let results = onFloats([
            Self.stored(x, channels, layout), weight, statistics, Self.stored(dy, channels, layout),
            unwritten(x.count), weight, bias,
        ]) {
            Normalization.groupBackward(
                $0[0], groups: groups, layout: layout, weight: $0[1], statistics: $0[2], gradient: $0[3], into: $0[4],
                weightGradient: $0[5], biasGradient: $0[6])
        }
        let (input, w, b) = (doubles(x), doubles(weight), doubles(bias))
        let slopes = (
            x: centralDifferences(at: input) { dot(Self.group($0, groups, w, b).y, dy) },
            weight: centralDifferences(at: w) { dot(Self.group(input, groups, $0, b).y, dy) },
            bias: centralDifferences(at: b) { dot(Self.group(input, groups, w, $0).y, dy) }
        )
        #expect(firstDifference(Self.plain(results[4], channels, layout), slopes.x) == nil)
        #expect(firstDifference(results[5], zip(slopes.weight, w).map { $0 + $1 }) == nil)
        #expect(firstDifference(results[6], zip(slopes.bias, b).map { $0 + $1 }) == nil)
    }

    @Test(arguments: [Layout.plain, .blocked]) func nanFillsItsGroupOnly(layout: Layout) {
        var x = seededFloats(32 * 5, "x")
        x[13 * 5 + 2] = .nan  // channel 13, in the second of four groups
        let y = Self.groupForward(x, 4, layout, seededFloats(32, "w"), seededFloats(32, "b")).y
        for (index, value) in y.enumerated() { #expect(value.isNaN == (index / 5 / 8 == 1), "\(index)") }
    }

    // MARK: Runs and formulas

    private static func layerForward(
        _ x: [Float], _ weight: [Float], _ bias: [Float]
    ) -> (y: [Float], statistics: [Float]) {
        let rows = x.count / weight.count
        let results = onFloats([x, weight, bias, unwritten(x.count), unwritten(2 * rows)]) {
            Normalization.layerForward(
                $0[0], weight: $0[1], bias: $0[2], epsilon: epsilon, into: $0[3], statistics: $0[4])
        }
        return (results[3], results[4])
    }

    private static func groupForward(
        _ x: [Float], _ groups: Int, _ layout: Layout, _ weight: [Float], _ bias: [Float]
    ) -> (y: [Float], statistics: [Float]) {
        let channels = weight.count
        let results = onFloats([stored(x, channels, layout), weight, bias, unwritten(x.count), unwritten(2 * groups)]) {
            Normalization.groupForward(
                $0[0], groups: groups, layout: layout, weight: $0[1], bias: $0[2], epsilon: epsilon, into: $0[3],
                statistics: $0[4])
        }
        return (plain(results[3], channels, layout), results[4])
    }

    private static func stored(_ x: [Float], _ channels: Int, _ layout: Layout) -> [Float] {
        layout == .plain ? x : blocked(x, examples: 1, channels: channels)
    }

    private static func plain(_ x: [Float], _ channels: Int, _ layout: Layout) -> [Float] {
        layout == .plain ? x : unblocked(x, examples: 1, channels: channels)
    }

    /// Layer normalisation is one of rows with a weight for each place.
    private static func layer(
        _ x: [Double], _ weight: [Double], _ bias: [Double]
    ) -> (y: [Double], statistics: [Double]) {
        normalized(x, width: weight.count) { (weight[$0 % weight.count], bias[$0 % weight.count]) }
    }

    /// Group normalisation is one of groups with a weight for each channel.
    private static func group(
        _ x: [Double], _ groups: Int, _ weight: [Double], _ bias: [Double]
    ) -> (y: [Double], statistics: [Double]) {
        let positions = x.count / weight.count
        return normalized(x, width: x.count / groups) { (weight[$0 / positions], bias[$0 / positions]) }
    }

    private static func normalized(
        _ x: [Double], width: Int, factors: (Int) -> (weight: Double, bias: Double)
    ) -> (y: [Double], statistics: [Double]) {
        var (y, statistics) = (x, [Double]())
        for start in stride(from: 0, to: x.count, by: width) {
            let row = x[start..<start + width]
            let mean = row.reduce(0, +) / Double(width)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            let inverse = 1 / (variance + Double(epsilon)).squareRoot()
            statistics += [mean, inverse]
            for index in row.indices {
                let (weight, bias) = factors(index)
                y[index] = (x[index] - mean) * inverse * weight + bias
            }
        }
        return (y, statistics)
    }
}
