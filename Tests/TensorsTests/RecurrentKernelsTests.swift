// SPDX-License-Identifier: Apache-2.0
// The gates of recurrent cells against double precision and its central differences, with sequences that have ended.

import Glibc
import Tensors
import Testing

@Suite struct RecurrentKernelsTests {
    /// One sequence of five has no step here.
    private static let (examples, ended) = (5, 2)
    private static let widths = [1, 7, 16, 35]

    private static func liveSteps(areAllLive: Bool) -> LiveSteps {
        let live = LiveSteps(steps: 2, capacity: examples)
        live.mark(examples: examples) { areAllLive || $0 != ended ? 2 : 1 }
        return live
    }

    /// f of each live row's place, `keep` of each place of the ended one.
    private static func rows(_ width: Int, _ areAllLive: Bool, _ f: (Int) -> Double, keep: (Int) -> Double) -> [Double]
    {
        (0..<examples * width).map { !areAllLive && $0 / width == ended ? keep($0) : f($0) }
    }

    private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    // MARK: LSTM

    /// c and h from z `[examples, 4·width]`, c′ and h′.
    private static func lstm(_ z: [Double], _ c: [Double], _ h: [Double], _ width: Int, _ areAllLive: Bool) -> (
        c: [Double], h: [Double]
    ) {
        func gate(_ number: Int, _ place: Int) -> Double { z[(place / width * 4 + number) * width + place % width] }
        let next = rows(
            width, areAllLive, { sigmoid(gate(1, $0)) * c[$0] + sigmoid(gate(0, $0)) * tanh(gate(2, $0)) },
            keep: { c[$0] })
        return (next, rows(width, areAllLive, { sigmoid(gate(3, $0)) * tanh(next[$0]) }, keep: { h[$0] }))
    }

    @Test(arguments: widths, [true, false]) func lstmGatesMatchTheirFormulaAndItsDerivative(
        width: Int, areAllLive: Bool
    ) {
        let (live, count) = (Self.liveSteps(areAllLive: areAllLive), Self.examples * width)
        let (z, c, h) = (seededFloats(4 * count, "z", scale: 2), seededFloats(count, "c"), seededFloats(count, "h"))
        let (dh, dc) = (seededFloats(count, "dh"), seededFloats(count, "dc"))
        let results = onFloats([z, c, h, unwritten(count), unwritten(count), unwritten(count), dh, dc]) { v in
            LSTMGates.forward(
                v[0], cellBefore: v[1], hiddenBefore: v[2], live, at: 1, cell: v[3], cellTanh: v[4], hidden: v[5])
        }
        let exact = Self.lstm(doubles(z), doubles(c), doubles(h), width, areAllLive)
        #expect(firstDifference(results[3], exact.c) == nil)
        #expect(firstDifference(results[5], exact.h) == nil)
        let gradients = onFloats([results[0], c, results[4], dh, dc]) { v in
            LSTMGates.backward(v[0], cellBefore: v[1], cellTanh: v[2], live, at: 1, dh: v[3], dc: v[4])
        }
        func loss(_ z: [Double], _ c: [Double], _ h: [Double]) -> Double {
            let next = Self.lstm(z, c, h, width, areAllLive)
            return dot(next.c, dc) + dot(next.h, dh)
        }
        #expect(
            firstDifference(gradients[0], centralDifferences(at: doubles(z)) { loss($0, doubles(c), doubles(h)) })
                == nil)
        #expect(
            firstDifference(gradients[4], centralDifferences(at: doubles(c)) { loss(doubles(z), $0, doubles(h)) })
                == nil)
        #expect(
            firstDifference(gradients[3], centralDifferences(at: doubles(h)) { loss(doubles(z), doubles(c), $0) })
                == nil)
    }

    // MARK: GRU

    /// h from a and b `[examples, 3·width]` and h′.
    private static func gru(_ a: [Double], _ b: [Double], _ h: [Double], _ width: Int, _ areAllLive: Bool) -> [Double] {
        func at(_ values: [Double], _ number: Int, _ place: Int) -> Double {
            values[(place / width * 3 + number) * width + place % width]
        }
        return rows(
            width, areAllLive,
            { place in
                let reset = sigmoid(at(a, 0, place) + at(b, 0, place))
                let update = sigmoid(at(a, 1, place) + at(b, 1, place))
                let fresh = tanh(at(a, 2, place) + reset * at(b, 2, place))
                return (1 - update) * fresh + update * h[place]
            }, keep: { h[$0] })
    }

    @Test(arguments: widths, [true, false]) func gruGatesMatchTheirFormulaAndItsDerivative(
        width: Int, areAllLive: Bool
    ) {
        let (live, count) = (Self.liveSteps(areAllLive: areAllLive), Self.examples * width)
        let (a, b) = (seededFloats(3 * count, "a", scale: 2), seededFloats(3 * count, "b", scale: 2))
        let (h, dh) = (seededFloats(count, "h"), seededFloats(count, "dh"))
        let results = onFloats([a, b, h, unwritten(count)]) { v in
            GRUGates.forward(v[0], products: v[1], hiddenBefore: v[2], live, at: 1, hidden: v[3])
        }
        let exact = Self.gru(doubles(a), doubles(b), doubles(h), width, areAllLive)
        #expect(firstDifference(results[3], exact) == nil)
        let gradients = onFloats([results[0], results[1], h, dh]) { v in
            GRUGates.backward(v[0], products: v[1], hiddenBefore: v[2], live, at: 1, dh: v[3])
        }
        func loss(_ a: [Double], _ b: [Double], _ h: [Double]) -> Double {
            dot(Self.gru(a, b, h, width, areAllLive), dh)
        }
        #expect(
            firstDifference(gradients[0], centralDifferences(at: doubles(a)) { loss($0, doubles(b), doubles(h)) })
                == nil)
        #expect(
            firstDifference(gradients[1], centralDifferences(at: doubles(b)) { loss(doubles(a), $0, doubles(h)) })
                == nil)
        // Without the part through b: b is held here too.
        #expect(
            firstDifference(gradients[3], centralDifferences(at: doubles(h)) { loss(doubles(a), doubles(b), $0) })
                == nil)
    }

    // MARK: Plain

    @Test(arguments: widths, [true, false]) func plainGateMatchesItsFormulaAndItsDerivative(
        width: Int, areAllLive: Bool
    ) {
        let (live, count) = (Self.liveSteps(areAllLive: areAllLive), Self.examples * width)
        let (z, h, dh) = (seededFloats(count, "z", scale: 2), seededFloats(count, "h"), seededFloats(count, "dh"))
        let results = onFloats([z, h, unwritten(count)]) { v in
            PlainGate.forward(v[0], .tanh, hiddenBefore: v[1], live, at: 1, hidden: v[2])
        }
        let exact = Self.rows(width, areAllLive, { tanh(Double(z[$0])) }, keep: { Double(h[$0]) })
        #expect(firstDifference(results[2], exact) == nil)
        let gradients = onFloats([results[2], dh, unwritten(count)]) { v in
            PlainGate.backward(v[0], .tanh, live, at: 1, dh: v[1], dz: v[2])
        }
        let slopes = Self.rows(
            width, areAllLive, { Double(dh[$0]) * (1 - exact[$0] * exact[$0]) }, keep: { _ in 0 })
        #expect(firstDifference(gradients[2], slopes) == nil)
        #expect(gradients[1].map { Double($0) } == Self.rows(width, areAllLive, { _ in 0 }, keep: { Double(dh[$0]) }))
    }
}
