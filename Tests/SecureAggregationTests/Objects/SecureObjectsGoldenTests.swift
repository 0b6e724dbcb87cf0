// SPDX-License-Identifier: Apache-2.0
// Our bytes, hashes and signatures of a secure round equal those that a Python program computed from the page.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct SecureObjectsGoldenTests {
    private let file: GoldenRound
    private let deals: [String: GoldenRound.Deal]
    private let smallDeal: GoldenRound.Deal
    private let rules: RoundRules
    private let statementKeys: [StatementKey]
    private let aggregator: StatementKey

    private var round: GoldenRound.Round { file.round }

    init() throws {
        let file = try GoldenRound.load()
        self.file = file
        (deals, smallDeal) = try GoldenRound.deals()
        statementKeys = try (1...7).map {
            try #require(StatementKey(seed: golden(file.keys.sites["\($0)"]?.statementSeed)))
        }
        aggregator = try #require(StatementKey(seed: golden(file.keys.aggregator.seed)))
        let task = try SecureTask(bytes: golden(file.round.task.bytes))
        let parameters = try SumParameters(checking: task.numbers)
        rules = RoundRules(
            context: try goldenDigest(file.round.context), parameters: parameters, graph: .complete(7),
            terms: RoundTerms(task: task), statementKeys: statementKeys.map(\.publicKey),
            aggregatorKey: aggregator.publicKey)
    }

    private func site(_ position: Position) throws -> GoldenRound.Site { try #require(round.sites["\(position)"]) }
    private func deal(_ position: Position) throws -> GoldenRound.Deal { try #require(deals["\(position)"]) }
    private func envelopeKey(_ position: Position) throws -> EnvelopePrivateKey {
        try EnvelopePrivateKey(seed: golden(file.keys.sites["\(position)"]?.xwingSeed))
    }

    private var manifest: Manifest { get throws { try Manifest(bytes: golden(round.manifest), rosterCount: 7) } }
    private var set: SurvivorSet { get throws { try SurvivorSet(bytes: golden(round.set), rosterCount: 7) } }
    private var plan: UnmaskingPlan {
        get throws { UnmaskingPlan(graph: .complete(7), dealers: try manifest.dealers, survivors: try set.survivors) }
    }
    private func header(_ dealer: Position) throws -> DealHeader { try DealHeader(bytes: golden(deal(dealer).header)) }
    private var headers: [Position: DealHeader] {
        get throws { Dictionary(uniqueKeysWithValues: try (1...7).map { ($0, try header($0)) }) }
    }
    private func inputs(_ positions: [Position]) throws -> [InputStatement] {
        try positions.map { try InputStatement(bytes: golden(site($0).input)) }
    }
}

// MARK: What the round is bound to

extension SecureObjectsGoldenTests {
    @Test func rosterIsReadAndHashedAsPublished() throws {
        let roster = try SecureRoster(bytes: golden(round.roster.bytes))
        #expect(roster.bytes == (try golden(round.roster.bytes)))
        #expect(roster.hash == (try goldenDigest(round.roster.hash)))
        try roster.check()
        #expect(roster.statementKeys == statementKeys.map(\.publicKey))
        for position in 1...7 {
            let keys = try #require(file.keys.sites["\(position)"])
            let entry = try #require(roster.entry(at: position))
            #expect(entry.site.rawValue == keys.site)
            #expect(entry.witnessKey.bytes == (try golden(keys.witness)))
            // The private key expands from its seed to the published one.
            guard case .present(let offer) = entry.presence else { throw SecureSumError.malformed }
            #expect(offer.envelopeKey == (try envelopeKey(position).publicKey))
            // Made here from the same parts, the entry has the same signature.
            let made = try SecureRoster.Entry(
                entry.site, of: roster.federation, certificate: entry.certificate,
                statementKey: statementKeys[position - 1], witnessKey: entry.witnessKey, epoch: entry.epoch,
                envelopeKey: offer.envelopeKey, nonceCommitment: nil, notAfter: offer.notAfter)
            #expect(made == entry)
        }
    }

    @Test func inputsTaskAndContextAreAsPublished() throws {
        let blobs = try InputBlobs(
            round.inputs.blobs.map { name, content in
                let bytes = try golden(content)
                return InputBlobs.Blob(
                    name: name, byteCount: UInt64(bytes.count), content: Digest(of: bytes, domain: ""))
            })
        #expect(blobs.hash == (try goldenDigest(round.inputs.modelHash)))
        let given = round.task
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
            roster: try goldenDigest(round.roster.hash), inputs: blobs.hash, task: task.hash, round: round.number)
        #expect(context == (try goldenDigest(round.context)))
    }

    @Test func revealsGiveTheGraphKey() throws {
        let row = file.graph.defaultRow
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
            let given = try deal(dealer)
            let secrets = DealSecrets(
                root: SecretBytes(copying: try golden(given.rho)), context: rules.context,
                partners: Array(dealer..<7).map { $0 + 1 })
            let seeds = try rules.seeds(of: dealer, from: secrets)
            try expect(seeds, equal: given, partners: secrets.partners)
            try expectHeader(of: dealer, holders: Array(1...7), seeds: seeds, context: rules.context, equals: given)
        }
    }

    /// Four of eleven are neighbours: lists and indices go by them.
    @Test func sparseDealIsAsPublished() throws {
        let small = file.graph.small
        let context = try goldenDigest(small.deal.context)
        let holders = NeighbourGraph.ring(order: small.order, neighbours: small.k)
            .closedNeighbourhood(of: small.deal.dealer)
        let secrets = DealSecrets(
            root: SecretBytes(copying: try golden(smallDeal.rho)), context: context,
            partners: holders.filter { $0 > small.deal.dealer })
        let seeds = try DealtSeeds(secrets, holders: holders, threshold: 4)
        try expect(seeds, equal: smallDeal, partners: secrets.partners)
        try expectHeader(of: small.deal.dealer, holders: holders, seeds: seeds, context: context, equals: smallDeal)
    }

    private func expect(_ seeds: DealtSeeds, equal given: GoldenRound.Deal, partners: [Position]) throws {
        #expect(seeds.selfSeed == (try golden(given.selfSeed)))
        #expect(seeds.pairSeeds == (try partners.map { try golden(given.pairSeeds["\($0)"]) }))
        #expect(seeds.items.count == given.items.count)
        for (holder, items) in seeds.items {
            #expect(items == (try #require(given.items["\(holder)"]).map { try golden($0) }))
        }
    }

    private func expectHeader(
        of dealer: Position, holders: [Position], seeds: DealtSeeds, context: Digest, equals given: GoldenRound.Deal
    ) throws {
        let commitments = try given.commitments.map { try goldenDigest($0) }
        #expect(([seeds.selfSeed] + seeds.pairSeeds).map { .commitment(to: $0, context: context) } == commitments)
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
            }, shareRoots: roots, signedBy: statementKeys[dealer - 1])
        #expect(header.bytes == (try golden(given.header)))
        #expect(try DealHeader(bytes: header.bytes) == header)
    }

    @Test func foreignEnvelopesOpenAndHoldWhatTheyMust() throws {
        for dealer in 1...7 {
            for holder in 1...7 where holder != dealer {
                let given = try deal(dealer)
                let received = try rules.checkDeal(
                    header(dealer), envelope: golden(given.envelopes["\(holder)"]), from: dealer, to: holder,
                    with: envelopeKey(holder))
                let plaintext = received.shares.flatMap { $0 } + (received.pairSeed ?? [])
                #expect(plaintext == (try golden(given.plaintexts["\(holder)"])))
            }
        }
    }

    @Test func acknowledgementsAndManifestAreAsPublished() throws {
        for position in 1...7 {
            var others = PositionSet.full(7)
            others.remove(position)
            let made = try DealAcknowledgement(
                context: rules.context, site: position, accepted: others, complaints: [],
                signedBy: statementKeys[position - 1])
            #expect(made.bytes == (try golden(site(position).ack)))
            #expect(try DealAcknowledgement(bytes: made.bytes, rosterCount: 7) == made)
        }
        let refusing = try DealAcknowledgement(bytes: golden(round.refusingAck), rosterCount: 7)
        #expect(refusing.isSigned(by: statementKeys[1].publicKey) && refusing.accepted.positions == [1, 3, 4, 6, 7])
        #expect(refusing.complaints == [.init(dealer: 5, code: .unopened, header: try header(5).hash)])
        let made = try Manifest(
            context: rules.context, dealers: PositionSet(rosterCount: 7, round.v1),
            headers: (1...7).map { try header($0).hash }, signedBy: aggregator)
        #expect(made.bytes == (try golden(round.manifest)))
        #expect(made.hash == (try goldenDigest(round.manifestHash)))
        #expect(try manifest == made)
        try rules.check(made)
    }
}

