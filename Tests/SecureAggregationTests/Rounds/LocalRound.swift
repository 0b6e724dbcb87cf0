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

/// One site of a ``LocalRound``: machine, secrets and a vector.
final class LocalSite {
    var machine: SiteRoundStateMachine
    private var secrets: SiteSecrets
    let key: StatementKey
    private let envelopeKey: EnvelopePrivateKey
    let vector: [[Int64]]
    private(set) var actions: [SiteRoundStateMachine.Action] = []
    private(set) var deal: Deal?

    init(
        rules: RoundRules, position: Position, root: [UInt8], key: StatementKey, envelopeKey: EnvelopePrivateKey,
        vector: [[Int64]]
    ) {
        machine = SiteRoundStateMachine(rules: rules, position: position)
        secrets = SiteSecrets(rules: rules, position: position, root: SecretBytes(copying: root))
        self.key = key
        self.envelopeKey = envelopeKey
        self.vector = vector
    }

    var position: Position { machine.position }

    func makeDeal(envelopeKeys: [EnvelopePublicKey?]) throws -> Deal {
        let deal = try secrets.deal(envelopeKeys: envelopeKeys, signedBy: key)
        actions += try machine.dealt(header: deal.header.hash)
        self.deal = deal
        return deal
    }

    func receive(_ deal: Deal) throws {
        let dealer = deal.header.dealer
        guard let envelope = deal.envelopes[position] else { return }
        do {
            try secrets.receive(deal.header, envelope: envelope, from: dealer, with: envelopeKey)
            try machine.accept(dealer: dealer, header: deal.header.hash)
        } catch SecureSumError.badDeal(let code) {
            try machine.complain(
                DealAcknowledgement.Complaint(dealer: dealer, code: code, header: deal.header.hash))
        }
    }

    func acknowledge() throws -> DealAcknowledgement {
        let new = try machine.acknowledge()
        actions += new
        for case .acknowledge(let accepted, let complaints) in new {
            return try DealAcknowledgement(
                context: machine.rules.context, site: position, accepted: accepted, complaints: complaints,
                signedBy: key)
        }
        throw SecureSumError.unexpected
    }

    /// Binds to the manifest, masks the vector and says so.
    func upload(under manifest: Manifest, layout: MaskLayout) throws -> (packed: [UInt8], statement: InputStatement)? {
        actions += try machine.receive(manifest)
        guard machine.state == .bound else { return nil }
        var packed: [UInt8] = []
        var input = try MaskedInput(layout: layout, masks: try secrets.masks(for: manifest))
        var writer = RingWriter(layout: layout.ring)
        for section in vector + [MaskLayout.checkLaneValues] {
            try writer.write(integers: section) { plain in
                try input.append(plain: plain) { _, chunk in packed += Array(chunk) }
            }
        }
        writer.finish()
        let statement = try InputStatement(
            context: machine.rules.context, manifest: manifest.hash, site: position,
            entries: UInt64(layout.elementCount), root: try input.finish(), signedBy: key)
        actions += try machine.inputReady(statement)
        return (packed, statement)
    }

    func sign(_ proposal: SetProposal, inputs: [InputStatement]) throws -> PositionSignature? {
        let new = try machine.receive(proposal, inputs: inputs)
        actions += new
        for case .sign(let set) in new {
            return try PositionSignature(position: position, over: set.bytes, signedBy: key)
        }
        return nil
    }

    func release(_ certificate: SetCertificate, inputs: [InputStatement]) throws -> ShareRelease? {
        let new = try machine.receive(certificate, inputs: inputs)
        actions += new
        guard let manifest = machine.manifest else { return nil }
        for case .release(let set) in new {
            return try secrets.release(for: set, boundTo: manifest, signedBy: key)
        }
        return nil
    }

    func signVoid() throws -> PositionSignature? {
        let new = try machine.voidRequested()
        actions += new
        guard new.contains(.signVoid) else { return nil }
        return try PositionSignature(
            position: position, over: VoidCertificate.statement(machine.rules.context), signedBy: key)
    }

    func end(with certificate: VoidCertificate) throws { actions += try machine.receive(certificate) }

