// SPDX-License-Identifier: Apache-2.0
// How many sites must sign, share and survive in a secure sum, for every size of the roster.

/// The numbers that decide who can see what in a secure sum.
///
/// Letters: n invited sites, Q quorum, t sharing threshold, k neighbours of a site, m members of a set in each window of
/// the ring, c colluders that are assumed, f losses that are tolerated.
///
/// Up to 100 sites everybody shares with everybody: Q = t = ⌊2n/3⌋ + 1, k = n − 1, m = 0. Above, a ring of a random
/// permutation; its k, t and m are found by ``sparse(count:colluders:losses:)``.
/// Source: privacy design review, A3, A15 and §5.
package struct SumParameters: Hashable, Sendable {
    /// n, of the invited roster: whoever never answers counts in it.
    package let count: Int
    /// t: with so many shares a secret can be rebuilt. Counted in the closed neighbourhood of its dealer.
    package let threshold: Int
    /// k.
    package let neighbours: Int
    /// m; 0 on the complete graph.
    package let windowMinimum: Int
    /// c.
    package let colluders: Int

    /// Fewer are refused: of two, each would see the update of the other.
    package static let fewestSites = 3
    /// Up to here the graph is complete.
    package static let largestComplete = 100
    package static let mostSites = 10_000

    /// Q: so many members must sign a set or a void statement.
    package var quorum: Int { Self.quorum(of: count) }

    package var isComplete: Bool { count <= Self.largestComplete }

    /// f: all losses together, from the invitation to the release of shares.
    package var toleratedLosses: Int { count - quorum }

    /// With at most so many active colluders two quorums share an honest site: a set certificate is unique, and none
    /// exists beside a void certificate that was acted upon.
    ///
    /// Two quorums need 2(Q − c) honest signatures and there are n − c honest sites, each signing once.
    package var uniquenessBound: Int { Self.uniquenessBound(of: count) }

    fileprivate init(count: Int, threshold: Int, neighbours: Int, windowMinimum: Int, colluders: Int) {
        self.count = count
        self.threshold = threshold
        self.neighbours = neighbours
        self.windowMinimum = windowMinimum
        self.colluders = colluders
    }

    package static func quorum(of count: Int) -> Int { 2 * count / 3 + 1 }

    private static func uniquenessBound(of count: Int) -> Int { 2 * quorum(of: count) - count - 1 }
}

/// Why there are no parameters, or why the given ones do not protect.
package enum SumParametersError: Error, Hashable, Sendable {
    /// Below three sites a sum hides nobody: your partner would see your update.
    case tooFewSites(Int)
    case tooManySites(Int, most: Int)
    /// With more colluders two certificates could exist in one context.
    case tooManyColluders(Int, most: Int)
    /// More losses than the quorum leaves room for.
    case tooManyLosses(Int, most: Int)
    /// No number of neighbours protects against so many colluders and lets rounds with so many losses succeed.
    case noGraph
    /// A quorum, threshold or number of neighbours other than the size of the roster asks for.
    case otherNumbers
    /// In some neighbourhood the colluders could hold a threshold of shares, more likely than 2⁻⁸¹.
    case thresholdTooLow
    /// Some window could hold nobody honest of a set, more likely than 2⁻⁸¹.
    case windowTooThin
}

// MARK: Finding them

extension SumParameters {
    /// Up to 100 sites.
    ///
    /// - Parameter colluders: c; nil for the largest that is always allowed, ⌊(n − 1)/3⌋.
    package static func complete(
        _ count: Int, colluders: Int? = nil
    ) throws(SumParametersError) -> SumParameters {
        let colluders = colluders ?? max(0, count - 1) / 3
        try checkSize(count, colluders: colluders)
        guard count <= largestComplete else { throw .tooManySites(count, most: largestComplete) }
        return SumParameters(
            count: count, threshold: quorum(of: count), neighbours: count - 1, windowMinimum: 0, colluders: colluders)
    }

    /// What a study has unless it says otherwise: complete up to 100 sites; above, for a fifth of the sites corrupt and
    /// a tenth lost.
    package static func standard(_ count: Int) throws(SumParametersError) -> SumParameters {
        count <= largestComplete
            ? try complete(count) : try sparse(count: count, colluders: count / 5, losses: count / 10)
    }

