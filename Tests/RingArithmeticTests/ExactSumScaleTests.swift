// SPDX-License-Identifier: Apache-2.0
// Checks rounding, clamping and head-room of exact sums.

import RingArithmetic
import Testing

@Suite struct ExactSumScaleTests {
    @Test func countsAreTheirOwnIntegers() throws {
        let scale = try ExactSumScale(unitsPerOne: 1, sites: 10)
        for count in [0.0, 1, -1, 123_456_789_012] {
            #expect(try scale.units(of: count) == Int64(count))
            #expect(scale.value(of: Int64(count)) == count)
        }
    }

    @Test func roundingIsToTheNearestUnitTiesToEven() throws {
        let scale = try ExactSumScale(unitsPerOne: 4, sites: 2)
        let cases: [(Double, Int64)] = [(0.124, 0), (0.125, 0), (0.126, 1), (0.375, 2), (-0.125, 0), (-0.376, -2)]
        for (value, units) in cases { #expect(try scale.units(of: value) == units, "\(value)") }
    }

    @Test(arguments: [1, 2, 3, 64, 5000, Int.max])
    func clampedSumsOfAllSitesNeverWrap(sites: Int) throws {
        let scale = try ExactSumScale(sites: sites)
        for value in [1e300, -1e300, 1e13, -1e13] {
            let units = try scale.units(of: value)
            #expect(!units.multipliedReportingOverflow(by: Int64(sites)).overflow)
        }
        #expect(try scale.units(of: 1e300) == scale.largestMagnitude)
        #expect(try scale.units(of: -1e300) == -scale.largestMagnitude)
        #expect(!scale.represents(1e300))
        #expect(scale.represents(0))
    }

    @Test func errorIsAtMostHalfAUnit() throws {
        let scale = try ExactSumScale(sites: 8)
        for step in -500...500 {
            let value = Double(step) * 0.123_456_7
            #expect(try abs(scale.value(of: scale.units(of: value)) - value) <= 0x1p-21)
            #expect(scale.represents(value))
        }
    }

    @Test func nonNumbersAreRefused() throws {
        let scale = try ExactSumScale(sites: 4)
        for value in [Double.nan, .infinity, -.infinity] {
            #expect(throws: RingError.notFinite) { try scale.units(of: value) }
        }
        for unitsPerOne in [0, -1, Double.nan, .infinity] {
            #expect(throws: RingError.invalidScale) { try ExactSumScale(unitsPerOne: unitsPerOne, sites: 4) }
        }
    }
}
