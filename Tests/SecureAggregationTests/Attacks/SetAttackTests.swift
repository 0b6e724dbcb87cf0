// SPDX-License-Identifier: Apache-2.0
// Attacks on who is in a sum: different sets for different sites, sets chosen against one site, stolen signatures.

import Federation
import SecureAggregation
import Testing

@Suite struct SetAttackTests {
    // MARK: A1: no agreed V1

    /// First form: v is told that all other dealers failed, and would mask with its self seed alone.
    @Test func a1_aSiteThatIsToldAllOthersFailedDoesNotMask() throws {
        let round = try AttackedRound(4)
        var victim = try round.acknowledged(1)
        for dealers in [[1], [1, 2]] {
            #expect(throws: SecureSumError.inadmissibleSet) { try victim.machine.receive(round.manifest(of: dealers)) }
        }
        #expect(victim.state == .acknowledged)
        // Envelopes withheld from it, and a manifest that says they were not: it refuses, and nothing was uploaded.
        var cut = try round.acknowledged(1, accepting: [2])
        try cut.take { try $0.receive(try round.manifest()) }
        #expect(cut.state == .closed(.refused) && cut.update.state == .fresh)
    }

    /// Second form: n = 4, site 4 colludes, site 1 is shown {1,3,4} and site 2 {2,3,4}; U = {1,2,4}.
    @Test func a1_twoManifestsGiveNoCommonSet() throws {
        let round = try AttackedRound(4)
        let (first, second) = (try round.manifest(of: [1, 3, 4]), try round.manifest(of: [2, 3, 4]))
        var one = try round.exposed(1, under: first)
        let mixed = [
            try round.input(1, under: first), try round.input(2, under: second), try round.input(4, under: first),
        ]
        #expect(throws: SecureSumError.survivorNotInManifest) {
            try one.machine.receive(round.proposal(under: first, inputs: mixed), inputs: mixed)
        }
        #expect(throws: SecureSumError.otherManifest) {
            try one.machine.receive(round.proposal(under: second, inputs: mixed), inputs: mixed)
        }
        // Site 3 can be shown one of them only: the other is evidence, and ends the context.
        var three = try round.bound(3, to: first)
        let actions = try three.take { try $0.receive(second) }
        #expect(actions.contains(.report(.twoManifests(first, second))) && three.state == .closed(.refused))
        // A set whose inputs stand under two manifests is not signed either.
        let inputs = [
            try round.input(1, under: first), try round.input(3, under: second), try round.input(4, under: first),
        ]
        #expect(throws: SecureSumError.otherManifest) {
            try one.machine.receive(round.proposal(under: first, inputs: inputs), inputs: inputs)
        }
    }

    // MARK: A3: sets chosen after the graph is known

    /// The aggregator declares the honest neighbours of one site late, or two runs of the ring.
    @Test(arguments: ["isolation", "arcs"])
    func a3_setsChosenAgainstTheGraphAreNeitherSignedNorReleasedFor(_ form: String) throws {
        let parameters = try SumParameters.standard(101)
        let graph = try NeighbourGraph(parameters, key: Digest(of: [3], domain: "attacked graph"))
        let round = try AttackedRound(101, parameters: parameters, graph: graph)
        let manifest = try round.manifest()
        let order = try #require(graph.ringOrder)
        var set = PositionSet.full(101)
        if form == "isolation" {
            for late in graph.neighbours(of: order[0]) where set.count > parameters.quorum { set.remove(late) }
        } else {
            // Half a window of each of the two runs is late, and the rest of both windows colludes.
            let half = graph.neighbourCount / 2
            for start in [0, 50] {
                for place in start..<start + half - parameters.windowMinimum + 1 { set.remove(order[place % 101]) }
            }
        }
        #expect(set.count >= parameters.quorum, "the quorum alone would allow it")
        let member = try #require(set.positions.first)
        var site = try round.exposed(member, under: manifest)
        let inputs = try round.inputs(of: set.positions, under: manifest)
        let proposal = try round.proposal(under: manifest, inputs: inputs)
        #expect(throws: SecureSumError.inadmissibleSet) { try site.machine.receive(proposal, inputs: inputs) }
        let certificate = try round.certificate(proposal.set)
        #expect(throws: SecureSumError.inadmissibleSet) { try site.machine.receive(certificate, inputs: inputs) }
        #expect(site.state == .exposed)
    }

    // MARK: A8: floors

    @Test func a8_floorsOfTheRoundBindSignersAndReleasers() throws {
        let parameters = try SumParameters.complete(10)
        let terms = RoundTerms(
            minimumSurvivors: 8, minimumHonest: 2, colluders: parameters.colluders,
            required: PositionSet(rosterCount: 10, [2]), logging: .notAwaited)
        let round = try AttackedRound(10, terms: terms)
        let manifest = try round.manifest()
        let sets: [([Position], FloorViolation)] = [
            ([1, 2, 3, 4, 5, 6, 7], .tooFewSurvivors(7, needed: 8)),
            ([1, 3, 4, 5, 6, 7, 8, 9], .missingRequired([2])),
        ]
        for (members, violation) in sets {
            var site = try round.exposed(1, under: manifest)
            let inputs = try round.inputs(of: members, under: manifest)
            let proposal = try round.proposal(under: manifest, inputs: inputs)
            #expect(throws: SecureSumError.belowFloor(violation)) {
                try site.machine.receive(proposal, inputs: inputs)
            }
            #expect(throws: SecureSumError.belowFloor(violation)) {
                try site.machine.receive(round.certificate(proposal.set), inputs: inputs)
            }
            var early = try round.acknowledged(1)
            #expect(throws: SecureSumError.belowFloor(violation)) {
                try early.machine.receive(round.manifest(of: members))
            }
        }
    }

    /// What a site alone demands could not be enforced after the upload: it does not join.
    @Test func a8_aSiteWithStricterFloorsStaysOut() throws {
        let parameters = try SumParameters.complete(10)
        let terms = RoundTerms(minimumSurvivors: 7, minimumHonest: 3, colluders: 3)
        let floors = SiteFloors(minimumSurvivors: 8, required: PositionSet(rosterCount: 10, [2]))
        #expect(
            floors.refusals(of: terms, parameters: parameters, takesExactSums: false) == [
                .tooFewSurvivors(7, needed: 8), .missingRequired([2]),
            ])
    }

    // MARK: A9 and forged certificates

    @Test func a9_onePositionIsCountedOnce() throws {
        let round = try AttackedRound(5)
        let manifest = try round.manifest()
        let inputs = try round.inputs(of: [1, 2, 3, 4], under: manifest)
        let set = round.set(under: manifest, inputs: inputs)
        var site = try round.exposed(1, under: manifest)
        func refuses(_ error: SecureSumError, _ signatures: [PositionSignature]) {
            #expect(throws: error) {
                try site.machine.receive(SetCertificate(set: set, signatures: signatures), inputs: inputs)
            }
        }
        let good = try round.certificate(set).signatures
        refuses(.noQuorum, Array(good.prefix(3)))
        refuses(.signerNotAllowed, [good[0], good[1], good[2], good[2]])
        refuses(.signerNotAllowed, [good[1], good[0], good[2], good[3]])
        // Position 4's place, 3's signature: a colluder that holds two positions must have two keys.
        refuses(
            .badSignature, [good[0], good[1], good[2], PositionSignature(position: 4, signature: good[2].signature)])
        refuses(.signerNotAllowed, [good[0], good[1], good[2], try round.signature(5, of: set.bytes)])
        refuses(
            .signerNotAllowed,
            [good[0], good[1], good[2], PositionSignature(position: 9, signature: good[3].signature)])
        // The aggregator's signature on its proposal is nobody's consent.
        let proposal = try SetProposal(set: set, signedBy: round.aggregator)
        refuses(
            .badSignature, [good[0], good[1], good[2], PositionSignature(position: 4, signature: proposal.signature)])
        // A void statement is no set signature.
        refuses(
            .badSignature,
            [good[0], good[1], good[2], try round.signature(4, of: VoidCertificate.statement(round.rules.context))])
        #expect(site.state == .exposed)
    }

    @Test func a9_forgedVoidCertificatesFreeNothing() throws {
        let round = try AttackedRound(5)
        var site = try round.exposed(1, under: round.manifest())
        var certificate = try round.voidCertificate(by: [2, 3, 4])
        #expect(throws: SecureSumError.noQuorum) { try site.machine.receive(certificate) }
        certificate = try round.voidCertificate(by: [2, 3, 4, 4])
        #expect(throws: SecureSumError.signerNotAllowed) { try site.machine.receive(certificate) }
        certificate = try round.voidCertificate(by: [2, 3, 4, 5])
        certificate.signatures[3].signature = certificate.signatures[2].signature
        #expect(throws: SecureSumError.badSignature) { try site.machine.receive(certificate) }
        #expect(!site.update.maySend)
    }

    // MARK: A20: cohorts

    /// A cohort of 12 with 7 possible colluders keeps ten members, or nothing is admissible.
    @Test func a20_theHonestMembersOfACohortCannotBeDeclaredLate() throws {
        let parameters = try SumParameters.complete(24)
        let partition = try CohortPartition(
            parameters, count: 2, minimumHonest: 3, key: Digest(of: [20], domain: "attacked cohorts"))
        var set = PositionSet.full(24)
        for late in partition.cohorts[0].positions.prefix(3) { set.remove(late) }
        #expect(NeighbourGraph.complete(24).isAdmissible(set, parameters: parameters), "as one sum it would do")
        #expect(partition.inadmissibility(of: set) == .thinCohort(index: 0, members: 9, needed: 10))
        #expect(throws: CohortPartition.Refusal.tooFewSites(23, needed: 24)) {
            try CohortPartition(.complete(23), count: 2, minimumHonest: 3, key: Digest(of: [], domain: "key"))
        }
    }
}
