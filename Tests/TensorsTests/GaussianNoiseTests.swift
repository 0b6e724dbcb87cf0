// SPDX-License-Identifier: Apache-2.0
// Normal noise: moments, tails, and independence of the way it is cut.

import Glibc
import Randomness
import Tensors
import Testing

@Suite struct GaussianNoiseTests {
    private func noise(_ count: Int, seed: UInt64) -> [Float] {
        let buffer = FloatBuffer(count: count)
        var generator = SeededGenerator(seed: seed, stream: "noise")
        GaussianNoise().add(deviation: 1, to: buffer.floats) { bytes, _ in
            for place in stride(from: 0, to: bytes.count, by: 8) {
                bytes.storeBytes(of: generator.next(), toByteOffset: place, as: UInt64.self)
            }
        }
        return buffer.floats.array
    }

    @Test func momentsAndTailsAreNormal() {
        let values = noise(1_000_003, seed: 1).map(Double.init)
        let n = Double(values.count)
        func moment(_ power: Int) -> Double { values.reduce(0) { $0 + pow($1, Double(power)) } / n }
        // Five standard errors each.
        #expect(abs(moment(1)) < 5 / n.squareRoot())
        #expect(abs(moment(2) - 1) < 5 * (2 / n).squareRoot())
        #expect(abs(moment(3)) < 5 * (15 / n).squareRoot())
        #expect(abs(moment(4) - 3) < 5 * (96 / n).squareRoot())
        for bound in [0.5, 1, 2, 3, 4] {
            let expected = erfc(bound / 2.0.squareRoot())
            let share = Double(values.count { abs($0) > bound }) / n
            #expect(abs(share - expected) < 5 * (expected / n).squareRoot(), "beyond ±\(bound)")
        }
        #expect(values.allSatisfy { abs($0) < 6.8 })
    }

    @Test func neighboursAreIndependent() {
        let values = noise(400_000, seed: 2).map(Double.init)
        for lag in [1, 16, 17, 32] {
            let sum = zip(values, values.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(sum) < 5 * Double(values.count).squareRoot(), "lag \(lag)")
        }
    }

    @Test func noiseIsAddedAndScaled() {
        let buffer = FloatBuffer(count: 100)
        buffer.floats.fill(with: 3)
        GaussianNoise().add(deviation: 0, to: buffer.floats) { bytes, _ in
            for place in bytes.indices { bytes[place] = 7 }
        }
        #expect(buffer.floats.array.allSatisfy { $0 == 3 })
    }
}
