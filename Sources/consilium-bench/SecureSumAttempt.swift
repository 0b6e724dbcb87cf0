// SPDX-License-Identifier: Apache-2.0
// Runs the sites' half of one attempt and gathers what the aggregator would have received.

import Federation
import RingArithmetic
import SecureAggregation

/// The sites' half. Positions that are not measured deal without sealing to each other, and mask and release from what
/// this process knows of all secrets: the same objects, bit for bit, at a fraction of the time.
struct SecureSumAttempt {
    private let round: SecureSumRound
    private let survivors: PositionSet
    let measuredSites: [MeasuredSite]
    private(set) var manifest: Manifest
    private(set) var proposal: SetProposal
    private var plainSum: RingVector?

    private let deals: [Deal]
    private let seeds: [DealtSeeds]
    private let acknowledgements: [DealAcknowledgement]
    private let uploads: [SecureSumRound.Upload]

    /// Deals, binds and uploads.
    ///
    /// - Parameter lost: how many sites, spread over the ring, vanish before they upload.
    init(_ round: SecureSumRound, lost: Int, measured: Int) throws {
        self.round = round
        let count = round.rules.count
        var survivors = PositionSet.full(count)
        for index in 0..<lost { survivors.remove(1 + (2 * index + 1) * count / (2 * lost)) }
        self.survivors = survivors
        let candidates = survivors.positions
        measuredSites = (0..<measured).map { index in
            MeasuredSite(round, position: candidates[(2 * index + 1) * candidates.count / (2 * measured)])
        }
        let bySelf = Dictionary(uniqueKeysWithValues: measuredSites.map { ($0.position, $0) })

        var seeds: [DealtSeeds] = []
        var deals: [Deal] = []
        let allKeys = round.envelopeKeys.map { $0.publicKey as EnvelopePublicKey? }
        let measuredKeys = (1...count).map { bySelf[$0] == nil ? nil : allKeys[$0 - 1] }
        for position in 1...count {
            let secrets = DealSecrets(
                root: SecretBytes(copying: round.roots[position - 1]), context: round.rules.context,
                partners: round.rules.graph.neighbours(of: position).filter { $0 > position })
            let dealt = try round.rules.seeds(of: position, from: secrets)
            seeds.append(dealt)
            deals.append(
                try bySelf[position]?.deal(to: allKeys)
                    ?? round.rules.makeDeal(
                        dealt, dealer: position, envelopeKeys: measuredKeys, signedBy: round.keys[position - 1]))
        }
        acknowledgements = try (1...count).map { position in
            let neighbours = round.rules.graph.neighbours(of: position)
            return try bySelf[position]?.acknowledge(neighbours.map { deals[$0 - 1] })
                ?? DealAcknowledgement(
                    context: round.rules.context, site: position,
                    accepted: PositionSet(rosterCount: count, neighbours), complaints: [],
                    signedBy: round.keys[position - 1])
        }
        let manifest = try Manifest(
            context: round.rules.context, dealers: .full(count), headers: deals.map(\.header.hash),
            signedBy: round.aggregatorKey)
        let plain = try round.plainVector()
        uploads = try survivors.positions.map { position in
            if let site = bySelf[position] {
                return try site.upload(under: manifest, plain: plain, layout: round.layout)
            }
            return try SecureSumRound.masked(
                plain, with: Self.masks(of: position, seeds: seeds, rules: round.rules), under: manifest,
                by: position, layout: round.layout, key: round.keys[position - 1])
        }
        let statements = uploads.map(\.statement)
        proposal = try SetProposal(
            set: SurvivorSet(
                context: round.rules.context, manifest: manifest.hash, survivors: survivors,
                inputs: SurvivorSet.hash(of: statements)), signedBy: round.aggregatorKey)
        self.manifest = manifest
        self.deals = deals
        self.seeds = seeds
        plainSum = try Self.multiple(of: plain, by: survivors.count, layout: round.layout)
    }

    private static func masks(of position: Position, seeds: [DealtSeeds], rules: RoundRules) throws -> SiteMasks {
        func pairSeed(_ lower: Position, _ upper: Position) throws -> SecretBytes {
            let partners = rules.graph.neighbours(of: lower).filter { $0 > lower }
            guard let index = partners.firstIndex(of: upper) else { throw BenchError("no neighbours") }
            return seeds[lower - 1].pairSeeds[index].secret
        }
        var masks = SiteMasks(
            position: position, selfSeed: seeds[position - 1].selfSeed.secret, context: rules.context)
        for neighbour in rules.graph.neighbours(of: position) {
            masks.addPair(
                with: neighbour, seed: try pairSeed(min(position, neighbour), max(position, neighbour)))
        }
        return masks
    }

    /// Signs and releases; everything as the bytes that travel.
    mutating func collect() throws -> ReceivedRound {
        let statements = uploads.map(\.statement)
        let bySelf = Dictionary(uniqueKeysWithValues: measuredSites.map { ($0.position, $0) })
        let signatures = try survivors.positions.map { position in
            guard let site = bySelf[position] else {
                return try PositionSignature(
                    position: position, over: proposal.set.bytes, signedBy: round.keys[position - 1])
            }
            guard let signature = try site.sign(proposal, inputs: statements) else {
                throw BenchError("a site did not sign the set")
            }
            return signature
        }
        let certificate = SetCertificate(
            set: proposal.set, signatures: Array(signatures.prefix(round.rules.parameters.quorum)))
        let plan = UnmaskingPlan(
            graph: round.rules.graph, dealers: manifest.dealers, survivors: survivors)
        let releases = try survivors.positions.map { position in
            if let site = bySelf[position] {
                return try site.release(certificate, inputs: statements, under: manifest).bytes
            }
            var held: [Position: [[UInt8]]] = [:]
            for dealer in round.rules.graph.closedNeighbourhood(of: position) {
                held[dealer] = seeds[dealer - 1].items[position]
            }
            return try round.rules.release(
                for: proposal.set, plan: plan, holder: position, held: held, signedBy: round.keys[position - 1]
            ).bytes
        }
        return ReceivedRound(
            headers: deals.map(\.header.bytes), acknowledgements: acknowledgements.map(\.bytes),
            uploads: uploads.map { ($0.packed, $0.statement.bytes) }, setSignatures: signatures, releases: releases)
    }

    /// Every site has the same plain vector, so the sum is its multiple.
    func equalsPlainSum(_ sum: RingVector) throws -> Bool {
        guard let plainSum else { return false }
        return sum.layout.sections.indices.allSatisfy { section in
            (0..<sum.layout.sections[section].count).allSatisfy {
                sum[section: section, index: $0] == plainSum[section: section, index: $0]
            }
        }
    }

    private static func multiple(of plain: [UInt8], by count: Int, layout: MaskLayout) throws -> RingVector {
        var accumulator = RingAccumulator(layout: layout.ring)
        for _ in 0..<count {
            var contribution = try accumulator.begin(byteCount: plain.count)
            try plain.withUnsafeBytes { try accumulator.add(packed: $0, to: &contribution) }
            try accumulator.finish(contribution)
        }
        return try accumulator.total()
    }
}
