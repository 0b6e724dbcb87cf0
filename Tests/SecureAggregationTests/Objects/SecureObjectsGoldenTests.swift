// SPDX-License-Identifier: Apache-2.0
// Our bytes, hashes and signatures of a secure round equal those that a Python program computed from the page.

import Federation
import SecureAggregation
import Testing

@Suite struct SecureObjectsGoldenTests {
    private let fixture: GoldenFixture

    init() throws { fixture = try GoldenFixture() }
}

// MARK: What the round is bound to

extension SecureObjectsGoldenTests {
    @Test func rosterIsReadAndHashedAsPublished() throws {
        let roster = try SecureRoster(bytes: golden(fixture.round.roster.bytes))
        #expect(roster.bytes == (try golden(fixture.round.roster.bytes)))
        #expect(roster.hash == (try goldenDigest(fixture.round.roster.hash)))
        try roster.check()
        #expect(roster.statementKeys == fixture.statementKeys.map(\.publicKey))
        for position in 1...7 {
            let keys = try #require(fixture.file.keys.sites["\(position)"])
            let entry = try #require(roster.entry(at: position))
            #expect(entry.site.rawValue == keys.site)
            #expect(entry.witnessKey.bytes == (try golden(keys.witness)))
            // The private key expands from its seed to the published one.
            guard case .present(let offer) = entry.presence else { throw SecureSumError.malformed }
            #expect(offer.envelopeKey == (try fixture.envelopeKey(position).publicKey))
            // Made here from the same parts, the entry has the same signature.
            let made = try SecureRoster.Entry(
                entry.site, of: roster.federation, certificate: entry.certificate,
                statementKey: fixture.statementKeys[position - 1], witnessKey: entry.witnessKey, epoch: entry.epoch,
                envelopeKey: offer.envelopeKey, nonceCommitment: nil, notAfter: offer.notAfter)
            #expect(made == entry)
        }
    }

    /// One roster with a rotation, one with vouches for a changed and for a new member.
    @Test func changedKeysAreReadAndExplainedAsPublished() throws {
        let before = try SecureRoster(bytes: golden(fixture.round.roster.bytes))
        for given in [fixture.file.rosters.rotation, fixture.file.rosters.vouches] {
            let roster = try SecureRoster(bytes: golden(given.bytes))
            #expect(roster.bytes == (try golden(given.bytes)))
            #expect(roster.hash == (try goldenDigest(given.hash)) && roster.previous == before.hash)
            try roster.check()
            #expect(roster.unexplainedSites(after: before).isEmpty)
            let changed = roster.entries.filter { $0.change != nil }
            #expect(changed.map(\.site.rawValue) == given.changed)
            // Without the signatures nobody stands up for the keys.
            var entries = roster.entries
            for index in entries.indices { entries[index].change = nil }
            let bare = try SecureRoster(
                federation: roster.federation, study: roster.study, epoch: roster.epoch, previous: roster.previous,
                denyNumber: roster.denyNumber, denyHash: roster.denyHash, entries: entries)
            #expect(bare.unexplainedSites(after: before).map(\.rawValue) == given.changed)
        }
    }

    @Test func inputsTaskAndContextAreAsPublished() throws {
        let blobs = try InputBlobs(
            fixture.round.inputs.blobs.map { name, content in
                let bytes = try golden(content)
                return InputBlobs.Blob(
                    name: name, byteCount: UInt64(bytes.count), content: Digest(of: bytes, domain: ""))
            })
        #expect(blobs.hash == (try goldenDigest(fixture.round.inputs.modelHash)))
        let given = fixture.round.task
        let task = try SecureTask(
            study: goldenDigest(given.study), releaseClass: #require(SecureTask.ReleaseClass(rawValue: given.kind)),
            attempt: given.attempt, plan: goldenDigest(given.plan),
            sections: given.sections.map {
                SecureTask.Section(entries: $0[0], ringBits: UInt8($0[1]), valueBits: UInt8($0[2]))
            },
            numbers: SecureTask.Numbers(
                sites: given.n, quorum: given.quorum, threshold: given.threshold, neighbours: given.neighbours,
                windowMinimum: given.window, minSurvivors: given.minSurvivors, minimumHonest: given.minimumHonest,
                colluders: given.colluders, maxLoneDifferences: given.maxLoneDifferences),
            required: PositionSet(rosterCount: given.n, given.required), isStrict: given.strict == 1,
            privacyPolicy: goldenDigest(given.policy))
        #expect(task.bytes == (try golden(given.bytes)))
        #expect(task.hash == (try goldenDigest(given.hash)))
        #expect(try SecureTask(bytes: golden(given.bytes)) == task)
        #expect(task.sections.last == .checkLanes)
        let context = Digest.roundContext(
            roster: try goldenDigest(fixture.round.roster.hash), inputs: blobs.hash, task: task.hash,
            round: fixture.round.number)
        #expect(context == (try goldenDigest(fixture.round.context)))
    }

