// SPDX-License-Identifier: Apache-2.0
// A site's real state machine as a table of transitions over everything that a hostile aggregator can show it.

import Federation
import SecureAggregation
import Testing

/// What a hostile aggregator and its one colluding site can make up in one context, and what honest sites answer to it.
///
/// Everything is signed with real keys and goes through the real machine; a (state, event) pair is asked only once. The
/// aggregator may show each site any manifest, any set under it, any certificate that enough signatures exist for, and a
/// void certificate. The colluding site may deal and upload two ways.
struct HostileWorld {
    let rules: RoundRules
    /// The colluding position; 0 for none.
    let corrupt: Position
    let honest: [Position]
    let manifests: [Manifest]
    /// Sets that may be proposed, each with the manifest that it stands under.
    let proposals: [Proposal]
    let voidCertificate: VoidCertificate

    struct Proposal {
        let manifest: Int
        let proposal: SetProposal
        let inputs: [InputStatement]
        /// With the signatures of all its members; which of them suffice makes no difference to a site.
        let certificate: SetCertificate
        var survivors: PositionSet { proposal.set.survivors }
    }

    private let keys: [StatementKey]
    private let aggregator: StatementKey

    /// - Parameter terms: floors of the round.
    init(parameters: SumParameters, terms: RoundTerms, hasColluder: Bool) throws {
        let count = parameters.count
        func key(_ byte: UInt8) throws -> StatementKey {
            try #require(StatementKey(seed: [UInt8](repeating: byte, count: 32)))
        }
        let keys = try (1...count).map { try key(UInt8($0)) }
        let aggregator = try key(200)
        let corrupt = hasColluder ? count : 0
        let context = Digest(of: [1, 2, 3], domain: "explorer")
        rules = RoundRules(
            context: context, parameters: parameters, graph: .complete(count), terms: terms,
            statementKeys: keys.map(\.publicKey), aggregatorKey: aggregator.publicKey)
        honest = Array(1..<(hasColluder ? count : count + 1))

        var manifests: [Manifest] = []
        var proposals: [Proposal] = []
        for dealers in Self.subsets(of: .full(count), atLeast: parameters.quorum) {
            // A colluding dealer may have two headers; honest ones have one.
            for variant in dealers.contains(corrupt) ? [0, 1] : [0] {
                let headers = dealers.positions.map { Self.header($0, variant: $0 == corrupt ? variant : 0) }
                let manifest = try Manifest(
                    context: context, dealers: dealers, headers: headers, signedBy: aggregator)
                manifests.append(manifest)
                for survivors in Self.subsets(of: dealers, atLeast: parameters.quorum) {
                    // Two uploads besides two headers would add states, and nothing that a site can tell apart.
                    for upload in survivors.contains(corrupt) && variant == 0 ? [0, 1] : [0] {
                        let inputs = try survivors.positions.map { position in
                            try Self.input(
                                position, under: manifest, variant: position == corrupt ? upload : 0,
                                key: keys[position - 1])
                        }
                        let set = SurvivorSet(
                            context: context, manifest: manifest.hash, survivors: survivors,
                            inputs: SurvivorSet.hash(of: inputs))
                        proposals.append(
                            Proposal(
                                manifest: manifests.count - 1,
                                proposal: try SetProposal(set: set, signedBy: aggregator),
                                inputs: inputs,
                                certificate: SetCertificate(
                                    set: set, signatures: try Self.signatures(of: set.bytes, by: survivors, keys))))
                    }
                }
            }
        }
        self.keys = keys
        self.aggregator = aggregator
        self.corrupt = corrupt
        self.manifests = manifests
        self.proposals = proposals
        voidCertificate = VoidCertificate(
            context: context,
            signatures: try Self.signatures(of: VoidCertificate.statement(context), by: .full(count), keys))
    }

