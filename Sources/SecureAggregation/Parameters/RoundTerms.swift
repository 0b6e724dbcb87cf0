// SPDX-License-Identifier: Apache-2.0
// The floors of a round: below them nobody binds, signs or releases, whatever the others do.

/// What a round must not fall below. All of it is in the task, so that every signer and every releaser holds to it: the
/// floor of one site alone would be decoration, since the others hold the shares of its seeds.
///
/// Source: privacy design review, A8, A21, B1.
package struct RoundTerms: Hashable, Sendable {
    /// When a certificate counts.
    package enum Logging: Hashable, Sendable {
        /// Once it is in the log and a quorum of witnesses has seen it there.
        case beforeRelease
        /// At once. Two sets of one round would be found out afterwards only.
        case notAwaited
    }

    /// Floor of |U| that the study asks for.
    package var minimumSurvivors: Int
    /// So many honest parts at least must stand behind a sum.
    package var minimumHonest: Int
    /// c, the colluders that are taken off |U| to get the honest parts.
    package var colluders: Int
    /// Must be in U; nil for nobody.
    package var required: PositionSet?
    package var releaseClass: SecureTask.ReleaseClass
    package var logging: Logging
    /// U must be exactly this set: exact statistics after their first release, and the repetition of a failed round.
    /// nil where it is free.
    package var frozenSurvivors: PositionSet?
    /// nil where the class releases one sum for each question and no series of them.
    package var loneDifferences: LoneDifferences?

    /// What a study has unless it says otherwise: with one colluder among four sites all four must be there.
    package static let standardMinimumHonest = 3
    /// Fewer than two honest parts are no sum.
    package static let lowestMinimumHonest = 2

    package init(
        minimumSurvivors: Int, minimumHonest: Int = standardMinimumHonest, colluders: Int,
        required: PositionSet? = nil, releaseClass: SecureTask.ReleaseClass = .training,
        logging: Logging = .beforeRelease, frozenSurvivors: PositionSet? = nil,
        loneDifferences: LoneDifferences? = nil
    ) {
        self.minimumSurvivors = minimumSurvivors
        self.minimumHonest = minimumHonest
        self.colluders = colluders
        self.required = required
        self.releaseClass = releaseClass
        self.logging = logging
        self.frozenSurvivors = frozenSurvivors
        self.loneDifferences = loneDifferences
    }

    /// The floors that follow from the parameters alone.
    package static func standard(_ parameters: SumParameters) -> RoundTerms {
        RoundTerms(minimumSurvivors: parameters.quorum, colluders: parameters.colluders)
    }

    /// The terms that a task states.
    ///
    /// - Parameters:
    ///   - frozenSurvivors: what ``ReleaseHistory/demandedSurvivors(for:)`` says, as positions of the round's roster.
    ///   - loneDifferences: the study's released rounds so far.
    package init(
        task: SecureTask, frozenSurvivors: PositionSet? = nil, loneDifferences: LoneDifferences? = nil
    ) {
        self.init(
            minimumSurvivors: task.numbers.minSurvivors, minimumHonest: task.numbers.minimumHonest,
            colluders: task.numbers.colluders, required: task.required, releaseClass: task.releaseClass,
            logging: task.isStrict ? .beforeRelease : .notAwaited, frozenSurvivors: frozenSurvivors,
            loneDifferences: loneDifferences)
    }

    package var isStrict: Bool { logging == .beforeRelease }

    /// The smallest |U| that may be released: max(Q, minSurvivors, minimumHonest + c).
    package func fewestSurvivors(_ parameters: SumParameters) -> Int {
        max(parameters.quorum, minimumSurvivors, minimumHonest + colluders)
    }
}

// MARK: Checks

/// Which floor a set falls below.
package enum FloorViolation: Hashable, Sendable {
    case tooFewSurvivors(Int, needed: Int)
    /// These must be in the set.
    case missingRequired([Position])
    /// Exact statistics, or a failed round that is repeated, take exactly the set they took before.
    case notTheFrozenSet
    /// Too many released rounds already differ from the one before by a few sites only.
    case tooManyLoneDifferences(limit: Int)
}

extension RoundTerms {
    /// The first floor that a set of survivors falls below; nil for a set that may be signed and released.
    ///
    /// Admissibility is the graph's question (``NeighbourGraph/inadmissibility(of:parameters:)``).
    package func violation(of survivors: PositionSet, parameters: SumParameters) -> FloorViolation? {
        if let violation = violation(ofDealers: survivors, parameters: parameters) { return violation }
        if let frozenSurvivors, survivors != frozenSurvivors { return .notTheFrozenSet }
        if let loneDifferences, let limit = loneDifferences.limit, !loneDifferences.allows(survivors) {
            return .tooManyLoneDifferences(limit: limit)
        }
        return nil
    }

    /// The same for V1: whether a set that may be released can still come out of these dealers.
    ///
    /// More may deal than are in a frozen set, and which rounds differ from the one before is decided by U.
    package func violation(ofDealers dealers: PositionSet, parameters: SumParameters) -> FloorViolation? {
        let needed = fewestSurvivors(parameters)
        let members = dealers.count
        guard members >= needed else { return .tooFewSurvivors(members, needed: needed) }
        if let required, !required.isSubset(of: dealers) {
            return .missingRequired(required.subtracting(dealers).positions)
        }
        if let frozenSurvivors, !frozenSurvivors.isSubset(of: dealers) { return .notTheFrozenSet }
        return nil
    }
}