    @Test func revealsGiveTheGraphKey() throws {
        let row = fixture.file.graph.defaultRow
        let reveals = try row.reveals.map { try golden($0) }
        #expect(RosterReveals.commitment(to: reveals[0]) == (try goldenDigest(row.revealCommitment1)))
        let key = RosterReveals.graphKey(draft: try goldenDigest(row.draftHash), reveals: reveals.flatMap { $0 })
        #expect(key == (try goldenDigest(row.key)))
    }
}

// MARK: Dealing

extension SecureObjectsGoldenTests {
    @Test func seedsSharesAndHeadersAreAsPublished() throws {
        for dealer in 1...7 {
            let given = try fixture.deal(dealer)
            let secrets = DealSecrets(
                root: SecretBytes(copying: try golden(given.rho)), context: fixture.rules.context,
                partners: Array(dealer..<7).map { $0 + 1 })
            let seeds = try fixture.rules.seeds(of: dealer, from: secrets)
            try expect(seeds, equal: given, partners: secrets.partners)
            try expectHeader(
                of: dealer, signedBy: fixture.statementKeys[dealer - 1], holders: Array(1...7), seeds: seeds,
                context: fixture.rules.context, equals: given)
        }
    }

    /// Four of eleven are neighbours: lists and indices go by them.
    @Test func sparseDealIsAsPublished() throws {
        let small = fixture.file.graph.small
        let context = try goldenDigest(small.deal.context)
        let holders = NeighbourGraph.ring(order: small.order, neighbours: small.k)
            .closedNeighbourhood(of: small.deal.dealer)
        let secrets = DealSecrets(
            root: SecretBytes(copying: try golden(fixture.smallDeal.rho)), context: context,
            partners: holders.filter { $0 > small.deal.dealer })
        let seeds = try DealtSeeds(secrets, holders: holders, threshold: 4)
        try expect(seeds, equal: fixture.smallDeal, partners: secrets.partners)
        let key = try #require(StatementKey(seed: Digest(of: Array("graph dealer".utf8), domain: "").bytes))
        #expect(key.publicKey.bytes == (try golden(small.deal.statement)))
        try expectHeader(
            of: small.deal.dealer, signedBy: key, holders: holders, seeds: seeds, context: context,
            equals: fixture.smallDeal)
    }

    private func expect(_ seeds: DealtSeeds, equal given: GoldenRound.Deal, partners: [Position]) throws {
        #expect(seeds.selfSeed == HeldSecret(copying: try golden(given.selfSeed)))
        #expect(seeds.pairSeeds == (try partners.map { HeldSecret(copying: try golden(given.pairSeeds["\($0)"])) }))
        #expect(seeds.items.count == given.items.count)
        for (holder, items) in seeds.items {
            #expect(items == (try #require(given.items["\(holder)"]).map { try golden($0) }))
        }
    }

    private func expectHeader(
        of dealer: Position, signedBy key: StatementKey, holders: [Position], seeds: DealtSeeds, context: Digest,
        equals given: GoldenRound.Deal
    ) throws {
        let commitments = try given.commitments.map { try goldenDigest($0) }
        #expect(
            ([seeds.selfSeed] + seeds.pairSeeds).map { .commitment(to: $0.secret, context: context) } == commitments)
        let roots = try holders.map { holder in
            let tree = ShareTree(
                items: try #require(seeds.items[holder]), context: context, dealer: dealer, holder: holder)
            #expect(tree.root == (try goldenDigest(given.shareRoots["\(holder)"])))
            return tree.root
        }
        let header = try DealHeader(
            context: context, dealer: dealer, selfCommitment: commitments[0],
            pairCommitments: Array(commitments.dropFirst()),
            envelopeHashes: holders.filter { $0 != dealer }.map {
                Digest(of: try golden(given.envelopes["\($0)"]), domain: "")
            }, shareRoots: roots, signedBy: key)
        #expect(header.bytes == (try golden(given.header)))
        #expect(try DealHeader(bytes: header.bytes) == header)
    }

