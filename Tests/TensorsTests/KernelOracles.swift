// SPDX-License-Identifier: Apache-2.0
// What the suites of the kernels share: guarded memory, seeded values, comparison, central differences.

import Randomness
import Tensors
import Testing

/// Every set of kernels; without oneDNN both are the portable one.
let kernelSets: [KernelSet] = [.portable, .fastest]

/// Puts arrays into memory on 64-byte boundaries, runs `body` on it and returns what is there afterwards.
///
/// Sixteen floats before and behind each array are watched: a kernel that writes outside its operand fails the test.
func onFloats(_ arrays: [[Float]], body: ([Floats]) throws -> Void) rethrows -> [[Float]] {
    let guardCount = 16
    let guardValue: Float = -123.456
    let blocks = arrays.map { array in
        let bytes = (array.count + 2 * guardCount) * MemoryLayout<Float>.stride
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64).bindMemory(to: Float.self)
        block.initialize(repeating: guardValue)
        for (index, value) in array.enumerated() { block[guardCount + index] = value }
        return block
    }
    defer { for block in blocks { block.deallocate() } }
    try body(
        zip(blocks, arrays).map { block, array in
            Floats(UnsafeMutableBufferPointer(rebasing: block[guardCount..<guardCount + array.count]))
        })
    return zip(blocks, arrays).enumerated().map { number, pair in
        let (block, array) = pair
        let isWhole = (block.prefix(guardCount) + block.suffix(guardCount)).allSatisfy { $0 == guardValue }
        #expect(isWhole, "operand \(number) was written to outside its \(array.count) floats")
        return Array(block[guardCount..<guardCount + array.count])
    }
}

/// `count` floats that show whether they were written.
func unwritten(_ count: Int) -> [Float] { [Float](repeating: .nan, count: count) }

/// `count` seeded values in `-1 ..< 1`, times `scale`.
func seededFloats(_ count: Int, _ stream: String, scale: Float = 1) -> [Float] {
    var generator = SeededGenerator(seed: 7, stream: stream)
    return (0..<count).map { _ in scale * (2 * generator.uniformFloat() - 1) }
}

func doubles(_ values: [Float]) -> [Double] { values.map { Double($0) } }

func transposed(_ matrix: [Float], rows: Int, columns: Int) -> [Float] {
    (0..<columns).flatMap { column in (0..<rows).map { matrix[$0 * columns + column] } }
}

/// Where `values` first leaves `expected`: by more than `tolerance` times the expected value or, for the smaller ones,
/// times the root mean square of all or `floor`; nil where it never does. A NaN equals only an expected NaN.
func firstDifference(
    _ values: [Float], _ expected: [Double], tolerance: Double = 2e-5, floor: Double = 0
) -> String? {
    guard values.count == expected.count else { return "\(values.count) values, not \(expected.count)" }
    let numbers = expected.filter { $0.isFinite }
    let size = (numbers.reduce(0) { $0 + $1 * $1 } / Double(max(numbers.count, 1))).squareRoot()
    for (index, (value, exact)) in zip(values, expected).enumerated() {
        if exact.isNaN && value.isNaN || Double(value) == exact { continue }
        if abs(Double(value) - exact) <= tolerance * max(abs(exact), size, floor) { continue }
        return "\(value) at \(index), not \(exact)"
    }
    return nil
}

/// ∂f/∂x by central differences in double precision.
func centralDifferences(at x: [Double], step: Double = 1e-5, of f: ([Double]) -> Double) -> [Double] {
    x.indices.map { index in
        var (above, below) = (x, x)
        above[index] += step
        below[index] -= step
        return (f(above) - f(below)) / (2 * step)
    }
}

/// Σ a·b: the loss whose gradient for a is b.
func dot(_ a: [Double], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * Double($1.1) } }
