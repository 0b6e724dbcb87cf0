// SPDX-License-Identifier: Apache-2.0
// A whole attempt between real state machines in one process, with losses wherever a test wants them.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

/// The legs in which a site can vanish: it does what the leg before asked of it, and nothing from this one on.
enum Leg: Int, CaseIterable, Comparable {
    case deal, acknowledge, input, sign, release, never

    static func < (left: Leg, right: Leg) -> Bool { left.rawValue < right.rawValue }
}

/// The outcome of a run.
enum LocalOutcome: Equatable {
    case sum([[Int64]], survivors: [Position])
    case degraded
    case voided
    /// Neither a sum nor a void: too many are gone.
    case stuck
}

/// All parties of one attempt.
struct LocalRound {
    let rules: RoundRules
    let layout: MaskLayout
    let sites: [LocalSite]
    fileprivate let aggregatorKey: StatementKey
    fileprivate let envelopeKeys: [EnvelopePublicKey]

    init(
        parameters: SumParameters, graph: NeighbourGraph, terms: RoundTerms, layout: MaskLayout,
        vectors: [[[Int64]]], random: inout RandomObjects
    ) throws {
        var keys: [StatementKey] = []
        var sealing: [EnvelopePrivateKey] = []
        for _ in 1...parameters.count {
            keys.append(try random.key())
            sealing.append(try EnvelopePrivateKey(seed: random.bytes(32)))
        }
        aggregatorKey = try random.key()
        rules = RoundRules(
            context: random.digest(), parameters: parameters, graph: graph, terms: terms,
            statementKeys: keys.map(\.publicKey), aggregatorKey: aggregatorKey.publicKey)
        self.layout = layout
        envelopeKeys = sealing.map(\.publicKey)
        var sites: [LocalSite] = []
        for position in 1...parameters.count {
            sites.append(
                LocalSite(
                    rules: rules, position: position, root: random.bytes(32), key: keys[position - 1],
                    envelopeKey: sealing[position - 1], vector: vectors[position - 1]))
        }
        self.sites = sites
    }

    /// Runs the attempt; each site takes part before its leg in `losses`, and is gone from there on.
    ///
    /// - Parameter crashes: after which messages the party that sent, or took, one is killed and started from its disk.
    func run(losses: [Position: Leg] = [:], crashes: CrashSchedule = CrashSchedule()) throws -> LocalOutcome {
        try Run(round: self, losses: losses, crashes: crashes).outcome()
    }

    /// The plain sum of some sites' vectors.
    func plainSum(of survivors: [Position]) -> [[Int64]] {
        let sections = layout.ring.sections.dropLast()
        return sections.indices.map { section in
            (0..<sections[section].count).map { index in
                survivors.reduce(0) { $0 + sites[$1 - 1].vector[section][index] }
            }
        }
    }
}

/// One run of a round, leg by leg.
private struct Run {
    let round: LocalRound
    let losses: [Position: Leg]
    let crashes: CrashSchedule
    private let server: LocalAggregator
    private var rules: RoundRules { round.rules }

    init(round: LocalRound, losses: [Position: Leg], crashes: CrashSchedule) {
        self.round = round
        self.losses = losses
        self.crashes = crashes
        server = LocalAggregator(rules: round.rules)
    }

    private func present(_ leg: Leg) -> [LocalSite] {
        round.sites.filter { losses[$0.position, default: .never] > leg }
    }

    /// A site's message. If the site is killed after it was sent, it says the same again.
    private func message<Message: Equatable>(
        of site: LocalSite, _ make: () throws -> Message
    ) throws -> Message {
        let first = try make()
        if crashes.strikesNext() {
            try site.restart()
            #expect(try make() == first, "the same bytes again")
        }
        return first
    }

    /// Where the aggregator may be killed after it took a message of the leg; `ask` gives it again what it lost.
    private func aggregatorMayCrash(_ ask: () throws -> Void = {}) throws {
        guard crashes.strikesNext() else { return }
        try server.restart()
        try ask()
    }

    // MARK: Legs

    func outcome() throws -> LocalOutcome {
        let deals = try deal()
        guard let manifest = try manifest(over: deals) else { return .degraded }
        let (sum, set) = try collect(under: manifest)
        guard let set else { return try void(present(.sign)) }
        guard let certificate = try certify(set) else {
            return server.state == .voiding ? try void(present(.release)) : .stuck
        }
        let responders = present(.release).filter { manifest.dealers.contains($0.position) }
        return try unmask(certificate, manifest: manifest, deals: deals, sum: sum, responders: responders)
    }

    private func deal() throws -> [Deal] {
        var deals: [Deal] = []
        for site in present(.deal) {
            let deal = try message(of: site) { try site.makeDeal(envelopeKeys: round.envelopeKeys) }
            try server.store(deal.header)
            try aggregatorMayCrash()
            deals.append(deal)
        }
        return deals
    }