    @Test func foreignEnvelopesOpenAndHoldWhatTheyMust() throws {
        for dealer in 1...7 {
            for holder in 1...7 where holder != dealer {
                let given = try fixture.deal(dealer)
                let received = try fixture.rules.checkDeal(
                    fixture.header(dealer), envelope: golden(given.envelopes["\(holder)"]), from: dealer, to: holder,
                    with: fixture.envelopeKey(holder))
                let plaintext = received.shares.flatMap { $0 } + (received.pairSeed?.secret.exposedBytes() ?? [])
                #expect(plaintext == (try golden(given.plaintexts["\(holder)"])))
            }
        }
    }

    @Test func acknowledgementsAndManifestAreAsPublished() throws {
        for position in 1...7 {
            var others = PositionSet.full(7)
            others.remove(position)
            let made = try DealAcknowledgement(
                context: fixture.rules.context, site: position, accepted: others, complaints: [],
                signedBy: fixture.statementKeys[position - 1])
            #expect(made.bytes == (try golden(fixture.site(position).ack)))
            #expect(try DealAcknowledgement(bytes: made.bytes, rosterCount: 7) == made)
        }
        let refusing = try DealAcknowledgement(bytes: golden(fixture.round.refusingAck), rosterCount: 7)
        #expect(
            refusing.isSigned(by: fixture.statementKeys[1].publicKey) && refusing.accepted.positions == [1, 3, 4, 6, 7])
        #expect(refusing.complaints == [.init(dealer: 5, code: .unopened, header: try fixture.header(5).hash)])
        let made = try Manifest(
            context: fixture.rules.context, dealers: PositionSet(rosterCount: 7, fixture.round.v1),
            headers: (1...7).map { try fixture.header($0).hash }, signedBy: fixture.aggregator)
        #expect(made.bytes == (try golden(fixture.round.manifest)))
        #expect(made.hash == (try goldenDigest(fixture.round.manifestHash)))
        #expect(try fixture.manifest == made)
        try fixture.rules.check(made)
    }
}

// MARK: Input, set, release

extension SecureObjectsGoldenTests {
    @Test func inputsAndReceiptsAreAsPublished() throws {
        for position in 1...7 {
            let made = try InputStatement(
                context: fixture.rules.context, manifest: fixture.manifest.hash, site: position, entries: 15,
                root: goldenDigest(fixture.site(position).root), signedBy: fixture.statementKeys[position - 1])
            #expect(made.bytes == (try golden(fixture.site(position).input)))
            guard let given = try fixture.site(position).receipt else { continue }
            let receipt = try UploadReceipt(
                context: fixture.rules.context, input: made.hash, signedBy: fixture.aggregator)
            #expect(receipt.bytes == (try golden(given)))
            #expect(try UploadReceipt(bytes: receipt.bytes).isSigned(by: fixture.aggregator.publicKey))
        }
    }

    @Test func setProposalAndCertificateAreAsPublished() throws {
        let inputs = try fixture.inputs(fixture.round.survivors)
        let made = SurvivorSet(
            context: fixture.rules.context, manifest: try fixture.manifest.hash,
            survivors: PositionSet(rosterCount: 7, fixture.round.survivors), inputs: SurvivorSet.hash(of: inputs))
        #expect(made.inputs == (try goldenDigest(fixture.round.inputsHash)))
        #expect(made.bytes == (try golden(fixture.round.set)))
        #expect(made.hash == (try goldenDigest(fixture.round.setHash)))
        let proposal = try SetProposal(set: made, signedBy: fixture.aggregator)
        #expect(proposal.bytes == (try golden(fixture.round.proposal)))
        try fixture.rules.check(
            SetProposal(bytes: proposal.bytes, rosterCount: 7), inputs: inputs, boundTo: fixture.manifest, verifier: nil
        )
        let signatures = try fixture.round.responders.map { position in
            try PositionSignature(position: position, over: made.bytes, signedBy: fixture.statementKeys[position - 1])
        }
        #expect(signatures[0].signature == (try golden(fixture.site(1).setSignature)))
        let certificate = SetCertificate(set: made, signatures: signatures)
        #expect(certificate.bytes == (try golden(fixture.round.certificate)))
        try fixture.rules.check(SetCertificate(bytes: certificate.bytes, rosterCount: 7))
    }

