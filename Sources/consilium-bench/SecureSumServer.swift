// SPDX-License-Identifier: Apache-2.0
// The aggregator's computing in one secure sum, timed.

import Dispatch
import Federation
import RingArithmetic
import SecureAggregation
import TransparencyLog

/// What reached the aggregator in one attempt, as bytes.
struct ReceivedRound {
    var headers: [[UInt8]]
    var acknowledgements: [[UInt8]]
    var uploads: [(packed: [UInt8], statement: [UInt8])]
    var setSignatures: [PositionSignature]
    var releases: [[UInt8]]
}

/// Seconds by leg.
struct ServerSeconds: Codable {
    /// Headers, acknowledgements, the choice of the dealers.
    var deal = 0.0
    /// Chunks hashed, statements verified, vectors added.
    var input = 0.0
    var certificate = 0.0
    /// Releases read, secrets rebuilt.
    var rebuild = 0.0
    /// Masks removed.
    var unmask = 0.0
    var total: Double { deal + input + certificate + rebuild + unmask }

    mutating func time<Value>(
        _ leg: WritableKeyPath<ServerSeconds, Double>, _ body: () throws -> Value
    ) rethrows -> Value {
        let began = ContinuousClock.now
        defer { self[keyPath: leg] += (ContinuousClock.now - began) / .seconds(1) }
        return try body()
    }
}

/// Computes the sum from what was received; signs nothing that the sites did not sign over.
struct MeasuredServer {
    let round: SecureSumRound
    let manifest: Manifest
    let proposal: SetProposal
    let threads: Int
    private(set) var seconds = ServerSeconds()

    init(round: SecureSumRound, manifest: Manifest, proposal: SetProposal, threads: Int) {
        self.round = round
        self.manifest = manifest
        self.proposal = proposal
        self.threads = threads
    }

    /// - Returns: the packed sum.
    mutating func run(_ received: ReceivedRound) throws -> RingVector {
        var machine = AggregatorRoundStateMachine(rules: round.rules)
        let rosterCount = round.rules.count
        var headers: [Position: DealHeader] = [:]
        try seconds.time(\.deal) {
            for bytes in received.headers {
                let header = try DealHeader(bytes: bytes)
                _ = try machine.receive(header)
                headers[header.dealer] = header
            }
            for bytes in received.acknowledgements {
                _ = try machine.receive(DealAcknowledgement(bytes: bytes, rosterCount: rosterCount))
            }
            _ = try machine.signed(manifest)
        }
        let round = round
        let total = try seconds.time(\.input) { try Self.add(received.uploads, of: round, to: &machine) }
        try seconds.time(\.certificate) {
            _ = try machine.signed(proposal)
            for signature in received.setSignatures where machine.state == .certifying {
                _ = try machine.receiveSetSignature(signature)
            }
        }
        guard let certificate = machine.certificate else { throw BenchError("no quorum signed the set") }
        let plan = UnmaskingPlan(
            graph: round.rules.graph, dealers: manifest.dealers, survivors: certificate.set.survivors)
        var unmasking = Unmasking(layout: round.layout, plan: plan, context: round.rules.context)
        try seconds.time(\.rebuild) {
            var collector = ShareCollector(
                rules: round.rules, plan: plan, set: certificate.set, headers: headers)
            for bytes in received.releases {
                guard try collector.receive(ShareRelease(bytes: bytes)) == nil else {
                    throw BenchError("a release was refused")
                }
            }
            guard collector.hasEnough, collector.rebuild(into: &unmasking) == .complete else {
                throw BenchError("the secrets could not be rebuilt")
            }
        }
        var sum = total
        let threads = threads
        try seconds.time(\.unmask) {
            try unmasking.remove(from: &sum) { count, body in
                if threads == 1 {
                    for index in 0..<count { body(index) }
                } else {
                    withoutActuallyEscaping(body) { body in
                        DispatchQueue.concurrentPerform(iterations: count) { body($0) }
                    }
                }
            }
        }
        guard unmasking.checkLanesHold(in: sum) else { throw BenchError("the check lanes do not hold") }
        return sum
    }

    private static func add(
        _ uploads: [(packed: [UInt8], statement: [UInt8])], of round: SecureSumRound,
        to machine: inout AggregatorRoundStateMachine
    ) throws -> RingVector {
        var sum = RingAccumulator(layout: round.layout.ring)
        for upload in uploads {
            let statement = try InputStatement(bytes: upload.statement)
            var tree = MerkleRoot()
            var contribution = try sum.begin(byteCount: upload.packed.count)
            try upload.packed.withUnsafeBytes { bytes in
                for chunk in round.layout.chunks {
                    let piece = UnsafeRawBufferPointer(rebasing: bytes[chunk.bytes])
                    tree.append(MerkleTree.leafHash(piece))
                    try sum.add(packed: piece, to: &contribution)
                }
            }
            try sum.finish(contribution)
            guard tree.root == statement.root else { throw BenchError("an upload is not what was stated") }
            _ = try machine.receive(statement)
        }
        return try sum.total()
    }
}
