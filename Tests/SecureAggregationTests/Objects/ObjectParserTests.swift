// SPDX-License-Identifier: Apache-2.0
// Every parser reads what was written, and nothing else: one spelling of each object.

import Federation
import Randomness
import SecureAggregation
import Testing

@Suite struct ObjectParserTests {
    @Test(arguments: 0..<40 as Range<UInt64>) func everyObjectIsReadBack(seed: UInt64) throws {
        var random = RandomObjects(seed: seed, count: [3, 4, 7, 8, 9, 64, 65, 100][Int(seed % 8)])
        for sample in try random.samples() {
            #expect(try sample.reread(sample.bytes) == sample.bytes, "\(sample.name), seed \(seed)")
        }
    }

    @Test func everyTruncationAndEveryExtraByteIsRefused() throws {
        var random = RandomObjects(seed: 1)
        for sample in try random.samples() {
            for count in 0..<sample.bytes.count {
                let cut = Array(sample.bytes.prefix(count))
                // A header without its last hash is one of fewer neighbours above: the graph and its signature tell.
                if sample.name == "header", let other = try? DealHeader(bytes: cut) {
                    #expect(other.bytes == cut && (sample.bytes.count - count) % 32 == 0)
                    continue
                }
                #expect(throws: SecureSumError.malformed, "\(sample.name) cut to \(count)") {
                    _ = try sample.reread(cut)
                }
            }
            for byte: UInt8 in [0, 1, 255] {
                #expect(throws: SecureSumError.malformed, "\(sample.name) with a byte more") {
                    _ = try sample.reread(sample.bytes + [byte])
                }
            }
        }
    }

    /// What a changed byte makes is another object or none: no two spellings are read as the same.
    @Test func everyChangedByteIsReadAsWritten() throws {
        var random = RandomObjects(seed: 2)
        for sample in try random.samples() {
            for index in sample.bytes.indices {
                for change: UInt8 in [1, 0x80, 0xff] {
                    var bytes = sample.bytes
                    bytes[index] ^= change
                    guard let again = try? sample.reread(bytes) else { continue }
                    #expect(again == bytes, "\(sample.name), byte \(index)")
                }
            }
        }
    }

    /// Counts claim up to 2³² items that are not there; a parser that believed them would set memory aside.
    @Test func noCountIsBelieved() throws {
        var random = RandomObjects(seed: 3)
        for sample in try random.samples() {
            for index in 0..<max(0, sample.bytes.count - 4) {
                var bytes = sample.bytes
                bytes.replaceSubrange(index..<index + 4, with: [255, 255, 255, 255])
                guard let again = try? sample.reread(bytes) else { continue }
                #expect(again == bytes, "\(sample.name), bytes \(index)...")
            }
        }
    }

    @Test func randomBytesAreNoObject() throws {
        var random = RandomObjects(seed: 4)
        let samples = try random.samples()
        for _ in 0..<200 {
            for sample in samples {
                // Behind a right label, as a fuzzer soon finds it.
                let label = sample.bytes.prefix { $0 != 10 } + [10]
                let bytes = label + random.bytes(random.number(0...300))
                guard let again = try? sample.reread(Array(bytes)) else { continue }
                #expect(again == Array(bytes), "\(sample.name)")
            }
        }
    }

    @Test func anotherRosterCountIsRefused() throws {
        var random = RandomObjects(seed: 5, count: 16)
        let manifest = try random.manifest()
        #expect(throws: SecureSumError.malformed) { _ = try Manifest(bytes: manifest.bytes, rosterCount: 8) }
        #expect(throws: SecureSumError.malformed) { _ = try Manifest(bytes: manifest.bytes, rosterCount: 0) }
        #expect(throws: SecureSumError.malformed) { _ = try Manifest(bytes: manifest.bytes, rosterCount: 1 << 40) }
        let set = random.survivorSet()
        #expect(throws: SecureSumError.malformed) { _ = try SurvivorSet(bytes: set.bytes, rosterCount: 17) }
    }

    @Test func spareBitsAreRefused() throws {
        var random = RandomObjects(seed: 6)
        let manifest = try random.manifest()
        let start = Array("fl/secagg/v1 manifest\n".utf8).count + 32
        var bytes = manifest.bytes
        bytes[start] |= 0x80
        #expect(throws: SecureSumError.malformed) { _ = try Manifest(bytes: bytes, rosterCount: 7) }
        // The same bit of an eighth member is one more dealer than there are hashes.
        #expect(throws: SecureSumError.malformed) { _ = try Manifest(bytes: bytes, rosterCount: 8) }
        let survivors = PositionSet(rosterCount: 7, [1, 2, 4, 5, 6, 7])
        #expect(survivors.bitmap == [0x7b] && PositionSet.full(7).bitmap == [0x7f])
    }
}

/// What each parser refuses by name.
@Suite struct ObjectRefusalTests {
    private var random = RandomObjects(seed: 7)

    private func expectMalformed(_ bytes: [UInt8], _ parse: ([UInt8]) throws -> Void, _ comment: Comment) {
        #expect(throws: SecureSumError.malformed, comment) { try parse(bytes) }
    }

