// SPDX-License-Identifier: Apache-2.0
// Why a site that is connected could not compute, in words that say nothing about its data.

/// What keeps a site from taking part, as it says itself. A site without any is able to compute.
package enum SiteObstacle: String, CaseIterable, Hashable, Sendable {
    /// There is no policy that can be read: everything is refused.
    case noPolicy
    /// The policy allows this federation nothing.
    case policyRefuses
    /// The policy opens no data set that the site has registered.
    case noDataset
    /// The file of a data set that the policy opens is not there.
    case dataMissing
    /// The site's state directory cannot be written, or is almost full.
    case diskFull

    /// A sentence part for people.
    package var explanation: String {
        switch self {
        case .noPolicy: "it has no readable policy and refuses everything"
        case .policyRefuses: "its policy does not let this federation ask"
        case .noDataset: "its policy opens no data set that it has"
        case .dataMissing: "the file of one of its data sets is missing"
        case .diskFull: "its disk is full or cannot be written"
        }
    }

    /// What the hospital is to do.
    package var remedy: String {
        switch self {
        case .noPolicy: "the hospital checks it with `consilium site policy check`"
        case .policyRefuses: "the hospital names the federation in `federations` of its policy.yaml"
        case .noDataset: "the hospital names a data set in site.yaml and in policy.yaml"
        case .dataMissing: "the hospital puts the file back or corrects site.yaml"
        case .diskFull: "the hospital frees space in the site's state directory"
        }
    }
}

/// A site of the cohort that is still awaited, at one moment.
package struct AwaitedSite: Hashable, Sendable {
    /// How it is getting on.
    package enum Pace: String, CaseIterable, Hashable, Sendable {
        case working
        /// It makes progress, but takes more than twice as long as those who have delivered.
        case slow
        /// No sign of progress for half of the time after which it is given up.
        case silent
        /// Not connected.
        case away
    }

    package var site: SiteID
    package var stage: RoundStage
    package var count: Int
    package var pace: Pace
    /// Since it last made progress.
    package var idle: Duration
    /// Until it is given up if it makes none.
    package var remaining: Duration

    package var isConnected: Bool { pace != .away }
}
