// SPDX-License-Identifier: Apache-2.0
// Rows fetched from a table by token, and gradients added to them.

import Tensors
import Testing

@Suite struct TokenTableTests {
    /// Repeated, first and last rows.
    private static let tokens: [Int32] = [3, 0, 6, 3, 3, 2, 0]
    private static let rows = 7

    @Test(arguments: [1, 5, 16, 17, 33], [-1, 0, 3]) func rowsAreFetched(width: Int, padding: Int) {
        let table = seededFloats(Self.rows * width, "table")
        let y = Self.onTokens { tokens in
            onFloats([table, unwritten(tokens.count * width)]) {
                TokenTable.gather(tokens, padding: padding, table: $0[0], width: width, into: $0[1])
            }[1]
        }
        let expected = Self.tokens.flatMap { token in
            Int(token) == padding
                ? [Float](repeating: 0, count: width) : Array(table[Int(token) * width..<(Int(token) + 1) * width])
        }
        #expect(y == expected)
    }

    @Test(arguments: [1, 5, 16, 17, 33], [-1, 0, 3]) func gradientsAreAdded(width: Int, padding: Int) {
        let (start, dy) = (seededFloats(Self.rows * width, "start"), seededFloats(Self.tokens.count * width, "dy"))
        let dtable = Self.onTokens { tokens in
            onFloats([dy, start]) {
                TokenTable.scatter(
                    tokens, padding: padding, factor: 0.25, gradient: $0[0], width: width, into: $0[1])
            }[1]
        }
        var expected = doubles(start)
        for (index, token) in Self.tokens.enumerated() where Int(token) != padding {
            for j in 0..<width { expected[Int(token) * width + j] += 0.25 * Double(dy[index * width + j]) }
        }
        #expect(firstDifference(dtable, expected, tolerance: 1e-6) == nil)
    }

    @Test func theRowOfThePaddingTokenIsNeverTouched() {
        // NaN in the row and in its gradient: neither is read.
        var table = [Float](repeating: 1, count: Self.rows * 3)
        for j in 9..<12 { table[j] = .nan }
        let dy = Self.tokens.flatMap { [Float](repeating: $0 == 3 ? .nan : 1, count: 3) }
        let results = Self.onTokens { tokens in
            onFloats([table, unwritten(21), dy, [Float](repeating: 0, count: 21)]) {
                TokenTable.gather(tokens, padding: 3, table: $0[0], width: 3, into: $0[1])
                TokenTable.scatter(tokens, padding: 3, factor: 1, gradient: $0[2], width: 3, into: $0[3])
            }
        }
        #expect(results[1] == Self.tokens.flatMap { [Float](repeating: $0 == 3 ? 0 : 1, count: 3) })
        #expect(results[3] == [2, 2, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    }

    @Test func aSliceOfTokensCounts() {
        let y = Self.onTokens { tokens in
            onFloats([(0..<7).map { Float($0) }, unwritten(2)]) {
                TokenTable.gather(tokens[1..<3], padding: -1, table: $0[0], width: 1, into: $0[1])
            }[1]
        }
        #expect(y == [0, 6])
    }

    private static func onTokens<Result>(_ body: (Integers) -> Result) -> Result {
        var copy = tokens
        return copy.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("no tokens") }
            return body(Integers(start: start, count: buffer.count))
        }
    }
}
