// SPDX-License-Identifier: Apache-2.0
// The terms of a round as they follow from its task and from what was released before.

package import Federation

extension ReleaseHistory {
    /// What this round must not fall below, for ``RoundRules``.
    ///
    /// - Parameters:
    ///   - roster: the sites of the round's roster, in the order of positions.
    ///   - released: the sets of the study's released training rounds as the log has them, in the order of the rounds;
    ///     nil to take those that this site knows of, which lacks the rounds it was away.
    /// - Throws: `.notTheFrozenSet` if a member of the only set that may be released is not in the roster.
    package func terms(
        of task: SecureTask, for claim: ContextClaim, roster: [SiteID], released: [Set<SiteID>]? = nil
    ) throws(ReleaseRefusal) -> RoundTerms {
        precondition(roster.count == task.numbers.sites, "the roster of the task")
        var frozen: PositionSet?
        if let demanded = demandedSurvivors(for: claim) {
            let positions = roster.indices.filter { demanded.contains(roster[$0]) }.map { $0 + 1 }
            guard positions.count == demanded.count else { throw .notTheFrozenSet }
            frozen = PositionSet(rosterCount: roster.count, positions)
        }
        let differences =
            claim.releaseClass == .training
            ? LoneDifferences(
                limit: task.numbers.maxLoneDifferences, minimumHonest: task.numbers.minimumHonest,
                released: released ?? releasedSets(of: claim.study), roster: roster) : nil
        return RoundTerms(task: task, frozenSurvivors: frozen, loneDifferences: differences)
    }
}