    /// R1': nil where too few deals stand.
    private func manifest(over deals: [Deal]) throws -> Manifest? {
        var selected: [AggregatorRoundStateMachine.Action] = []
        var asked: [LocalSite] = []
        func take(_ site: LocalSite) throws {
            let acknowledgement = try site.acknowledge()
            selected += try server.perform { try $0.receive(acknowledgement) }
        }
        for site in present(.acknowledge) {
            for deal in deals where rules.graph.neighbours(of: site.position).contains(deal.header.dealer) {
                try site.receive(deal)
            }
            _ = try message(of: site) { try site.acknowledge() }
            try take(site)
            asked.append(site)
            try aggregatorMayCrash { for site in asked { try take(site) } }
        }
        if selected.isEmpty { selected = server.perform { $0.deadline() } }
        guard case .signManifest(let dealers, let headers)? = selected.last else { return nil }
        let manifest = try Manifest(
            context: rules.context, dealers: dealers, headers: headers, signedBy: round.aggregatorKey)
        try server.perform { try $0.signed(manifest) }
        try aggregatorMayCrash()
        return manifest
    }

    /// R2: the sum of all uploads, and the set to be proposed; nil where the attempt has to be voided.
    private func collect(under manifest: Manifest) throws -> (RingVector, SurvivorSet?) {
        var sum = RingAccumulator(layout: round.layout.ring)
        var closing: [AggregatorRoundStateMachine.Action] = []
        for site in present(.input) where manifest.dealers.contains(site.position) {
            let made = try message(of: site) { try site.upload(under: manifest, layout: round.layout) }
            guard let upload = made else { continue }
            closing = try server.perform { try $0.receive(upload.statement) }
            var contribution = try sum.begin(byteCount: upload.packed.count)
            try upload.packed.withUnsafeBytes { try sum.add(packed: $0, to: &contribution) }
            try sum.finish(contribution)
            try aggregatorMayCrash { closing = [] }
        }
        if !closing.contains(where: { if case .signProposal = $0 { true } else { false } }) {
            closing = server.perform { $0.deadline() }
        }
        guard case .signProposal(let set)? = closing.last else { return (try sum.total(), nil) }
        return (try sum.total(), set)
    }

    private func certify(_ set: SurvivorSet) throws -> SetCertificate? {
        let proposal = try SetProposal(set: set, signedBy: round.aggregatorKey)
        try server.perform { try $0.signed(proposal) }
        try aggregatorMayCrash()
        let inputs = server.machine.survivingInputs
        var asked: [LocalSite] = []
        func take(_ site: LocalSite) throws {
            guard server.state == .certifying, let signature = try site.sign(proposal, inputs: inputs) else { return }
            try server.perform { try $0.receiveSetSignature(signature) }
        }
        for site in present(.sign) where set.survivors.contains(site.position) && server.state == .certifying {
            _ = try message(of: site) { try site.sign(proposal, inputs: inputs) }
            try take(site)
            asked.append(site)
            try aggregatorMayCrash { for site in asked { try take(site) } }
        }
        if server.machine.certificate == nil { server.perform { $0.deadline() } }
        if server.state == .logging {
            try aggregatorMayCrash()
            try server.perform { try $0.logged() }
        }
        return server.machine.certificate
    }

    private func unmask(
        _ certificate: SetCertificate, manifest: Manifest, deals: [Deal], sum: RingVector, responders: [LocalSite]
    ) throws -> LocalOutcome {
        let survivors = certificate.set.survivors
        let inputs = server.machine.survivingInputs
        let plan = UnmaskingPlan(graph: rules.graph, dealers: manifest.dealers, survivors: survivors)
        let headers = Dictionary(uniqueKeysWithValues: deals.map { ($0.header.dealer, $0.header) })
            .filter { manifest.dealers.contains($0.key) }
        let empty = ShareCollector(rules: rules, plan: plan, set: certificate.set, headers: headers)
        var collector = empty
        var asked: [LocalSite] = []
        func take(_ site: LocalSite) throws {
            guard let release = try site.release(certificate, inputs: inputs) else { return }
            #expect(try collector.receive(try ShareRelease(bytes: release.bytes)) == nil)
        }
        for site in responders {
            _ = try message(of: site) { try site.release(certificate, inputs: inputs) }
            try take(site)
            asked.append(site)
            try aggregatorMayCrash {
                collector = empty
                for site in asked { try take(site) }
            }
        }
        guard collector.hasEnough else { return .stuck }
        var unmasking = Unmasking(layout: round.layout, plan: plan, context: rules.context)
        #expect(collector.rebuild(into: &unmasking) == .complete)
        var sum = sum
        try unmasking.remove(from: &sum)
        #expect(unmasking.checkLanesHold(in: sum))
        let result = try RoundResult(
            context: rules.context, set: certificate.set.hash, sum: Digest(of: sum.packed(), domain: ""),
            nextModel: nil, signedBy: round.aggregatorKey)
        for site in responders { try site.end(with: result) }
        let sections = round.layout.ring.sections.dropLast().enumerated().map { section, description in
            (0..<description.count).map { sum[section: section, index: $0] }
        }
        return .sum(sections, survivors: survivors.positions)
    }

    private func void(_ present: [LocalSite]) throws -> LocalOutcome {
        guard server.state == .voiding else { return .degraded }
        var asked: [LocalSite] = []
        func take(_ site: LocalSite) throws {
            guard server.state == .voiding, let signature = try? site.signVoid() else { return }
            try server.perform { try $0.receiveVoidSignature(signature) }
        }
        for site in present where server.state == .voiding {
            _ = try message(of: site) { try? site.signVoid() }
            try take(site)
            asked.append(site)
            try aggregatorMayCrash { for site in asked { try take(site) } }
        }
        guard let certificate = server.machine.voidCertificate else { return .stuck }
        for site in present { try site.end(with: certificate) }
        return .voided
    }
}
