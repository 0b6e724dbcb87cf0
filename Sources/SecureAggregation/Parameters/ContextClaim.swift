// SPDX-License-Identifier: Apache-2.0
// What a site is asked to take part in, and why it may refuse.

package import Federation

/// One context that a site is asked to take part in.
package struct ContextClaim: Hashable, Sendable {
    package var study: Digest
    /// Of the study's roster.
    package var epoch: UInt64
    package var round: UInt64
    package var attempt: Int
    package var context: Digest
    package var releaseClass: SecureTask.ReleaseClass
    /// SHA-256 of the input blob `model`.
    package var model: Digest
    /// What is asked, and of which model, for statistics and evaluation: sums of one query may not differ by a few sites.
    package var query: Digest?
    /// The data source whose exact sums are asked for; nil for sums with noise, and for training.
    package var exactSource: Digest?

    package init(
        study: Digest, epoch: UInt64, round: UInt64, attempt: Int, context: Digest,
        releaseClass: SecureTask.ReleaseClass, model: Digest, query: Digest? = nil, exactSource: Digest? = nil
    ) {
        self.study = study
        self.epoch = epoch
        self.round = round
        self.attempt = attempt
        self.context = context
        self.releaseClass = releaseClass
        self.model = model
        self.query = query
        self.exactSource = exactSource
    }
}

/// Why a site does not open a context, or does not release in it.
package enum ReleaseRefusal: Error, Hashable, Sendable {
    /// The study, round and attempt belong to another context, or the context to another attempt.
    case contextNotUnique
    case roundNotNewer
    case attemptNotNewer
    /// An earlier context of the study may hold an upload, and nothing is proved about it.
    case earlierContextExposed
    /// A training sum on this model was, or may have been, released.
    case modelAlreadySummed
    /// The model of a training round is not the one that the study's latest result names.
    case notThePublishedModel
    /// In this epoch the site was restored from a backup, which does not know what it did since.
    case restoredInThisEpoch
    /// Another study takes, or took, exact sums of this data source.
    case sourceInUse
    /// U is not the set that exact sums, or the repetition of a failed round, must have.
    case notTheFrozenSet
    /// A sum of the same query over a set that differs by fewer sites than hide one was released.
    case tooCloseToEarlierSet
    /// The context was not claimed, or is closed.
    case notOpen
}
