// SPDX-License-Identifier: Apache-2.0
// The life of one stored update: when it may be sent, and when never again.

package import Federation

/// What may become of an update, so that it is never in two different released sums.
///
/// | from | event | to |
/// |---|---|---|
/// | fresh, free | root durable: the first chunk may leave, in a context it has not been in | exposed(context) |
/// | exposed(a) | void certificate of a; own promise in a when Q = n; set certificate of a without me | free |
/// | exposed(a) | a closed with a set certificate with me and no void, or without proof | spent |
/// | fresh, free | round moved on | discarded |
/// | exposed(a) | the same chunks of a again | exposed(a) |
/// | spent, discarded | anything | the same: never sent again |
///
/// A refused event throws and changes nothing. Proofs about another context than the present one say nothing.
/// A set certificate with this site in it does not spend the update at once: on the complete graph a void certificate may
/// still come before the context closes.
/// Source: privacy design review, A6 and §4.2.
package struct UpdateLife: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// Trained and stored, its run debited.
        case fresh
        /// From the moment at which its first chunk may have left.
        case exposed(Digest)
        /// Exposed once, and proved to be in no released sum.
        case free
        /// In a released sum, or not proved not to be.
        case spent
        case discarded(Debit)
    }

    /// What becomes of the privacy debit of a run whose update is not used.
    package enum Debit: Hashable, Sendable {
        /// Nothing left the site: the next run of the study takes it over.
        case carried
        /// Something may have left: a refund would make the promise depend on who colludes.
        case stays
    }

    package enum Event: Hashable, Sendable {
        /// Quantised vector, root and statement are on disk.
        case firstChunkMayLeave(Digest)
        case proved(Proof, Digest)
        /// The context is over and this site is in its certified set, or nothing is proved.
        case closedWithoutProof(Digest)
        /// The model has changed: the update fits no longer.
        case roundMovedOn
    }

    /// Why an update can be in no released sum of a context.
    package enum Proof: CaseIterable, Hashable, Sendable {
        case voidCertificate
        /// This site's own promise not to release, where a quorum is everybody.
        case ownVoid
        /// A set certificate without this site: it is unique.
        case setWithoutMe
    }

    package enum Refusal: Error, Hashable, Sendable {
        /// It may be in a released sum.
        case alreadySpent
        /// It is exposed in a context, and nothing is proved about that yet.
        case exposedWithoutProof
        /// It was sent in this context before; what was proved about it would be wrong after a second time.
        case contextUsedBefore
        /// The update is gone.
        case discarded
        /// Nothing of the update has left in this context.
        case otherContext
    }

    package private(set) var state: State = .fresh
    /// Contexts in which it was exposed, the present one with them.
    package private(set) var contexts: Set<Digest> = []

    package init() {}

    /// Whether an attempt in a new context may take it.
    package var maySend: Bool { state == .fresh || state == .free }

    package mutating func receive(_ event: Event) throws(Refusal) {
        switch (state, event) {
        case (.spent, _): throw .alreadySpent
        case (.discarded, _): throw .discarded
        case (.fresh, .firstChunkMayLeave(let context)), (.free, .firstChunkMayLeave(let context)):
            guard contexts.insert(context).inserted else { throw .contextUsedBefore }
            state = .exposed(context)
        case (.exposed(let present), .firstChunkMayLeave(let context)):
            guard context == present else { throw .exposedWithoutProof }
        case (.exposed(let present), .proved(_, let context)):
            guard context == present else { throw .otherContext }
            state = .free
        case (.exposed(let present), .closedWithoutProof(let context)):
            guard context == present else { throw .otherContext }
            state = .spent
        case (.exposed, .roundMovedOn): throw .exposedWithoutProof
        case (.fresh, .roundMovedOn), (.free, .roundMovedOn):
            state = .discarded(contexts.isEmpty ? .carried : .stays)
        case (.fresh, .proved), (.free, .proved), (.fresh, .closedWithoutProof), (.free, .closedWithoutProof):
            throw .otherContext
        }
    }
}

extension SiteRoundStateMachine.UpdateChange {
    /// The same for the stored update's own life.
    package func event(in context: Digest) -> UpdateLife.Event {
        switch self {
        case .exposed: .firstChunkMayLeave(context)
        case .free(let proof): .proved(proof, context)
        case .spent: .closedWithoutProof(context)
        }
    }
}
