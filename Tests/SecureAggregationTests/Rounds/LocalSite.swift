// SPDX-License-Identifier: Apache-2.0
// One site of a whole attempt in one process, with a disk from which it can be started again at any time.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

/// What a site uploads.
struct LocalUpload: Equatable {
    let packed: [UInt8]
    let statement: InputStatement
}

/// Machine, secrets and a vector; and what of it a crash leaves.
final class LocalSite {
    private(set) var machine: SiteRoundStateMachine
    private var secrets: SiteSecrets
    let key: StatementKey
    let vector: [[Int64]]

    // On disk
    private let root: [UInt8]
    private let envelopeKey: EnvelopePrivateKey
    private var records: [SiteRoundStateMachine.Record] = []
    private var deal: Deal?
    private var received: [(header: DealHeader, envelope: [UInt8])] = []
    private var upload: LocalUpload?
    private(set) var update = UpdateLife()

    // What others saw
    private(set) var actions: [SiteRoundStateMachine.Action] = []
    /// Every masked vector that it ever made: there may be one.
    private(set) var maskedVectors: Set<[UInt8]> = []

    init(
        rules: RoundRules, position: Position, root: [UInt8], key: StatementKey, envelopeKey: EnvelopePrivateKey,
        vector: [[Int64]]
    ) {
        machine = SiteRoundStateMachine(rules: rules, position: position)
        secrets = SiteSecrets(rules: rules, position: position, root: SecretBytes(copying: root))
        self.root = root
        self.key = key
        self.envelopeKey = envelopeKey
        self.vector = vector
    }

    var position: Position { machine.position }

    /// What became of the update, in order.
    var updateChanges: [SiteRoundStateMachine.UpdateChange] {
        actions.compactMap { if case .update(let change) = $0 { change } else { nil } }
    }

    /// Kills the site and starts it from its disk: records, root, and stored deals, which it checks again.
    func restart() throws {
        let rules = machine.rules
        machine = SiteRoundStateMachine(rules: rules, position: position, replaying: records)
        secrets = SiteSecrets(rules: rules, position: position, root: SecretBytes(copying: root))
        for (header, envelope) in received { try take(header, envelope) }
    }

    /// Does what the machine says in the order that it says.
    private func perform(
        _ event: (inout SiteRoundStateMachine) throws -> [SiteRoundStateMachine.Action]
    ) throws -> [SiteRoundStateMachine.Action] {
        let new = try event(&machine)
        for action in new {
            if case .record(let record) = action { records.append(record) }
            if case .update(let change) = action { try update.receive(change.event(in: machine.rules.context)) }
        }
        actions += new
        return new
    }
}

// MARK: Dealing

extension LocalSite {
    func makeDeal(envelopeKeys: [EnvelopePublicKey?]) throws -> Deal {
        if let deal { return deal }
        let deal = try secrets.deal(envelopeKeys: envelopeKeys, signedBy: key)
        self.deal = deal
        _ = try perform { try $0.dealt(header: deal.header.hash) }
        return deal
    }

    func receive(_ deal: Deal) throws {
        guard let envelope = deal.envelopes[position] else { return }
        received.append((deal.header, envelope))
        try take(deal.header, envelope)
    }

    private func take(_ header: DealHeader, _ envelope: [UInt8]) throws {
        let code = try badness(of: header, envelope)
        guard machine.state == .dealt || machine.state == .acknowledged else { return }
        if let code {
            try machine.complain(
                DealAcknowledgement.Complaint(dealer: header.dealer, code: code, header: header.hash))
        } else {
            try machine.accept(dealer: header.dealer, header: header.hash)
        }
    }

    /// What is wrong with a deal; one with which nothing is wrong is kept.
    private func badness(of header: DealHeader, _ envelope: [UInt8]) throws -> DealAcknowledgement.Complaint.Code? {
        do {
            try secrets.receive(header, envelope: envelope, from: header.dealer, with: envelopeKey)
            return nil
        } catch SecureSumError.badDeal(let code) {
            return code
        }
    }

    func acknowledge() throws -> DealAcknowledgement {
        for case .acknowledge(let accepted, let complaints) in try perform({ try $0.acknowledge() }) {
            return try DealAcknowledgement(
                context: machine.rules.context, site: position, accepted: accepted, complaints: complaints,
                signedBy: key)
        }
        throw SecureSumError.unexpected
    }
}

// MARK: Input, set, release

extension LocalSite {
    /// Binds to the manifest, masks the vector and says so.
    func upload(under manifest: Manifest, layout: MaskLayout) throws -> LocalUpload? {
        _ = try perform { try $0.receive(manifest) }
        guard machine.state == .bound || machine.state == .exposed else { return nil }
        let upload = try upload ?? masked(under: manifest, layout: layout)
        // The vector is on disk before the record that it may leave.
        self.upload = upload
        maskedVectors.insert(upload.packed)
        _ = try perform { try $0.inputReady(upload.statement) }
        return upload
    }

    private func masked(under manifest: Manifest, layout: MaskLayout) throws -> LocalUpload {
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
        return LocalUpload(packed: packed, statement: statement)
    }

    func sign(_ proposal: SetProposal, inputs: [InputStatement]) throws -> PositionSignature? {
        for case .sign(let set) in try perform({ try $0.receive(proposal, inputs: inputs) }) {
            return try PositionSignature(position: position, over: set.bytes, signedBy: key)
        }
        return nil
    }

    func release(_ certificate: SetCertificate, inputs: [InputStatement]) throws -> ShareRelease? {
        let new = try perform { try $0.receive(certificate, inputs: inputs) }
        guard let manifest = machine.manifest else { return nil }
        for case .release(let set) in new {
            return try secrets.release(for: set, boundTo: manifest, signedBy: key)
        }
        return nil
    }

    func end(with result: RoundResult) throws { _ = try perform { try $0.receive(result) } }
}

// MARK: Void

extension LocalSite {
    func signVoid() throws -> PositionSignature? {
        guard try perform({ try $0.voidRequested() }).contains(.signVoid) else { return nil }
        return try PositionSignature(
            position: position, over: VoidCertificate.statement(machine.rules.context), signedBy: key)
    }

    func end(with certificate: VoidCertificate) throws { _ = try perform { try $0.receive(certificate) } }
}
