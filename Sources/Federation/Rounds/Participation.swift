// SPDX-License-Identifier: Apache-2.0
// What became of each site in a round: included, or absent for a stated reason.

/// How far a site has come in a round. The order is that of the work.
package enum RoundStage: String, CaseIterable, Hashable, Sendable, Comparable {
    case asked
    case downloading
    case computing
    case uploading

    package static func < (left: RoundStage, right: RoundStage) -> Bool { left.order < right.order }

    var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Why a site took no part in a round although it was asked.
package enum WithholdReason: String, CaseIterable, Hashable, Sendable {
    /// Training produced a loss or a parameter that is not finite.
    case nonFinite
    /// The registered data changed since it was approved.
    case dataChanged
    /// No row that this round could use.
    case noUsableRows
    /// The task does not fit the study that the site approved.
    case taskMismatch
    /// The site's officer stopped the study here.
    case stopped
    /// The site's officer halted the study for a while.
    case paused
    /// The site's policy allows no rounds at this hour.
    case outsideHours
    /// The site's policy or approval does not cover the round, or no longer.
    case notPermitted
    /// Something at the site failed; its own log says what.
    case localFailure
    /// The site's state was restored from a backup, and it may have answered this task before.
    case restored
    /// The site delivered a vector for this attempt at the round before: the aggregator's state went back.
    case answeredBefore
    /// The site's machine has less memory free than the round is expected to take.
    case notEnoughMemory
}

/// Why the server did not use what a site sent.
package enum RefusalReason: String, CaseIterable, Hashable, Sendable {
    case wrongLength
    case wrongDigest
    case malformedVector
}

/// What became of one site in one round.
package enum Participation: Hashable, Sendable {
    case included
    case withheld(WithholdReason)
    case refused(RefusalReason)
    case connectionLost(RoundStage)
    case stalled(RoundStage)
    case tooSlow(RoundStage)
    /// The round came to nothing while the site was at work; not the site's fault.
    case interrupted(RoundStage)
    case notConnected
    case notSampled

    /// A stable word for stores and machines, for example `connectionLost:computing`.
    package var word: String {
        switch self {
        case .included: "included"
        case .withheld(let reason): "withheld:\(reason.rawValue)"
        case .refused(let reason): "refused:\(reason.rawValue)"
        case .connectionLost(let stage): "connectionLost:\(stage.rawValue)"
        case .stalled(let stage): "stalled:\(stage.rawValue)"
        case .tooSlow(let stage): "tooSlow:\(stage.rawValue)"
        case .interrupted(let stage): "interrupted:\(stage.rawValue)"
        case .notConnected: "notConnected"
        case .notSampled: "notSampled"
        }
    }

    /// A sentence part for people.
    package var explanation: String {
        switch self {
        case .included: "took part"
        case .withheld(.nonFinite): "withheld: its training gave numbers that are not finite"
        case .withheld(.dataChanged): "withheld: its data changed since approval"
        case .withheld(.noUsableRows): "withheld: it has no usable rows"
        case .withheld(.taskMismatch): "withheld: the task does not fit the approved study"
        case .withheld(.stopped): "withheld: its officer stopped the study"
        case .withheld(.paused): "withheld: its officer has halted the study for a while"
        case .withheld(.outsideHours): "withheld: its policy allows no rounds at this hour"
        case .withheld(.notPermitted): "withheld: its policy or approval does not cover the round"
        case .withheld(.localFailure): "withheld: a failure at the site, see its log"
        case .withheld(.restored): "withheld: restored from a backup, it takes part from the next round on"
        case .withheld(.answeredBefore): "withheld: it answered this round before; was the aggregator restored?"
        case .withheld(.notEnoughMemory): "withheld: its machine has too little memory free for the round"
        case .refused(.wrongLength): "refused: its vector has the wrong length"
        case .refused(.wrongDigest): "refused: its vector was damaged on the way"
        case .refused(.malformedVector): "refused: its vector is malformed"
        case .connectionLost(let stage): "connection lost while \(stage.words)"
        case .stalled(let stage): "no progress while \(stage.words)"
        case .tooSlow(let stage): "too slow, still \(stage.words)"
        case .interrupted(let stage): "the round ended while it was still \(stage.words)"
        case .notConnected: "not connected when the round opened"
        case .notSampled: "not chosen for this round"
        }
    }
}

extension RoundStage {
    fileprivate var words: String {
        switch self {
        case .asked: "being asked"
        case .downloading: "downloading"
        case .computing: "computing"
        case .uploading: "uploading"
        }
    }
}

/// One line of a round's record.
package struct ParticipationRecord: Hashable, Sendable {
    package var site: SiteID
    package var participation: Participation
    /// From the opening of the round to the site's complete upload; nil when there was none.
    package var uploadTime: Duration?

    package init(site: SiteID, participation: Participation, uploadTime: Duration?) {
        self.site = site
        self.participation = participation
        self.uploadTime = uploadTime
    }
}
