// SPDX-License-Identifier: Apache-2.0
// What a hospital demands of the rounds it takes part in, against what a study's terms promise.

/// The floors of one site's policy.
///
/// They cannot be enforced once the site has uploaded, since the others hold the shares of its seeds. So a site whose
/// floor is stricter than the study's does not join.
/// Source: privacy design review, A8.
package struct SiteFloors: Hashable, Sendable {
    /// Whether sums without noise may be taken on this site's data.
    package enum ExactSums: Hashable, Sendable {
        case refused
        case acceptedOnFrozenData
    }

    /// Of the invited roster.
    package var fewestSites: Int
    /// Of a released set; 0 to ask for no more than the study and the quorum do.
    package var minimumSurvivors: Int
    package var minimumHonest: Int
    /// How many other sites may work together with the aggregator; nil for the standard of the roster's size.
    package var colluders: Int?
    /// Members that must be in every released set; nil for nobody.
    package var required: PositionSet?
    /// ``RoundTerms/Logging/beforeRelease`` to take part in strict rounds only.
    package var logging: RoundTerms.Logging
    /// Of training rounds; nil for no limit.
    package var mostLoneDifferences: Int?
    package var exactSums: ExactSums

    package init(
        fewestSites: Int = SumParameters.fewestSites, minimumSurvivors: Int = 0,
        minimumHonest: Int = RoundTerms.standardMinimumHonest, colluders: Int? = nil, required: PositionSet? = nil,
        logging: RoundTerms.Logging = .notAwaited, mostLoneDifferences: Int? = nil, exactSums: ExactSums = .refused
    ) {
        self.fewestSites = fewestSites
        self.minimumSurvivors = minimumSurvivors
        self.minimumHonest = minimumHonest
        self.colluders = colluders
        self.required = required
        self.logging = logging
        self.mostLoneDifferences = mostLoneDifferences
        self.exactSums = exactSums
    }

    /// Where a study promises less than this site demands.
    package enum Refusal: Hashable, Sendable {
        case tooFewSites(Int, needed: Int)
        /// The study lets a sum over fewer sites out than this site demands.
        case tooFewSurvivors(Int, needed: Int)
        /// Fewer honest parts than make a sum.
        case tooFewHonest(Int, needed: Int)
        /// A set is unique only with fewer colluders than this site reckons with.
        case tooManyColluders(Int, most: Int)
        case missingRequired([Position])
        case notLoggedBeforeRelease
        case tooManyLoneDifferences(Int?, most: Int)
        case exactSums
    }

    /// Compares the study's terms with this site's floors.
    ///
    /// - Parameter takesExactSums: whether the round's sums are statistics without noise.
    /// - Returns: every reason not to join; none for terms that are at least as strict.
    package func refusals(
        of terms: RoundTerms, parameters: SumParameters, takesExactSums: Bool
    ) -> [Refusal] {
        var refusals: [Refusal] = []
        if parameters.count < fewestSites { refusals.append(.tooFewSites(parameters.count, needed: fewestSites)) }
        let colluders = max(self.colluders ?? parameters.colluders, 0)
        let fewest = terms.fewestSurvivors(parameters)
        let needed = max(minimumSurvivors, minimumHonest + colluders)
        if fewest < needed { refusals.append(.tooFewSurvivors(fewest, needed: needed)) }
        if terms.minimumHonest < RoundTerms.lowestMinimumHonest {
            refusals.append(.tooFewHonest(terms.minimumHonest, needed: RoundTerms.lowestMinimumHonest))
        }
        if colluders > parameters.uniquenessBound {
            refusals.append(.tooManyColluders(colluders, most: parameters.uniquenessBound))
        }
        if let required {
            let missing = terms.required.map(required.subtracting) ?? required
            if !missing.isEmpty { refusals.append(.missingRequired(missing.positions)) }
        }
        if logging == .beforeRelease, !terms.isStrict { refusals.append(.notLoggedBeforeRelease) }
        if let most = mostLoneDifferences, terms.releaseClass == .training {
            let limit = terms.loneDifferences?.limit
            if limit == nil || limit ?? 0 > most { refusals.append(.tooManyLoneDifferences(limit, most: most)) }
        }
        if takesExactSums, exactSums == .refused { refusals.append(.exactSums) }
        return refusals
    }

    /// Whether the site may join.
    package func accept(_ terms: RoundTerms, parameters: SumParameters, takesExactSums: Bool = false) -> Bool {
        refusals(of: terms, parameters: parameters, takesExactSums: takesExactSums).isEmpty
    }
}