    /// What became of the update, in order.
    var updateChanges: [SiteRoundStateMachine.UpdateChange] {
        actions.compactMap { if case .update(let change) = $0 { change } else { nil } }
    }
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
    private let aggregatorKey: StatementKey
    private let envelopeKeys: [EnvelopePublicKey]

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
    func run(losses: [Position: Leg] = [:]) throws -> LocalOutcome {
        func present(_ leg: Leg) -> [LocalSite] { sites.filter { losses[$0.position, default: .never] > leg } }
        var server = AggregatorRoundStateMachine(rules: rules)
        var deals: [Deal] = []
        for site in present(.deal) {
            let deal = try site.makeDeal(envelopeKeys: envelopeKeys)
            _ = try server.receive(deal.header)
            deals.append(deal)
        }
        var actions: [AggregatorRoundStateMachine.Action] = []
        for site in present(.acknowledge) {
            for deal in deals where rules.graph.neighbours(of: site.position).contains(deal.header.dealer) {
                try site.receive(deal)
            }
            actions += try server.receive(try site.acknowledge())
        }
        if actions.isEmpty { actions = server.deadline() }
        guard case .signManifest(let dealers, let headers)? = actions.last else { return .degraded }
        let manifest = try Manifest(
            context: rules.context, dealers: dealers, headers: headers, signedBy: aggregatorKey)
        _ = try server.signed(manifest)

        var sum = RingAccumulator(layout: layout.ring)
        actions = []
        for site in present(.input) where dealers.contains(site.position) {
            guard let upload = try site.upload(under: manifest, layout: layout) else { continue }
            actions = try server.receive(upload.statement)
            var contribution = try sum.begin(byteCount: upload.packed.count)
            try upload.packed.withUnsafeBytes { try sum.add(packed: $0, to: &contribution) }
            try sum.finish(contribution)
        }
        if !actions.contains(where: { if case .signProposal = $0 { true } else { false } }) {
            actions = server.deadline()
        }
        guard case .signProposal(let set)? = actions.last else { return try void(&server, present(.sign)) }
        let inputs = set.survivors.positions.compactMap { server.inputs[$0] }
        let proposal = try SetProposal(set: set, signedBy: aggregatorKey)
        _ = try server.signed(proposal)
        for site in present(.sign) where set.survivors.contains(site.position) && server.state == .certifying {
            if let signature = try site.sign(proposal, inputs: inputs) {
                _ = try server.receiveSetSignature(signature)
            }
        }
        guard let certificate = server.certificate else {
            _ = server.deadline()
            return server.state == .voiding ? try void(&server, present(.release)) : .stuck
        }
        return try unmask(
            certificate, manifest: manifest, inputs: inputs, deals: deals, total: try sum.total(),
            responders: present(.release).filter { dealers.contains($0.position) })
    }

    private func unmask(
        _ certificate: SetCertificate, manifest: Manifest, inputs: [InputStatement], deals: [Deal],
        total: RingVector, responders: [LocalSite]
    ) throws -> LocalOutcome {
        let survivors = certificate.set.survivors
        let plan = UnmaskingPlan(graph: rules.graph, dealers: manifest.dealers, survivors: survivors)
        let headers = Dictionary(uniqueKeysWithValues: deals.map { ($0.header.dealer, $0.header) })
        var collector = ShareCollector(
            rules: rules, plan: plan, set: certificate.set,
            headers: headers.filter { manifest.dealers.contains($0.key) })
        for site in responders {
            guard let release = try site.release(certificate, inputs: inputs) else { continue }
            #expect(try collector.receive(try ShareRelease(bytes: release.bytes)) == nil)
        }
        guard collector.hasEnough else { return .stuck }
        var unmasking = Unmasking(layout: layout, plan: plan, context: rules.context)
        #expect(collector.rebuild(into: &unmasking) == .complete)
        var sum = total
        try unmasking.remove(from: &sum)
        #expect(unmasking.checkLanesHold(in: sum))
        let sections = layout.ring.sections.dropLast().enumerated().map { section, description in
            (0..<description.count).map { sum[section: section, index: $0] }
        }
        return .sum(sections, survivors: survivors.positions)
    }

    private func void(_ server: inout AggregatorRoundStateMachine, _ present: [LocalSite]) throws -> LocalOutcome {
        guard server.state == .voiding else { return .degraded }
        for site in present where server.state == .voiding {
            if let signature = try? site.signVoid() { _ = try server.receiveVoidSignature(signature) }
        }
        guard let certificate = server.voidCertificate else { return .stuck }
        for site in present { try site.end(with: certificate) }
        return .voided
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