    static func subsets(of set: PositionSet, atLeast least: Int) -> [PositionSet] {
        let members = set.positions
        return (0..<1 << members.count).compactMap { bits in
            let chosen = members.indices.filter { bits >> $0 & 1 == 1 }.map { members[$0] }
            return chosen.count >= least ? PositionSet(rosterCount: set.rosterCount, chosen) : nil
        }
    }

    static func header(_ dealer: Position, variant: Int) -> Digest {
        Digest(of: [UInt8(dealer), UInt8(variant)], domain: "explorer header")
    }

    static func input(
        _ position: Position, under manifest: Manifest, variant: Int, key: StatementKey
    ) throws -> InputStatement {
        try InputStatement(
            context: manifest.context, manifest: manifest.hash, site: position, entries: 8,
            root: Digest(of: [UInt8(position), UInt8(variant)], domain: "explorer root"), signedBy: key)
    }

    private static func signatures(
        of message: [UInt8], by signers: PositionSet, _ keys: [StatementKey]
    ) throws -> [PositionSignature] {
        try signers.positions.map {
            PositionSignature(position: $0, signature: try keys[$0 - 1].sign(message, domain: ""))
        }
    }

    func ownKey(_ position: Position) -> StatementKey { keys[position - 1] }
}

/// One thing that the aggregator does to one site.
enum HostileEvent: Hashable {
    case manifest(Int)
    case inputReady
    case proposal(Int)
    case certificate(Int)
    case voidRequest
    case voidCertificate
}

/// The transitions of one site, found by asking its machine.
final class SiteBehaviour {
    /// What others can see of a site's state, and what became of its update.
    struct Node {
        var manifest: Int?
        var isExposed: Bool
        var signed: Int?
        var released: Int?
        var hasSignedVoid: Bool
        var isFreed: Bool
        var isClosed: Bool
    }

    struct Step {
        let event: HostileEvent
        let target: Int
    }

    private(set) var nodes: [Node] = []
    private(set) var transitions: [[Step]] = []
    private let world: HostileWorld
    private let position: Position
    private var machines: [SiteRoundStateMachine] = []
    /// What each machine has on disk.
    private var records: [[SiteRoundStateMachine.Record]] = []
    /// How often a machine that was killed and rebuilt from its records was not what it had been.
    private(set) var changesByCrash = 0
    private var known: [Key: Int] = [:]

    private struct Key: Hashable {
        var state: SiteRoundStateMachine.State
        var manifest: Digest?
        var isExposed: Bool
        var signed: Digest?
        var released: Digest?
        var hasSignedVoid: Bool
        var isFreed: Bool
    }

    init(world: HostileWorld, position: Position) throws {
        self.world = world
        self.position = position
        // The corrupt dealer's two headers: each honest site has accepted one, whichever the aggregator showed it.
        for variant in world.corrupt > 0 ? [0, 1] : [0] {
            var machine = SiteRoundStateMachine(rules: world.rules, position: position)
            let dealt = try machine.dealt(header: HostileWorld.header(position, variant: 0))
            for dealer in 1...world.rules.count where dealer != position {
                try machine.accept(
                    dealer: dealer, header: HostileWorld.header(dealer, variant: dealer == world.corrupt ? variant : 0))
            }
            let written = Self.records(of: dealt + (try machine.acknowledge()))
            starts.append(try add(machine, isFreed: false, variant: variant, records: written))
        }
        var next = 0
        while next < machines.count {
            try expand(next)
            next += 1
        }
    }

    /// The acknowledged state, for each header of the colluding dealer.
    private(set) var starts: [Int] = []
    private var variants: [Int] = []

    private func expand(_ index: Int) throws {
        let again = try restarted(index)
        if Self.key(again, isFreed: nodes[index].isFreed) != keys[index] { changesByCrash += 1 }
        for event in events() {
            // Each event finds a site that has just been rebuilt from its records.
            var machine = again
            var isFreed = nodes[index].isFreed
            guard let actions = try? perform(event, on: &machine) else { continue }
            for case .update(let change) in actions {
                if case .free = change { isFreed = true }
            }
            let written = records[index] + Self.records(of: actions)
            let target = try add(machine, isFreed: isFreed, variant: variants[index], records: written)
            if target != index { transitions[index].append(Step(event: event, target: target)) }
        }
    }