// MARK: Input, set, release

extension SecureObjectsGoldenTests {
    @Test func inputsAndReceiptsAreAsPublished() throws {
        for position in 1...7 {
            let made = try InputStatement(
                context: rules.context, manifest: manifest.hash, site: position, entries: 15,
                root: goldenDigest(site(position).root), signedBy: statementKeys[position - 1])
            #expect(made.bytes == (try golden(site(position).input)))
            guard let given = try site(position).receipt else { continue }
            let receipt = try UploadReceipt(context: rules.context, input: made.hash, signedBy: aggregator)
            #expect(receipt.bytes == (try golden(given)))
            #expect(try UploadReceipt(bytes: receipt.bytes).isSigned(by: aggregator.publicKey))
        }
    }

    @Test func setProposalAndCertificateAreAsPublished() throws {
        let inputs = try inputs(round.survivors)
        let made = SurvivorSet(
            context: rules.context, manifest: try manifest.hash,
            survivors: PositionSet(rosterCount: 7, round.survivors), inputs: SurvivorSet.hash(of: inputs))
        #expect(made.inputs == (try goldenDigest(round.inputsHash)))
        #expect(made.bytes == (try golden(round.set)))
        #expect(made.hash == (try goldenDigest(round.setHash)))
        let proposal = try SetProposal(set: made, signedBy: aggregator)
        #expect(proposal.bytes == (try golden(round.proposal)))
        try rules.check(
            SetProposal(bytes: proposal.bytes, rosterCount: 7), inputs: inputs, boundTo: manifest, verifier: nil)
        let signatures = try round.responders.map { position in
            try PositionSignature(position: position, over: made.bytes, signedBy: statementKeys[position - 1])
        }
        #expect(signatures[0].signature == (try golden(site(1).setSignature)))
        let certificate = SetCertificate(set: made, signatures: signatures)
        #expect(certificate.bytes == (try golden(round.certificate)))
        try rules.check(SetCertificate(bytes: certificate.bytes, rosterCount: 7))
    }

