// SPDX-License-Identifier: Apache-2.0
// Rosters in pieces: whole again at the other end, and nothing when a piece is missing or too much.

import Testing
import WireProtocol

@Suite struct RosterPartTests {
    private static let size = WireLimits.rosterPartBytes

    @Test(arguments: [1, size - 1, size, size + 1, 3 * size + 5])
    func piecesMakeTheWhole(_ byteCount: Int) throws {
        let roster = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let denyList: [UInt8] = [1, 2, 3]
        let parts = RosterPart.parts(roster: roster, denyList: denyList)
        #expect(parts.count == (byteCount + 3 + Self.size - 1) / Self.size)
        var assembler = RosterAssembler()
        for part in parts.dropLast() { #expect(try assembler.add(part) == nil) }
        let last = try #require(parts.last)
        let (whole, list) = try #require(try assembler.add(last))
        #expect(whole == roster && list == denyList)
        // The next roster may follow.
        #expect(throws: Never.self) { for part in parts { _ = try assembler.add(part) } }
    }

    @Test func aPieceOutOfOrderEndsTheRosterAndTheNextBeginsAnew() throws {
        let parts = RosterPart.parts(roster: [UInt8](repeating: 1, count: 3 * Self.size), denyList: [])
        var assembler = RosterAssembler()
        #expect(throws: WireError.invalidField("offset")) { try assembler.add(parts[1]) }
        #expect(try assembler.add(parts[0]) == nil)
        #expect(throws: WireError.invalidField("offset")) { try assembler.add(parts[2]) }
        #expect(throws: WireError.invalidField("offset")) { try assembler.add(parts[1]) }
        #expect(try assembler.add(parts[0]) == nil)
        let other = RosterPart(
            data: parts[1].data, offset: parts[1].offset, rosterByteCount: parts[1].rosterByteCount,
            denyListByteCount: 1)
        #expect(throws: WireError.invalidField("offset")) { try assembler.add(other) }
        // An interrupted roster does not stand in the way of the next.
        #expect(try assembler.add(parts[0]) == nil)
        #expect(try assembler.add(parts[0]) == nil)
        #expect(try assembler.add(parts[1]) == nil)
        #expect(try assembler.add(parts[2])?.roster.count == 3 * Self.size)
    }

    @Test func piecesThatClaimTooMuchAreRefused() throws {
        func read(_ bytes: Int, offset: Int, roster: Int, denyList: Int) throws {
            let part = RosterPart(
                data: [UInt8](repeating: 0, count: bytes)[...], offset: offset, rosterByteCount: roster,
                denyListByteCount: denyList)
            _ = try AggregatorMessage(decoding: AggregatorMessage.rosterPart(part).encoded())
        }
        #expect(throws: WireError.invalidField("roster_bytes")) {
            try read(1, offset: 0, roster: WireLimits.rosterBytes, denyList: 1)
        }
        for (bytes, offset) in [(0, 0), (2, 9), (11, 0), (Self.size + 1, 0), (1, 1 << 31)] {
            #expect(throws: WireError.invalidField("data")) { try read(bytes, offset: offset, roster: 10, denyList: 0) }
        }
        #expect(throws: Never.self) { try read(2, offset: 8, roster: 10, denyList: 0) }
    }
}