    private static func records(of actions: [SiteRoundStateMachine.Action]) -> [SiteRoundStateMachine.Record] {
        actions.compactMap { if case .record(let record) = $0 { record } else { nil } }
    }

    /// Kills a site and starts it again: its machine is rebuilt from the records, and the stored envelopes are checked
    /// again. What was sent before the crash stays sent; a crash before a record is a message that never came.
    private func restarted(_ index: Int) throws -> SiteRoundStateMachine {
        var machine = SiteRoundStateMachine(rules: world.rules, position: position, replaying: records[index])
        guard machine.state == .acknowledged else { return machine }
        for dealer in 1...world.rules.count where dealer != position {
            let variant = dealer == world.corrupt ? variants[index] : 0
            try machine.accept(dealer: dealer, header: HostileWorld.header(dealer, variant: variant))
        }
        return machine
    }

    private func events() -> [HostileEvent] {
        world.manifests.indices.map { .manifest($0) } + [.inputReady, .voidRequest, .voidCertificate]
            + world.proposals.indices.map { .proposal($0) } + world.proposals.indices.map { .certificate($0) }
    }

    private func perform(
        _ event: HostileEvent, on machine: inout SiteRoundStateMachine
    ) throws -> [SiteRoundStateMachine.Action] {
        switch event {
        case .manifest(let index): return try machine.receive(world.manifests[index])
        case .inputReady:
            guard let manifest = machine.manifest else { throw SecureSumError.unexpected }
            return try machine.inputReady(
                try HostileWorld.input(position, under: manifest, variant: 0, key: world.ownKey(position)))
        case .proposal(let index):
            let proposal = world.proposals[index]
            return try machine.receive(proposal.proposal, inputs: proposal.inputs)
        case .certificate(let index):
            let proposal = world.proposals[index]
            return try machine.receive(proposal.certificate, inputs: proposal.inputs)
        case .voidRequest: return try machine.voidRequested()
        case .voidCertificate: return try machine.receive(world.voidCertificate)
        }
    }

    private static func key(_ machine: SiteRoundStateMachine, isFreed: Bool) -> Key {
        Key(
            state: machine.state, manifest: machine.manifest?.hash, isExposed: machine.input != nil,
            signed: machine.signedSet?.hash, released: machine.releasedSet?.hash,
            hasSignedVoid: machine.hasSignedVoid, isFreed: isFreed)
    }

    private func add(
        _ machine: SiteRoundStateMachine, isFreed: Bool, variant: Int, records written: [SiteRoundStateMachine.Record]
    ) throws -> Int {
        let key = Self.key(machine, isFreed: isFreed)
        // Before a manifest, the accepted header still decides which one the site will take.
        let isUndecided = machine.manifest == nil
        if !isUndecided, let index = known[key] { return index }
        if isUndecided, let index = machines.indices.first(where: { variants[$0] == variant && keys[$0] == key }) {
            return index
        }
        machines.append(machine)
        variants.append(variant)
        records.append(written)
        keys.append(key)
        transitions.append([])
        var isClosed = false
        if case .closed = machine.state { isClosed = true }
        nodes.append(
            Node(
                manifest: world.manifests.firstIndex { $0.hash == machine.manifest?.hash },
                isExposed: machine.input != nil,
                signed: world.proposals.firstIndex { $0.proposal.set == machine.signedSet },
                released: world.proposals.firstIndex { $0.proposal.set == machine.releasedSet },
                hasSignedVoid: machine.hasSignedVoid, isFreed: isFreed, isClosed: isClosed))
        if !isUndecided { known[key] = machines.count - 1 }
        return machines.count - 1
    }

    private var keys: [Key] = []
}