    @Test mutating func signersAreSortedDistinctAndMembers() throws {
        let set = SurvivorSet(
            context: random.digest(), manifest: random.digest(), survivors: PositionSet(rosterCount: 7, [1, 2, 5]),
            inputs: random.digest())
        func parse(_ positions: [Position], _ random: inout RandomObjects) throws {
            let certificate = SetCertificate(set: set, signatures: random.signatures(of: positions))
            _ = try SetCertificate(bytes: certificate.bytes, rosterCount: 7)
            let void = VoidCertificate(context: set.context, signatures: random.signatures(of: positions))
            _ = try VoidCertificate(bytes: void.bytes, rosterCount: 7)
        }
        try parse([1, 2, 5], &random)
        try parse([], &random)
        for bad in [[2, 1], [1, 1], [1, 2, 2, 5], [0], [8], [1, 1 << 31]] {
            #expect(throws: SecureSumError.malformed) { try parse(bad, &random) }
        }
        // Of the roster but not of the set.
        #expect(throws: SecureSumError.malformed) { try parse([1, 4], &random) }
    }

    @Test mutating func acknowledgementContradictsItselfNowhere() throws {
        let header = random.digest()
        func parse(
            _ site: Position, accepted: [Position], complaints: [(Position, UInt8)], _ random: inout RandomObjects
        ) throws {
            var acknowledgement = try DealAcknowledgement(
                context: header, site: site, accepted: PositionSet(rosterCount: 7, accepted), complaints: [],
                signedBy: random.key())
            acknowledgement.complaints = complaints.map { .init(dealer: $0.0, code: .share, header: header) }
            var bytes = acknowledgement.bytes
            for (index, complaint) in complaints.enumerated() {
                bytes[bytes.count - 64 - 37 * (complaints.count - index) + 4] = complaint.1
            }
            _ = try DealAcknowledgement(bytes: bytes, rosterCount: 7)
        }
        try parse(1, accepted: [2, 3], complaints: [(4, 1), (7, 8)], &random)
        #expect(throws: SecureSumError.malformed, "itself") { try parse(1, accepted: [1], complaints: [], &random) }
        for bad: [(Position, UInt8)] in [
            [(2, 1)], [(1, 1)], [(5, 1), (4, 1)], [(4, 1), (4, 2)], [(4, 0)], [(4, 9)], [(0, 1)], [(8, 1)],
        ] {
            #expect(throws: SecureSumError.malformed, "\(bad)") {
                try parse(1, accepted: [2, 3], complaints: bad, &random)
            }
        }
    }

    @Test mutating func releasedItemsAreSortedAndDistinct() throws {
        func parse(_ secrets: [(Position, UInt32)], path: Int, _ random: inout RandomObjects) throws {
            let items = secrets.map { secret in
                ShareRelease.Item(
                    secret: SecretID(dealer: secret.0, index: secret.1), share: random.share(),
                    path: HashPath(random.digests(path)))
            }
            let release = try ShareRelease(
                context: random.digest(), set: random.digest(), site: 2, items: items, signedBy: random.key())
            _ = try ShareRelease(bytes: release.bytes)
        }
        try parse([(1, 0), (1, 3), (2, 0)], path: 14, &random)
        for bad: [(Position, UInt32)] in [
            [(2, 0), (1, 0)], [(1, 1), (1, 0)], [(1, 1), (1, 1)], [(0, 0)], [(10_001, 0)], [(1, 10_000)],
        ] {
            #expect(throws: SecureSumError.malformed, "\(bad)") { try parse(bad, path: 1, &random) }
        }
        #expect(throws: SecureSumError.malformed, "long path") { try parse([(1, 0)], path: 15, &random) }
    }

    @Test mutating func headerHasTheLengthOfItsLists() throws {
        let header = try random.header()
        let count = Array("fl/secagg/v1 header\n".utf8).count + 32 + 7
        for neighbours: UInt8 in 0...20 where Int(neighbours) != header.envelopeHashes.count {
            var bytes = header.bytes
            bytes[count] = neighbours
            guard let other = try? DealHeader(bytes: bytes) else { continue }
            // Read with other lists, it is another header, of which the signature knows nothing.
            #expect(other.bytes == bytes && other.envelopeHashes.count == Int(neighbours))
        }
    }

    @Test mutating func namesOfBlobsAreSortedDistinctAndPlain() throws {
        let content = random.digest()
        func blob(_ name: String) -> InputBlobs.Blob { .init(name: name, byteCount: 1, content: content) }
        let blobs = try InputBlobs([blob("model"), blob("controls"), blob("Z")])
        #expect(blobs.blobs.map(\.name) == ["Z", "controls", "model"])
        #expect(blobs.blob(named: "model") == blob("model") && blobs.blob(named: "mode") == nil)
        for bad in [["a", "a"], [""], ["a\n"], ["ü"], [String(repeating: "a", count: 65)]] {
            #expect(throws: SecureSumError.malformed, "\(bad)") { _ = try InputBlobs(bad.map(blob)) }
        }
        #expect(throws: SecureSumError.malformed) { _ = try InputBlobs((0..<65).map { blob("blob\($0)") }) }
        // "model" and "controls" change places.
        let size = 8 + 32
        let start = Array("fl/secagg/v1 inputs\n".utf8).count + 4
        let first = 2 + 1 + size
        let second = 2 + 8 + size
        let third = 2 + 5 + size
        let bytes = blobs.bytes
        let swapped =
            bytes.prefix(start + first) + bytes[(start + first + second)...].prefix(third)
            + bytes[(start + first)...].prefix(second)
        expectMalformed(Array(swapped), { _ = try InputBlobs(bytes: $0) }, "unsorted")
    }
}
