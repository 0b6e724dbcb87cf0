// SPDX-License-Identifier: Apache-2.0
// All parties of one secure sum in this process; what sites and aggregator compute is timed apart.

import Federation
import Randomness
import RingArithmetic
import SecureAggregation
import TransparencyLog

/// Seconds that one party computed, by leg.
struct LegSeconds: Codable {
    var deal = 0.0
    var input = 0.0
    var sign = 0.0
    var release = 0.0
    var total: Double { deal + input + sign + release }

    /// Adds the time of `body` to a leg.
    mutating func time<Value>(_ leg: WritableKeyPath<LegSeconds, Double>, _ body: () throws -> Value) rethrows -> Value
    {
        let began = ContinuousClock.now
        defer { self[keyPath: leg] += (ContinuousClock.now - began) / .seconds(1) }
        return try body()
    }
}

/// A site whose every leg is computed as in production.
final class MeasuredSite {
    let position: Position
    private(set) var seconds = LegSeconds()
    /// What leaves the site and what reaches it.
    private(set) var bytesUp = 0
    private(set) var bytesDown = 0
    private var machine: SiteRoundStateMachine
    private var secrets: SiteSecrets
    private let key: StatementKey
    private let envelopeKey: EnvelopePrivateKey

    init(_ round: SecureSumRound, position: Position) {
        self.position = position
        machine = SiteRoundStateMachine(rules: round.rules, position: position)
        secrets = SiteSecrets(
            rules: round.rules, position: position, root: SecretBytes(copying: round.roots[position - 1]))
        key = round.keys[position - 1]
        envelopeKey = round.envelopeKeys[position - 1]
    }

    func deal(to envelopeKeys: [EnvelopePublicKey?]) throws -> Deal {
        let deal = try seconds.time(\.deal) {
            let deal = try secrets.deal(envelopeKeys: envelopeKeys, signedBy: key)
            _ = try machine.dealt(header: deal.header.hash)
            return deal
        }
        bytesUp += deal.header.bytes.count + deal.envelopes.values.reduce(0) { $0 + $1.count }
        return deal
    }

    func acknowledge(_ deals: [Deal]) throws -> DealAcknowledgement {
        let mine = deals.compactMap { deal in
            deal.envelopes[position].map { (header: deal.header.bytes, envelope: $0) }
        }
        bytesDown += mine.reduce(0) { $0 + $1.header.count + $1.envelope.count }
        let acknowledgement = try seconds.time(\.deal) {
            for deal in mine {
                let header = try DealHeader(bytes: deal.header)
                try secrets.receive(header, envelope: deal.envelope, from: header.dealer, with: envelopeKey)
                try machine.accept(dealer: header.dealer, header: header.hash)
            }
            for case .acknowledge(let accepted, let complaints) in try machine.acknowledge() {
                return try DealAcknowledgement(
                    context: machine.rules.context, site: position, accepted: accepted, complaints: complaints,
                    signedBy: key)
            }
            throw BenchError("a site did not acknowledge its deals")
        }
        bytesUp += acknowledgement.bytes.count
        return acknowledgement
    }

    func upload(under manifest: Manifest, plain: [UInt8], layout: MaskLayout) throws -> SecureSumRound.Upload {
        bytesDown += manifest.bytes.count
        let upload = try seconds.time(\.input) {
            _ = try machine.receive(manifest)
            let upload = try SecureSumRound.masked(
                plain, with: secrets.masks(for: manifest), under: manifest, by: position, layout: layout, key: key)
            _ = try machine.inputReady(upload.statement)
            return upload
        }
        bytesUp += upload.packed.count + upload.statement.bytes.count
        return upload
    }

    func sign(_ proposal: SetProposal, inputs: [InputStatement]) throws -> PositionSignature? {
        bytesDown += proposal.bytes.count + inputs.reduce(0) { $0 + $1.bytes.count }
        bytesUp += 64
        return try seconds.time(\.sign) {
            for case .sign(let set) in try machine.receive(proposal, inputs: inputs) {
                return try PositionSignature(position: position, over: set.bytes, signedBy: key)
            }
            return nil
        }
    }