    @Test func voidCertificateIsAsPublished() throws {
        let context = try goldenDigest(round.void.context)
        let statement = VoidCertificate.statement(context)
        #expect(statement == (try golden(round.void.bytes)))
        #expect(Digest(of: statement, domain: "") == (try goldenDigest(round.void.hash)))
        let certificate = try VoidCertificate(bytes: golden(round.void.certificate), rosterCount: 7)
        #expect(certificate.bytes == (try golden(round.void.certificate)))
        #expect(certificate.context == context)
        #expect(certificate.signatures.map(\.position) == [1, 2, 3, 5, 7])
        for one in certificate.signatures {
            #expect(one.verifies(statement, by: statementKeys[one.position - 1].publicKey))
        }
    }

    @Test func releasesAreMadeAndJudgedAsPublished() throws {
        for holder in round.responders {
            let held = try (1...7).map { dealer in
                (dealer, try #require(deal(dealer).items["\(holder)"]).map { try golden($0) })
            }
            let release = try rules.release(
                for: set, plan: plan, holder: holder, held: Dictionary(uniqueKeysWithValues: held),
                signedBy: statementKeys[holder - 1])
            #expect(release.bytes == (try golden(site(holder).shares)))
            #expect(try ShareRelease(bytes: release.bytes) == release)
            #expect(try rules.check(release, for: set, plan: plan, headers: headers) == nil)
        }
    }

    @Test func secretsComeOutAsPublished() throws {
        let releases = try round.responders.map { try ShareRelease(bytes: golden(site($0).shares)) }
        #expect(try plan.secrets == round.rebuilt.map { SecretID(dealer: $0.dealer, index: $0.index) })
        for given in round.rebuilt {
            let secret = SecretID(dealer: given.dealer, index: given.index)
            let shares = try releases.map { release in
                let item = try #require(release.items.first { $0.secret == secret })
                return ReleasedShare(holder: release.site, share: item.share, path: item.path)
            }
            switch rules.rebuild(secret, header: try header(given.dealer), from: shares) {
            case .seed(let seed): #expect(seed.exposedBytes() == (try golden(given.secret)))
            case .blamed: Issue.record("an honest dealer was blamed")
            }
        }
    }

    @Test func sparseReleasesFollowTheRule() throws {
        let small = file.graph.small
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
            context: rules.context, set: set.hash, sum: goldenDigest(round.sumHash),
            nextModel: Digest(of: golden(round.nextModel), domain: ""), signedBy: aggregator)
        #expect(made.bytes == (try golden(round.result)))
        #expect(try RoundResult(bytes: made.bytes) == made)
    }
}