    /// Judges the numbers of somebody else's task.
    ///
    /// A graph may have more neighbours or higher floors than ``sparse(count:colluders:losses:)`` finds: how many losses
    /// it was made for is no matter of safety.
    package init(checking numbers: SecureTask.Numbers) throws(SumParametersError) {
        let count = numbers.sites
        try Self.checkSize(count, colluders: numbers.colluders)
        guard numbers.quorum == Self.quorum(of: count) else { throw .otherNumbers }
        if count <= Self.largestComplete {
            self = try Self.complete(count, colluders: numbers.colluders)
            guard numbers.threshold == threshold, numbers.neighbours == neighbours, numbers.windowMinimum == 0 else {
                throw .otherNumbers
            }
        } else {
            let (k, t, m) = (numbers.neighbours, numbers.threshold, numbers.windowMinimum)
            guard k % 2 == 0, (2..<count).contains(k), (Self.lowestThreshold...k + 1).contains(t),
                (1...k / 2).contains(m)
            else {
                throw .otherNumbers
            }
            let needed = Self.floors(count: count, colluders: numbers.colluders, neighbours: k)
            guard t >= needed.threshold else { throw .thresholdTooLow }
            guard m >= needed.windowMinimum else { throw .windowTooThin }
            self.init(count: count, threshold: t, neighbours: k, windowMinimum: m, colluders: numbers.colluders)
        }
    }

    private static func checkSize(_ count: Int, colluders: Int) throws(SumParametersError) {
        guard count >= fewestSites else { throw .tooFewSites(count) }
        guard count <= mostSites else { throw .tooManySites(count, most: mostSites) }
        let most = uniquenessBound(of: count)
        guard (0...most).contains(colluders) else { throw .tooManyColluders(colluders, most: most) }
    }
}

// MARK: Sparse graphs

extension SumParameters {
    /// With t = 1 each share would be the secret.
    private static let lowestThreshold = 2
    /// Each way in which colluders could be placed too well, over all sites or windows together: 40 bits for a last
    /// mover who tries 2⁴⁰ permutations, 41 more for what then remains.
    private static let corruptionFailure = 0x1p-81
    /// A round that fails for random losses is voided and repeated.
    private static let lossFailure = 0x1p-10

    /// More than 100 sites: the smallest even k, with the smallest t and m for it, such that
    ///
    /// 1. n · P[X ≥ t] ≤ 2⁻⁸¹, X the corrupt among the k neighbours of a site, out of the other n − 1;
    /// 2. n · P[X ≥ m] ≤ 2⁻⁸¹, X the corrupt in a window of k/2 places, out of n;
    /// 3. n · P[X ≥ k/2 − m + 1] + n · P[X ≥ k − t + 2] ≤ 2⁻¹⁰: a window keeps fewer than m members, or a site that is
    ///    there keeps fewer than t in its closed neighbourhood; X the lost in the window out of n, and among the
    ///    neighbours out of the other n − 1.
    ///
    /// All X are hypergeometric. By 1 the colluders of no neighbourhood can rebuild a seed; by 2 and ``NeighbourGraph``'s
    /// admissible sets the honest part of every set is connected, whatever set the aggregator picks.
    /// Source: privacy design review, A3 and the table of §5.2, which this reproduces.
    ///
    /// - Complexity: O(k²): a few milliseconds for 10,000 sites.
    package static func sparse(
        count: Int, colluders: Int, losses: Int
    ) throws(SumParametersError) -> SumParameters {
        try checkSize(count, colluders: colluders)
        guard count > largestComplete else { throw .otherNumbers }
        guard (0...count - quorum(of: count)).contains(losses) else {
            throw .tooManyLosses(losses, most: count - quorum(of: count))
        }
        for neighbours in stride(from: 2, to: count, by: 2) {
            let (threshold, windowMinimum) = floors(count: count, colluders: colluders, neighbours: neighbours)
            let candidate = SumParameters(
                count: count, threshold: threshold, neighbours: neighbours, windowMinimum: windowMinimum,
                colluders: colluders)
            if candidate.failure(withLosses: losses) <= lossFailure { return candidate }
        }
        throw .noGraph
    }

    /// The smallest t and m that conditions 1 and 2 allow.
    private static func floors(
        count: Int, colluders: Int, neighbours: Int
    ) -> (threshold: Int, windowMinimum: Int) {
        let bound = corruptionFailure / Double(count)
        let nearby = HypergeometricTail(population: count - 1, marked: colluders, draws: neighbours)
        let inWindow = HypergeometricTail(population: count, marked: colluders, draws: neighbours / 2)
        return (
            max(lowestThreshold, nearby.smallestValue(withTailAtMost: bound)),
            max(1, inWindow.smallestValue(withTailAtMost: bound))
        )
    }

    /// Condition 3: how likely, at most, a round with so many random losses has no admissible set.
    private func failure(withLosses losses: Int) -> Double {
        let inWindow = HypergeometricTail(population: count, marked: losses, draws: neighbours / 2)
        let nearby = HypergeometricTail(population: count - 1, marked: losses, draws: neighbours)
        return Double(count)
            * (inWindow.probability(atLeast: neighbours / 2 - windowMinimum + 1)
                + nearby.probability(atLeast: neighbours - threshold + 2))
    }
}
