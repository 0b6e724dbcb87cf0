// SPDX-License-Identifier: Apache-2.0
// Attacks on the void rule: a release beside a void, a promise that is broken, sites that vanish at the wrong moment.

import Federation
import SecureAggregation
import Testing

/// A7. Every interleaving for three and four sites, with crashes: ``HostileAggregatorExplorerTests``.
@Suite struct VoidAttackTests {
    /// Two of four signed the set and the rest vanished: the attempt is voided all the same, and then nobody releases.
    @Test func a7_signersMayStillVoidOnTheCompleteGraphAndThenDoNotRelease() throws {
        let round = try AttackedRound(4)
        let manifest = try round.manifest()
        let inputs = try round.inputs(of: [1, 2, 3, 4], under: manifest)
        let proposal = try round.proposal(under: manifest, inputs: inputs)
        let certificate = try round.certificate(proposal.set, by: [2, 3, 4])
        var site = try round.exposed(1, under: manifest)
        try site.take { try $0.receive(proposal, inputs: inputs) }
        #expect(try site.take { try $0.voidRequested() }.contains(.signVoid))
        for site in [site, site.restarted] {
            var site = site
            #expect(try site.take { try $0.receive(certificate, inputs: inputs) }.isEmpty, "it promised not to")
            #expect(throws: SecureSumError.unexpected) { try site.machine.receive(proposal, inputs: inputs) }
            #expect(try site.take { try $0.voidRequested() } == [.signVoid])
            #expect(!site.update.maySend, "its own promise alone proves nothing among four")
            try site.take { try $0.receive(try round.voidCertificate(by: [1, 2, 3])) }
            #expect(site.update.maySend)
        }
    }

    @Test func a7_whoReleasedDoesNotVoid() throws {
        let round = try AttackedRound(4)
        let manifest = try round.manifest()
        let inputs = try round.inputs(of: [1, 2, 3, 4], under: manifest)
        let certificate = try round.certificate(round.set(under: manifest, inputs: inputs))
        var site = try round.exposed(1, under: manifest)
        try site.take { try $0.receive(certificate, inputs: inputs) }
        #expect(throws: SecureSumError.unexpected) { try site.machine.voidRequested() }
        var again = site.restarted
        #expect(throws: SecureSumError.unexpected) { try again.machine.voidRequested() }
        // Fewer than a threshold released if a quorum promised not to: then the update is free.
        try again.take { try $0.receive(try round.voidCertificate(by: [2, 3, 4])) }
        #expect(again.update.maySend)
    }

    /// In a sparse graph all holders of a neighbourhood may be among those who did not promise.
    @Test func a7_inASparseGraphSignersDoNotVoid() throws {
        let parameters = try SumParameters.standard(101)
        let graph = try NeighbourGraph(parameters, key: Digest(of: [7], domain: "attacked graph"))
        let round = try AttackedRound(101, parameters: parameters, graph: graph)
        let manifest = try round.manifest()
        let all = Array(1...101)
        let inputs = try round.inputs(of: all, under: manifest)
        let proposal = try round.proposal(under: manifest, inputs: inputs)
        var site = try round.exposed(1, under: manifest)
        try site.take { try $0.receive(proposal, inputs: inputs) }
        #expect(throws: SecureSumError.unexpected) { try site.machine.voidRequested() }
        // After a release there, a void certificate frees nothing.
        try site.take { try $0.receive(try round.certificate(proposal.set), inputs: inputs) }
        try site.take { try $0.receive(try round.voidCertificate(by: Array(2...101))) }
        #expect(site.update.state == .spent)
    }

    /// Among three, nothing can be rebuilt without this site: its own promise, once on disk, is proof.
    @Test func a7_amongThreeTheOwnPromiseFrees() throws {
        let terms = RoundTerms(minimumSurvivors: 3, minimumHonest: 3, colluders: 0, logging: .notAwaited)
        let round = try AttackedRound(3, terms: terms)
        let manifest = try round.manifest()
        var site = try round.exposed(1, under: manifest)
        try site.take { try $0.voidRequested() }
        #expect(site.update.maySend && site.state == .closed(.voided))
        var again = site.restarted
        let inputs = try round.inputs(of: [1, 2, 3], under: manifest)
        #expect(throws: SecureSumError.unexpected) {
            try again.machine.receive(
                round.certificate(round.set(under: manifest, inputs: inputs)), inputs: inputs)
        }
    }
}
