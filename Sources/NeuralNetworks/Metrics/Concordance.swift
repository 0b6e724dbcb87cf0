// SPDX-License-Identifier: Apache-2.0
// Whether higher risks come to earlier events: Harrell's concordance index.

/// Pairs of examples of which one is known to have had its event before the other.
///
/// Example i, whose event was at time tᵢ, makes a pair with every j that was followed beyond tᵢ, or to tᵢ and then
/// censored. Two events at one time make no pair.
/// Source: Harrell, Lee & Mark 1996, Statistics in Medicine 15, section 5.5.
enum Concordance {
    /// The share of pairs in which the earlier event has the higher risk, equal risks half; nil without pairs.
    ///
    /// - Precondition: no value is NaN, and the arrays are of one length.
    /// - Complexity: O(n log n).
    static func index(risks: [Float], times: [Float], isEvent: [Bool]) -> Double? {
        precondition(risks.count == times.count && risks.count == isEvent.count, "risks, times and events differ")
        let ranks = denseRanks(risks)
        // Of the examples followed at least as long as the one looked at, how many have each rank.
        var followed = RankCounts(ranks: risks.count)
        var (pairs, ordered, tied) = (0, 0, 0)
        let rows = times.indices.sorted { times[$0] > times[$1] }
        var start = 0
        while start < rows.count {
            let group = rows[start...].prefix { times[$0] == times[rows[start]] }
            for row in group where !isEvent[row] { followed.add(ranks[row]) }
            for row in group where isEvent[row] {
                pairs += followed.total
                ordered += followed.count(below: ranks[row])
                tied += followed.count(below: ranks[row] + 1) - followed.count(below: ranks[row])
            }
            for row in group where isEvent[row] { followed.add(ranks[row]) }
            start = group.endIndex
        }
        return pairs > 0 ? (Double(ordered) + Double(tied) / 2) / Double(pairs) : nil
    }

    /// The place of each value among the different ones, from 0 for the lowest.
    private static func denseRanks(_ values: [Float]) -> [Int] {
        var ranks = [Int](repeating: 0, count: values.count)
        var (rank, last) = (-1, Float.nan)
        for row in values.indices.sorted(by: { values[$0] < values[$1] }) {
            if values[row] != last { rank += 1 }
            last = values[row]
            ranks[row] = rank
        }
        return ranks
    }
}

/// How many examples of each rank were added; sums over the lower ranks take O(log n).
///
/// Source: Fenwick 1994, "A new data structure for cumulative frequency tables".
private struct RankCounts {
    /// Node i, from 1, holds the counts of the `i & −i` ranks up to i − 1.
    private var nodes: [Int]
    private(set) var total = 0

    init(ranks: Int) { nodes = Array(repeating: 0, count: ranks + 1) }

    mutating func add(_ rank: Int) {
        total += 1
        var node = rank + 1
        while node < nodes.count {
            nodes[node] += 1
            node += node & -node
        }
    }

    func count(below rank: Int) -> Int {
        var (sum, node) = (0, rank)
        while node > 0 {
            sum += nodes[node]
            node -= node & -node
        }
        return sum
    }
}
