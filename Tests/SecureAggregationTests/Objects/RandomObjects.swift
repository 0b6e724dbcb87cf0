// SPDX-License-Identifier: Apache-2.0
// Random values of every object of a secure sum, the same for the same seed.

import Federation
import Randomness
import SecureAggregation
import Testing

/// An object as bytes, with the parser that reads and writes it again.
struct ObjectSample: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var reread: @Sendable ([UInt8]) throws(SecureSumError) -> [UInt8]

    var testDescription: String { name }
}

struct RandomObjects {
    private var generator: SeededGenerator
    /// n.
    let count: Int

    init(seed: UInt64, count: Int = 7) {
        generator = SeededGenerator(seed: seed, stream: "objects")
        self.count = count
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    mutating func digest() -> Digest { Digest(of: bytes(8), domain: "test") }

    mutating func digests(_ count: Int) -> [Digest] { (0..<count).map { _ in digest() } }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func key() throws -> StatementKey { try #require(StatementKey(seed: bytes(32))) }

    mutating func position() -> Position { number(1...count) }

    mutating func set(without excluded: PositionSet? = nil) -> PositionSet {
        PositionSet(
            rosterCount: count,
            (1...count).filter { _ in number(0...2) > 0 }.filter { !(excluded?.contains($0) ?? false) })
    }

    /// A share: five elements below 2⁶¹ − 1.
    mutating func share() -> [UInt8] {
        (0..<5).flatMap { _ in
            let element = UInt64.random(in: 0..<(1 << 61) - 1, using: &generator)
            return (0..<8).map { UInt8(truncatingIfNeeded: element >> (8 * UInt64($0))) }
        }
    }
}

// MARK: Objects of a round

extension RandomObjects {
    mutating func header() throws -> DealHeader {
        let neighbours = number(2...6)
        return try DealHeader(
            context: digest(), dealer: position(), selfCommitment: digest(),
            pairCommitments: digests(number(0...neighbours)), envelopeHashes: digests(neighbours),
            shareRoots: digests(neighbours + 1), signedBy: key())
    }

    mutating func acknowledgement() throws -> DealAcknowledgement {
        let site = position()
        var accepted = set()
        accepted.remove(site)
        var complaints: [DealAcknowledgement.Complaint] = []
        for dealer in 1...count where dealer != site && !accepted.contains(dealer) {
            let code = try #require(DealAcknowledgement.Complaint.Code(rawValue: UInt8(number(1...8))))
            complaints.append(DealAcknowledgement.Complaint(dealer: dealer, code: code, header: digest()))
        }
        return try DealAcknowledgement(
            context: digest(), site: site, accepted: accepted, complaints: complaints, signedBy: key())
    }

    mutating func manifest() throws -> Manifest {
        let dealers = set()
        return try Manifest(context: digest(), dealers: dealers, headers: digests(dealers.count), signedBy: key())
    }

    mutating func input() throws -> InputStatement {
        try InputStatement(
            context: digest(), manifest: digest(), site: position(), entries: UInt64(number(1...1 << 30)),
            root: digest(), signedBy: key())
    }

    mutating func survivorSet() -> SurvivorSet {
        SurvivorSet(context: digest(), manifest: digest(), survivors: set(), inputs: digest())
    }

    mutating func signatures(of positions: [Position]) -> [PositionSignature] {
        positions.map { PositionSignature(position: $0, signature: bytes(64)) }
    }

    mutating func certificate() -> SetCertificate {
        let set = survivorSet()
        return SetCertificate(set: set, signatures: signatures(of: set.survivors.positions))
    }

    mutating func voidCertificate() -> VoidCertificate {
        VoidCertificate(context: digest(), signatures: signatures(of: set().positions))
    }

    mutating func release() throws -> ShareRelease {
        var items: [ShareRelease.Item] = []
        for dealer in set().positions {
            for index in 0...UInt32(number(0...2)) {
                let path = digests(number(0...3))
                items.append(
                    ShareRelease.Item(
                        secret: SecretID(dealer: dealer, index: index), share: share(), path: HashPath(path)))
            }
        }
        return try ShareRelease(context: digest(), set: digest(), site: position(), items: items, signedBy: key())
    }

    mutating func result() throws -> RoundResult {
        let next = number(0...1) == 0 ? nil : digest()
        return try RoundResult(context: digest(), set: digest(), sum: digest(), nextModel: next, signedBy: key())
    }
}

// MARK: What a round is bound to

extension RandomObjects {
    mutating func inputBlobs() throws -> InputBlobs {
        let names = ["model", "controls", "a", "B", "moments"].prefix(number(0...5))
        return try InputBlobs(
            names.map { InputBlobs.Blob(name: $0, byteCount: UInt64(number(0...1 << 40)), content: digest()) })
    }

    mutating func numbers() -> SecureTask.Numbers {
        SecureTask.Numbers(
            sites: count, quorum: number(1...count), threshold: number(2...count), neighbours: count - 1,
            windowMinimum: 0, minSurvivors: number(0...count), minimumHonest: number(0...count),
            colluders: number(0...count - 1), maxLoneDifferences: number(0...1) == 0 ? nil : number(0...9))
    }

    mutating func task() throws -> SecureTask {
        let sections = (0..<number(1...3)).map { _ in
            let bits = UInt8(number(0...4) == 0 ? 64 : number(2...32))
            return SecureTask.Section(
                entries: UInt64(number(1...1 << 20)), ringBits: bits, valueBits: UInt8(number(1...Int(bits))))
        }
        return try SecureTask(
            study: digest(), releaseClass: #require(SecureTask.ReleaseClass(rawValue: UInt8(number(1...4)))),
            attempt: number(1...9), plan: digest(), sections: sections + [.checkLanes], numbers: numbers(),
            required: set(), isStrict: number(0...1) == 1, privacyPolicy: digest())
    }

    mutating func entry(
        _ name: String, epoch: UInt64, change: SecureRoster.KeyChange?, isPresent: Bool, isSparse: Bool = false,
        nonce: [UInt8] = []
    ) throws -> SecureRoster.Entry {
        let site = try #require(SiteID(name))
        guard isPresent else {
            return try SecureRoster.Entry(
                absent: site, certificate: bytes(9), statementKey: key().publicKey, witnessKey: key().publicKey,
                epoch: epoch, change: change)
        }
        return try SecureRoster.Entry(
            site, of: "hearts.example.org", certificate: bytes(20), statementKey: key(), witnessKey: key().publicKey,
            epoch: epoch, change: change, envelopeKey: EnvelopePrivateKey(seed: bytes(32)).publicKey,
            nonceCommitment: isSparse ? RosterReveals.commitment(to: nonce) : nil, notAfter: 1_800_000_000)
    }

    /// Three sites: one with vouches, one with a rotation, one that is absent.
    mutating func roster() throws -> SecureRoster {
        let epoch = UInt64(number(2...9))
        let names = try ["basel", "geneva"].map { try #require(SiteID($0)) }
        let vouches = names.map { SecureRoster.NamedSignature(site: $0, signature: bytes(64)) }
        let rotation = [SecureRoster.NamedSignature(site: names[1], signature: bytes(64))]
        return try SecureRoster(
            federation: "hearts.example.org", study: digest(), epoch: epoch, previous: digest(),
            denyNumber: UInt64(number(0...99)), denyHash: digest(),
            entries: [
                entry("basel", epoch: epoch, change: nil, isPresent: false),
                entry("geneva", epoch: epoch, change: .init(since: epoch, signatures: rotation), isPresent: true),
                entry("zurich", epoch: epoch, change: .init(since: 1, signatures: vouches), isPresent: true),
            ])
    }

    /// 101 sites, every tenth absent, with what they reveal.
    mutating func sparseRoster() throws -> (roster: SecureRoster, reveals: [UInt8]) {
        var reveals: [UInt8] = []
        var entries: [SecureRoster.Entry] = []
        for place in 0..<101 {
            let nonce = place % 10 == 0 ? [UInt8](repeating: 0, count: 32) : bytes(32)
            reveals += nonce
            entries.append(
                try entry(
                    "site-\(1000 + place)", epoch: 1, change: nil, isPresent: place % 10 != 0, isSparse: true,
                    nonce: nonce))
        }
        let roster = try SecureRoster(
            federation: "hearts.example.org", study: digest(), epoch: 1, previous: nil, denyNumber: 0,
            denyHash: digest(), entries: entries)
        return (roster, reveals)
    }
}

// MARK: All of them

extension RandomObjects {
    mutating func samples() throws -> [ObjectSample] { try roundSamples() + boundSamples() }

    private mutating func roundSamples() throws -> [ObjectSample] {
        let count = count
        return [
            ObjectSample(name: "header", bytes: try header().bytes) { bytes throws(SecureSumError) in
                try DealHeader(bytes: bytes).bytes
            },
            ObjectSample(name: "acknowledgement", bytes: try acknowledgement().bytes) { bytes throws(SecureSumError) in
                try DealAcknowledgement(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "manifest", bytes: try manifest().bytes) { bytes throws(SecureSumError) in
                try Manifest(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "input", bytes: try input().bytes) { bytes throws(SecureSumError) in
                try InputStatement(bytes: bytes).bytes
            },
            ObjectSample(name: "set", bytes: survivorSet().bytes) { bytes throws(SecureSumError) in
                try SurvivorSet(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "proposal", bytes: try SetProposal(set: survivorSet(), signedBy: key()).bytes) {
                bytes throws(SecureSumError) in try SetProposal(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "set certificate", bytes: certificate().bytes) { bytes throws(SecureSumError) in
                try SetCertificate(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "void certificate", bytes: voidCertificate().bytes) { bytes throws(SecureSumError) in
                try VoidCertificate(bytes: bytes, rosterCount: count).bytes
            },
            ObjectSample(name: "release", bytes: try release().bytes) { bytes throws(SecureSumError) in
                try ShareRelease(bytes: bytes).bytes
            },
            ObjectSample(name: "result", bytes: try result().bytes) { bytes throws(SecureSumError) in
                try RoundResult(bytes: bytes).bytes
            },
            ObjectSample(
                name: "receipt", bytes: try UploadReceipt(context: digest(), input: digest(), signedBy: key()).bytes
            ) { bytes throws(SecureSumError) in try UploadReceipt(bytes: bytes).bytes },
        ]
    }

    private mutating func boundSamples() throws -> [ObjectSample] {
        [
            ObjectSample(name: "input blobs", bytes: try inputBlobs().bytes) { bytes throws(SecureSumError) in
                try InputBlobs(bytes: bytes).bytes
            },
            ObjectSample(name: "task", bytes: try task().bytes) { bytes throws(SecureSumError) in
                try SecureTask(bytes: bytes).bytes
            },
            ObjectSample(name: "roster", bytes: try roster().bytes) { bytes throws(SecureSumError) in
                try SecureRoster(bytes: bytes).bytes
            },
        ]
    }
}