    @Test func voidCertificateIsAsPublished() throws {
        let context = try goldenDigest(fixture.round.void.context)
        let statement = VoidCertificate.statement(context)
        #expect(statement == (try golden(fixture.round.void.bytes)))
        #expect(Digest(of: statement, domain: "") == (try goldenDigest(fixture.round.void.hash)))
        let certificate = try VoidCertificate(bytes: golden(fixture.round.void.certificate), rosterCount: 7)
        #expect(certificate.bytes == (try golden(fixture.round.void.certificate)))
        #expect(certificate.context == context)
        #expect(certificate.signatures.map(\.position) == [1, 2, 3, 5, 7])
        for one in certificate.signatures {
            #expect(one.verifies(statement, by: fixture.statementKeys[one.position - 1].publicKey))
        }
    }

    @Test func releasesAreMadeAndJudgedAsPublished() throws {
        for holder in fixture.round.responders {
            let held = try (1...7).map { dealer in
                (dealer, try #require(fixture.deal(dealer).items["\(holder)"]).map { try golden($0) })
            }
            let release = try fixture.rules.release(
                for: fixture.set, plan: fixture.plan, holder: holder, held: Dictionary(uniqueKeysWithValues: held),
                signedBy: fixture.statementKeys[holder - 1])
            #expect(release.bytes == (try golden(fixture.site(holder).shares)))
            #expect(try ShareRelease(bytes: release.bytes) == release)
            #expect(
                try fixture.rules.check(release, for: fixture.set, plan: fixture.plan, headers: fixture.headers) == nil)
        }
    }

    @Test func secretsComeOutAsPublished() throws {
        let releases = try fixture.round.responders.map { try ShareRelease(bytes: golden(fixture.site($0).shares)) }
        #expect(try fixture.plan.secrets == fixture.round.rebuilt.map { SecretID(dealer: $0.dealer, index: $0.index) })
        for given in fixture.round.rebuilt {
            let secret = SecretID(dealer: given.dealer, index: given.index)
            let shares = try releases.map { release in
                let item = try #require(release.items.first { $0.secret == secret })
                return ReleasedShare(holder: release.site, share: item.share, path: item.path)
            }
            switch fixture.rules.rebuild(secret, header: try fixture.header(given.dealer), from: shares) {
            case .seed(let seed): #expect(seed.exposedBytes() == (try golden(given.secret)))
            case .blamed: Issue.record("an honest dealer was blamed")
            }
        }
    }

    @Test func sparseReleasesFollowTheRule() throws {
        let small = fixture.file.graph.small
        let plan = UnmaskingPlan(
            graph: .ring(order: small.order, neighbours: small.k),
            dealers: try #require(PositionSet(rosterCount: 12, bitmap: golden(small.released.v1))),
            survivors: try #require(PositionSet(rosterCount: 12, bitmap: golden(small.released.survivors))))
        for holder in 1...12 {
            let expected = try #require(small.released.items["\(holder)"])
            #expect(plan.secrets(heldBy: holder) == expected.map { SecretID(dealer: $0[0], index: UInt32($0[1])) })
        }
    }

    @Test func resultIsAsPublished() throws {
        let made = try RoundResult(
            context: fixture.rules.context, set: fixture.set.hash, sum: goldenDigest(fixture.round.sumHash),
            nextModel: Digest(of: golden(fixture.round.nextModel), domain: ""), signedBy: fixture.aggregator)
        #expect(made.bytes == (try golden(fixture.round.result)))
        #expect(try RoundResult(bytes: made.bytes) == made)
    }
}
