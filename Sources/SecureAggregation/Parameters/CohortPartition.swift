// SPDX-License-Identifier: Apache-2.0
// Sums over random parts of a roster, each of which must hide its members by itself.

package import Federation

/// A roster cut into cohorts whose sums are published apart, so that a robust mean can be taken over them.
///
/// The positions are permuted under the key SHA-256("fl/secagg/v1 cohorts" || key) as for a graph
/// (``KeyedPermutation``) and cut into runs of equal length, the first n mod G of them one longer. A cohort stands for a
/// roster epoch: drawn anew for each round, cohorts would single out sites by differences.
///
/// A set is admissible only if each cohort holds minimumHonest + c_G members of it. c_G bounds the colluders in a cohort:
/// above 100 sites, where nobody could choose the key, no cohort holds more with failure 2⁻⁴⁰ over all of them; up to 100
/// sites the key is the roster hash, which an aggregator can try out, so c_G is all the colluders there are.
/// Source: privacy design review, A20; the least size of 8: privacy design note §1.8.
package struct CohortPartition: Hashable, Sendable {
    /// In the order of the permutation.
    package let cohorts: [PositionSet]
    /// c_G of each cohort.
    package let colluders: [Int]
    package let minimumHonest: Int

    package static let fewestSites = 24
    package static let smallestCohort = 8
    private static let failure = 0x1p-40

    package enum Refusal: Error, Hashable, Sendable {
        /// Below 24 sites two cohorts hide nobody.
        case tooFewSites(Int, needed: Int)
        /// Even a complete cohort has fewer members than each must keep.
        case cohortTooSmall(Int, needed: Int)
        /// AES-256-CTR is not there.
        case cryptographyFailed
    }

    /// - Parameters:
    ///   - count: how many cohorts, at least 2.
    ///   - key: the graph key of the reveals above 100 sites, the roster hash below.
    package init(
        _ parameters: SumParameters, count: Int, minimumHonest: Int, key: Digest
    ) throws(Refusal) {
        precondition(count >= 2, "one cohort is an ordinary sum")
        guard parameters.count >= Self.fewestSites else {
            throw .tooFewSites(parameters.count, needed: Self.fewestSites)
        }
        let sites = parameters.count
        let sizes = (0..<count).map { sites / count + ($0 < sites % count ? 1 : 0) }
        let colluders = sizes.map { Self.colluders(among: $0, of: parameters, cohorts: count) }
        for (size, colluders) in zip(sizes, colluders) {
            let needed = max(Self.smallestCohort, minimumHonest + colluders)
            guard size >= needed else { throw .cohortTooSmall(size, needed: needed) }
        }
        let order: [Position]
        do {
            order = try KeyedPermutation.positions(
                count: sites, key: Digest(of: key.bytes, domain: "fl/secagg/v1 cohorts"))
        } catch { throw .cryptographyFailed }
        var rest = order[...]
        cohorts = sizes.map { size in
            defer { rest = rest.dropFirst(size) }
            return PositionSet(rosterCount: sites, rest.prefix(size))
        }
        self.colluders = colluders
        self.minimumHonest = minimumHonest
    }

    private static func colluders(among size: Int, of parameters: SumParameters, cohorts: Int) -> Int {
        guard !parameters.isComplete else { return parameters.colluders }
        let tail = HypergeometricTail(population: parameters.count, marked: parameters.colluders, draws: size)
        return max(0, tail.smallestValue(withTailAtMost: failure / Double(cohorts)) - 1)
    }

    /// The first cohort of which a set holds too few; nil for a set that is thick enough in each.
    ///
    /// Asked besides ``NeighbourGraph/inadmissibility(of:parameters:)``, for V1 and for U.
    package func inadmissibility(of set: PositionSet) -> Inadmissibility? {
        for (index, cohort) in cohorts.enumerated() {
            let members = cohort.intersection(set).count
            let needed = minimumHonest + colluders[index]
            guard members >= needed else { return .thinCohort(index: index, members: members, needed: needed) }
        }
        return nil
    }
}