// MARK: What must be refused

extension SecureObjectsGoldenTests {
    /// These are good in themselves; what a site did before excludes them, which its state machine tests.
    private static let refusedByState: Set = ["second manifest", "second proposal", "void after release"]

    @Test func everyBadObjectIsRefused() throws {
        #expect(file.negative.count >= 75)
        for one in file.negative where !Self.refusedByState.contains(one.name) {
            do {
                if try accepts(one) { Issue.record("accepted: \(one.name)") }
            } catch is SecureSumError {
                continue
            } catch is SharingError {
                continue
            }
        }
    }

    /// False where somebody is blamed; throws where the object is refused.
    private func accepts(_ one: GoldenRound.Negative) throws -> Bool {
        let bytes = try golden(one.bytes)
        switch one.object {
        case "roster": try SecureRoster(bytes: bytes).check()
        case "task": _ = try SecureTask(bytes: bytes)
        case "header": try rules.checkHeader(DealHeader(bytes: bytes), from: 1)
        case "ack": _ = try DealAcknowledgement(bytes: bytes, rosterCount: 7)
        case "manifest":
            let manifest = try Manifest(bytes: bytes, rosterCount: 7)
            try rules.check(manifest)
            return try (1...7).allSatisfy { try manifest.header(of: $0) == header($0).hash }
        case "input": return try InputStatement(bytes: bytes).manifest == manifest.hash
        case "proposal":
            let proposal = try SetProposal(bytes: bytes, rosterCount: 7)
            let manifest = try one.manifest.map { try Manifest(bytes: golden($0), rosterCount: 7) } ?? self.manifest
            try rules.check(
                proposal, inputs: inputs(proposal.set.survivors.positions), boundTo: manifest, verifier: nil)
        case "certificate": try rules.check(SetCertificate(bytes: bytes, rosterCount: 7))
        case "void certificate":
            let certificate = try VoidCertificate(bytes: bytes, rosterCount: 7)
            if certificate.signatures.count < rules.parameters.quorum { throw SecureSumError.noQuorum }
        case "shares":
            return try rules.check(ShareRelease(bytes: bytes), for: set, plan: plan, headers: headers) == nil
        case "result": _ = try RoundResult(bytes: bytes)
        case "rebuild":
            let shares = try #require(one.shares).map { (try #require(Int($0.key)), try golden($0.value)) }
            let interpolation = ShareInterpolation(positions: shares.map(\.0))
            _ = try interpolation.secret(from: shares.map(\.1))
        case "plaintext", "envelope": return try acceptsSealed(one, bytes)
        default: Issue.record("an object of another kind: \(one.object)")
        }
        return true
    }

    private func acceptsSealed(_ one: GoldenRound.Negative, _ bytes: [UInt8]) throws -> Bool {
        let dealer = try #require(one.dealer)
        let holder = try #require(one.holder)
        let content: EnvelopeContent
        if one.object == "plaintext" {
            content = try EnvelopeContent(bytes: bytes, shareCount: 8 - dealer, hasPairSeed: dealer < holder)
        } else {
            content = try Envelope.open(
                bytes, with: envelopeKey(#require(one.key)), context: rules.context, dealer: dealer, holder: holder,
                shareCount: 8 - dealer)
        }
        return content.shares.allSatisfy { ShareItem.elements(of: $0) != nil }
    }
}
