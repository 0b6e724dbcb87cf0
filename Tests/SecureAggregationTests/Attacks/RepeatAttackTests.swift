// SPDX-License-Identifier: Apache-2.0
// Attacks by repetition: one update in two sums, one set of seeds under two uploads, old messages in new rounds.

import Federation
import SecureAggregation
import Testing

@Suite struct RepeatAttackTests {
    // MARK: A2: two uploads under one set of seeds

    /// (a) "Site 4 dropped out: do the round again without it", in the same context.
    @Test func a2_aSecondManifestDoesNotMakeASiteMaskAgain() throws {
        let round = try AttackedRound(4)
        var site = try round.exposed(1, under: round.manifest())
        let second = try round.manifest(of: [1, 2, 3])
        let actions = try site.take { try $0.receive(second) }
        #expect(actions.contains { if case .report(.twoManifests) = $0 { true } else { false } })
        #expect(site.state == .closed(.refused) && site.update.state == .spent)
        #expect(throws: SecureSumError.unexpected) {
            try site.machine.inputReady(round.input(1, under: second, variant: 1))
        }
    }

    /// (b) A crash in the middle of the upload, after which the site quantises, or trains, once more.
    @Test func a2_afterACrashOnlyTheStoredVectorIsSent() throws {
        let round = try AttackedRound(4)
        let manifest = try round.manifest()
        let stored = try round.input(1, under: manifest)
        var site = try round.exposed(1, under: manifest).restarted
        #expect(throws: SecureSumError.unexpected) {
            try site.machine.inputReady(round.input(1, under: manifest, variant: 1))
        }
        #expect(try site.take { try $0.inputReady(stored) } == [.upload(stored)])
        // Nor does it sign a set in which the aggregator put another input of it.
        let inputs =
            [try round.input(1, under: manifest, variant: 1)] + (try round.inputs(of: [2, 3, 4], under: manifest))
        #expect(throws: SecureSumError.inputsDoNotMatch) {
            try site.machine.receive(round.proposal(under: manifest, inputs: inputs), inputs: inputs)
        }
        #expect(throws: SecureSumError.inputsDoNotMatch) {
            try site.machine.receive(
                round.certificate(round.set(under: manifest, inputs: inputs)), inputs: inputs)
        }
        #expect(throws: SecureSumError.unexpected, "the header stands, too") {
            try site.machine.dealt(header: round.header(1, 1))
        }
    }

    /// (c) A machine that is set back to a snapshot of the middle of a round.
    @Test func a2_afterARestoreNothingOfTheEpochIsAnswered() throws {
        let round = try AttackedRound(4)
        let manifest = try round.manifest()
        var site = try round.bound(1, to: manifest)
        try site.take { $0.abandon() }
        #expect(throws: SecureSumError.unexpected) { try site.machine.inputReady(round.input(1, under: manifest)) }
        // It may have released there: it does not promise the contrary.
        #expect(throws: SecureSumError.unexpected) { try site.machine.voidRequested() }
        let inputs = try round.inputs(of: [1, 2, 3, 4], under: manifest)
        let set = round.set(under: manifest, inputs: inputs)
        #expect(throws: SecureSumError.unexpected) { try site.machine.receive(round.certificate(set), inputs: inputs) }

        let claim = Self.claim(1)
        var history = ReleaseHistory(replaying: [.claimed(claim), .restored(study: claim.study, epoch: 3)])
        #expect(throws: ReleaseRefusal.notOpen) { try history.check(claim) }
        #expect(throws: ReleaseRefusal.restoredInThisEpoch) { try history.check(Self.claim(2, epoch: 3)) }
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(Self.claim(2, model: 1, epoch: 4)) }
        history.apply(.claimed(Self.claim(2, epoch: 4)))
    }

    // MARK: A6: an update is burned from its first byte, and freed by proof alone

    @Test func a6_anUploadThatWasNotSignedIsBurnedAllTheSame() throws {
        let round = try AttackedRound(5)
        let next = Digest(of: [6], domain: "next attempt")
        var site = try round.exposed(1, under: round.manifest())
        // It signed nothing; the others may have, with it in the set.
        #expect(throws: UpdateLife.Refusal.exposedWithoutProof) {
            var update = site.update
            try update.receive(.firstChunkMayLeave(next))
        }
        try site.take { $0.abandon() }
        #expect(throws: UpdateLife.Refusal.alreadySpent) {
            var update = site.update
            try update.receive(.firstChunkMayLeave(next))
        }
    }

    @Test func a6_aSetWithoutTheSiteFreesItsUpdateAndOneWithItDoesNot() throws {
        let round = try AttackedRound(5)
        let manifest = try round.manifest()
        for members in [[2, 3, 4, 5], [1, 2, 3, 4]] {
            var site = try round.exposed(1, under: manifest)
            let inputs = try round.inputs(of: members, under: manifest)
            let set = round.set(under: manifest, inputs: inputs)
            try site.take { try $0.receive(try round.certificate(set), inputs: inputs) }
            let result = try RoundResult(
                context: round.rules.context, set: set.hash, sum: round.header(1), nextModel: nil,
                signedBy: round.aggregator)
            try site.take { try $0.receive(result) }
            #expect(site.update.maySend == !members.contains(1))
            // A second certificate, which only a broken quorum could sign, gets nothing.
            let others = try round.inputs(of: [1, 2, 3, 5], under: manifest)
            #expect(throws: SecureSumError.unexpected) {
                try site.machine.receive(
                    round.certificate(round.set(under: manifest, inputs: others)), inputs: others)
            }
        }
    }

    @Test func a6_aProofOfAnotherContextFreesNothing() throws {
        let round = try AttackedRound(5)
        let other = try AttackedRound(5, context: "other")
        var site = try round.exposed(1, under: round.manifest())
        #expect(throws: SecureSumError.otherContext) {
            try site.machine.receive(other.voidCertificate(by: [2, 3, 4, 5]))
        }
        var update = site.update
        #expect(throws: UpdateLife.Refusal.otherContext) {
            try update.receive(.proved(.voidCertificate, other.rules.context))
        }
        try site.take { try $0.receive(try round.voidCertificate(by: [2, 3, 4, 5])) }
        #expect(site.update.maySend)
    }

    // MARK: Two sets, two proposals

    @Test func aSecondSetIsEvidenceAndASecondReleaseRefused() throws {
        let round = try AttackedRound(5)
        let manifest = try round.manifest()
        var site = try round.exposed(1, under: manifest)
        let (first, second) = (
            try round.inputs(of: [1, 2, 3, 4, 5], under: manifest), try round.inputs(of: [1, 2, 3, 4], under: manifest)
        )
        let proposal = try round.proposal(under: manifest, inputs: second)
        let signed = round.set(under: manifest, inputs: first)
        try site.take { try $0.receive(try round.proposal(under: manifest, inputs: first), inputs: first) }
        #expect(
            try site.take { try $0.receive(proposal, inputs: second) } == [.report(.twoProposals(signed, proposal))])
        try site.take { try $0.receive(try round.certificate(signed), inputs: first) }
        #expect(throws: SecureSumError.secondSet) {
            try site.machine.receive(round.certificate(proposal.set), inputs: second)
        }
        #expect(throws: SecureSumError.unexpected, "release and void exclude each other") {
            try site.machine.voidRequested()
        }
    }

    // MARK: A12, A13: two contexts

    static func claim(
        _ round: UInt64, _ attempt: Int = 1, model: UInt8? = nil, epoch: UInt64 = 1, context: UInt8 = 0,
        query: UInt8? = nil, exact: UInt8? = nil, study: UInt8 = 1
    ) -> ContextClaim {
        func digest(_ bytes: [UInt8], _ domain: String) -> Digest { Digest(of: bytes, domain: domain) }
        return ContextClaim(
            study: digest([study], "study"), epoch: epoch, round: round, attempt: attempt,
            context: digest([UInt8(round), UInt8(attempt), context, study], "context"),
            releaseClass: query == nil && exact == nil ? .training : .statistics,
            model: digest([model ?? UInt8(round)], "model"), query: query.map { digest([$0], "query") },
            exactSource: exact.map { digest([$0], "source") })
    }

    @Test func a12_oneContextForEachAttemptAndNoAttemptWithoutProofOfTheLast() throws {
        let first = Self.claim(1)
        var history = ReleaseHistory(replaying: [.claimed(first)])
        #expect(throws: ReleaseRefusal.contextNotUnique, "another roster or task for the same attempt") {
            try history.check(Self.claim(1, context: 9))
        }
        history.apply(.exposed(first.context))
        #expect(throws: ReleaseRefusal.earlierContextExposed) { try history.check(Self.claim(1, 2)) }
        history.apply(.closed(first.context, .notReleased))
        #expect(try history.check(Self.claim(1, 2)) == [])
        #expect(throws: ReleaseRefusal.notOpen) { try history.check(first) }
        #expect(throws: ReleaseRefusal.roundNotNewer) {
            try ReleaseHistory(replaying: [.claimed(Self.claim(2))]).check(first)
        }
    }

    @Test func a12_aModelIsSummedOnceAndAChangedOneIsNotTheResult() throws {
        let first = Self.claim(1)
        let history = ReleaseHistory(replaying: [
            .claimed(first), .exposed(first.context), .released(first.context, survivors: []),
            .closed(first.context, .included), .modelPublished(study: first.study, model: Self.claim(2).model),
        ])
        #expect(throws: ReleaseRefusal.notThePublishedModel) { try history.check(Self.claim(2, model: 77)) }
        let silent = ReleaseHistory(replaying: [
            .claimed(first), .exposed(first.context), .released(first.context, survivors: []),
            .closed(first.context, .included),
        ])
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try silent.check(Self.claim(2, model: 1)) }
    }

    /// One changed byte in anything that a site receives is another context: nothing that one side signs counts on the
    /// other, and the masks do not cancel.
    @Test func a13_oneChangedBlobIsAnotherContext() throws {
        func context(_ constants: [UInt8]) throws -> Digest {
            let blobs = try InputBlobs(
                [("model", [1, 2, 3]), ("standardisation", constants)].map { name, bytes in
                    InputBlobs.Blob(name: name, byteCount: UInt64(bytes.count), content: Digest(of: bytes, domain: ""))
                })
            return .roundContext(
                roster: Digest(of: [], domain: "roster"), inputs: blobs.hash, task: Digest(of: [], domain: "task"),
                round: 1)
        }
        #expect(try context([7]) != (try context([8])))
        try Self.refusesEverything(of: AttackedRound(4, context: "with 8"), at: AttackedRound(4, context: "with 7"))
        let secret = SecretBytes(copying: [UInt8](repeating: 5, count: 32))
        let keys = try [[7], [8]].map { try secret.derived(context: context($0), info: []).exposedBytes() }
        #expect(keys[0] != keys[1])
    }

    /// Replay: each object of one round, attempt or study shown in another.
    @Test func objectsOfAnotherRoundAreRefused() throws {
        try Self.refusesEverything(of: AttackedRound(4, context: "round 1"), at: AttackedRound(4, context: "round 2"))
    }

    private static func refusesEverything(of old: AttackedRound, at new: AttackedRound) throws {
        let (oldManifest, manifest) = (try old.manifest(), try new.manifest())
        let oldInputs = try old.inputs(of: [1, 2, 3, 4], under: oldManifest)
        let set = old.set(under: oldManifest, inputs: oldInputs)
        var site = try new.acknowledged(1)
        #expect(throws: SecureSumError.otherContext) { try site.machine.receive(oldManifest) }
        try site.take { try $0.receive(manifest) }
        #expect(throws: SecureSumError.otherContext) { try site.machine.inputReady(oldInputs[0]) }
        try site.take { try $0.inputReady(try new.input(1, under: manifest)) }
        #expect(throws: SecureSumError.otherContext) {
            try site.machine.receive(old.proposal(under: oldManifest, inputs: oldInputs), inputs: oldInputs)
        }
        // Old inputs under a new set are not its inputs.
        var mixed = new.set(under: manifest, inputs: oldInputs)
        mixed.manifest = manifest.hash
        #expect(throws: SecureSumError.otherManifest) {
            try site.machine.receive(SetProposal(set: mixed, signedBy: new.aggregator), inputs: oldInputs)
        }
        #expect(throws: SecureSumError.otherContext) {
            try site.machine.receive(old.certificate(set), inputs: oldInputs)
        }
        #expect(throws: SecureSumError.otherContext) {
            try site.machine.receive(old.voidCertificate(by: [1, 2, 3, 4]))
        }
        let result = try RoundResult(
            context: old.rules.context, set: set.hash, sum: old.header(1), nextModel: nil, signedBy: old.aggregator)
        #expect(throws: SecureSumError.otherContext) { try site.machine.receive(result) }
        #expect(site.state == .exposed)
        var server = AggregatorRoundStateMachine(rules: new.rules)
        #expect(throws: SecureSumError.otherContext) { try server.signed(oldManifest) }
        _ = try server.signed(manifest)
        #expect(throws: SecureSumError.otherManifest) { try server.receive(oldInputs[0]) }
    }
}