    func release(
        _ certificate: SetCertificate, inputs: [InputStatement], under manifest: Manifest
    ) throws -> ShareRelease {
        bytesDown += certificate.bytes.count
        let release = try seconds.time(\.release) {
            for case .release(let set) in try machine.receive(certificate, inputs: inputs) {
                return try secrets.release(for: set, boundTo: manifest, signedBy: key)
            }
            throw BenchError("a site did not release its shares")
        }
        bytesUp += release.bytes.count
        return release
    }
}

/// One attempt: its rules, everybody's secrets, and what the sites that are not measured would send.
struct SecureSumRound {
    struct Upload {
        var packed: [UInt8]
        var statement: InputStatement
    }

    let rules: RoundRules
    let layout: MaskLayout
    let keys: [StatementKey]
    let aggregatorKey: StatementKey
    let envelopeKeys: [EnvelopePrivateKey]
    /// ρ of each site.
    let roots: [[UInt8]]
    /// A seed for each site's made-up vector.
    private let random: RandomSource

    init(sites: Int, sections: [RingSection], random: RandomSource) throws {
        let parameters = try SumParameters.standard(sites)
        func key() throws -> StatementKey {
            guard let key = StatementKey(seed: random.bytes(32)) else { throw BenchError("no statement key") }
            return key
        }
        keys = try (0..<sites).map { _ in try key() }
        aggregatorKey = try key()
        envelopeKeys = try (0..<sites).map { _ in try EnvelopePrivateKey(seed: random.bytes(32)) }
        roots = (0..<sites).map { _ in random.bytes(32) }
        layout = try MaskLayout(summing: sections)
        self.random = random
        rules = RoundRules(
            context: Digest(of: random.bytes(32), domain: "consilium-bench secure sum"), parameters: parameters,
            graph: try NeighbourGraph(
                parameters,
                key: parameters.isComplete ? nil : Digest(of: random.bytes(32), domain: "consilium-bench graph")),
            terms: RoundTerms(
                minimumSurvivors: parameters.quorum, minimumHonest: 2, colluders: parameters.colluders,
                logging: .notAwaited),
            statementKeys: keys.map(\.publicKey), aggregatorKey: aggregatorKey.publicKey)
    }

    /// A made-up vector in its plain packed form: every section full of one site's pseudorandom numbers of half its width,
    /// so that no sum overflows, and the check lanes.
    func plainVector() throws -> [UInt8] {
        var packed: [UInt8] = []
        packed.reserveCapacity(layout.ring.packedByteCount)
        var generator = try random.keyedStream()
        var writer = RingWriter(layout: layout.ring)
        for (index, section) in layout.ring.sections.enumerated() {
            if index == layout.checkLaneSection {
                try writer.write(integers: MaskLayout.checkLaneValues) { packed += Array($0) }
                continue
            }
            var words = [UInt8](repeating: 0, count: section.count)
            words.withUnsafeMutableBytes { generator.fill($0, fromBlock: UInt64(index) << 40) }
            try writer.write(integers: words.map { Int64($0) & 0x3f }) { packed += Array($0) }
        }
        writer.finish()
        return packed
    }

    static func masked(
        _ plain: [UInt8], with masks: SiteMasks, under manifest: Manifest, by position: Position, layout: MaskLayout,
        key: StatementKey
    ) throws -> Upload {
        var packed = [UInt8](repeating: 0, count: plain.count)
        var input = try MaskedInput(layout: layout, masks: masks)
        try packed.withUnsafeMutableBytes { output in
            try plain.withUnsafeBytes { plain in
                try input.append(plain: plain) { chunk, masked in
                    UnsafeMutableRawBufferPointer(rebasing: output[chunk.bytes]).copyMemory(from: masked)
                }
            }
        }
        let statement = try InputStatement(
            context: manifest.context, manifest: manifest.hash, site: position,
            entries: UInt64(layout.elementCount), root: try input.finish(), signedBy: key)
        return Upload(packed: packed, statement: statement)
    }
}
