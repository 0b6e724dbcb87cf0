// SPDX-License-Identifier: Apache-2.0
// Names, tokens, requests, rosters and deny lists that are too long, or claim to be: refused, and nothing is set aside.

import Enrolment
import Federation
import Randomness
import Testing

@Suite struct OversizeTests {
    private let federation: TestFederation

    init() throws { federation = try TestFederation() }

    /// Replaces the four bytes at the place of a count.
    private func claiming(_ count: UInt32, at index: Int, in bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes.replaceSubrange(
            index..<index + 4, with: (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) })
        return bytes
    }

    @Test func namesHaveAtMost63CharactersEverywhere() throws {
        #expect(SiteID(String(repeating: "a", count: 63)) != nil)
        #expect(SiteID(String(repeating: "a", count: 64)) == nil)
        #expect(PartyName.isFederation(String(repeating: "a", count: 63)))
        #expect(!PartyName.isFederation(Array(repeating: "abc", count: 17).joined(separator: ".")), "67 bytes")
        let token = try federation.token(for: String(repeating: "a", count: 63))
        let bytes = try TestParty(token.party.rawValue, in: federation).request(token, in: federation).bytes
        #expect(try EnrolmentRequest(bytes: bytes).party == token.party)
        // One character more, and its length says so.
        let start = try #require(bytes.firstIndex(of: 0x0a)) + 1 + JoinToken.idByteCount
        var longer = bytes
        longer[start + 1] += 1
        longer.insert(0x61, at: start + 2)
        #expect(throws: EnrolmentError.malformed) { _ = try EnrolmentRequest(bytes: longer) }
    }

    @Test func tokensOfAnyOtherLengthAreRefused() throws {
        let text = try federation.token(for: "cleveland").text
        #expect(try JoinToken(text: text).party.rawValue == "cleveland")
        for long in [text + String(repeating: "a", count: 1 << 16), String(repeating: text, count: 100)] {
            #expect(throws: EnrolmentError.self) { _ = try JoinToken(text: long) }
        }
        let address = String(repeating: "h", count: 250) + ":7444"
        let largest = JoinToken(
            rootHash: federation.descriptor.rootHash, id: federation.random.bytes(8),
            secret: federation.random.bytes(16), expiry: .max, address: address,
            party: try #require(SiteID(String(repeating: "a", count: 63))))
        #expect(try JoinToken(text: largest.text) == largest)
    }

    @Test func certificateRequestsHaveAtMost4096Bytes() throws {
        let party = try TestParty("cleveland", in: federation)
        _ = try CertificateRequest(bytes: party.certificateRequest, party: party.id)
        // Well-formed DER of that length: one octet string.
        for count in [4_097, 65_535] {
            let content = count - 4
            let long = [0x04, 0x82, UInt8(content >> 8), UInt8(content & 0xff)] + [UInt8](repeating: 0, count: content)
            #expect(throws: EnrolmentError.malformed) { _ = try CertificateRequest(bytes: long, party: party.id) }
        }
    }

    @Test func serialNumbersHaveAtMost20Bytes() throws {
        let party = try TestParty("cleveland", in: federation)
        for (count, isGood) in [(20, true), (21, false), (65_535, false)] {
            let request = try RenewalRequest(
                federation: federation.name, party: PartyName(.site, party.id),
                replacedSerial: [UInt8](repeating: 1, count: count), certificateRequest: party.certificateRequest,
                signedBy: party.statement)
            #expect((try? RenewalRequest(bytes: request.bytes)) != nil ? isGood : !isGood)
        }
    }

    @Test(arguments: [2, 10_000, 10_001, 1 << 20, UInt32.max])
    func rostersThatClaimMoreSitesThanTheyHaveAreRefused(claimed: UInt32) throws {
        let party = try TestParty("cleveland", in: federation)
        let entry = try party.entry(in: federation)
        let roster = try federation.roster([entry])
        let bytes = roster.bytes
        #expect(try Roster(bytes: bytes) == roster)
        let entryByteCount = 2 + party.id.rawValue.utf8.count + 2 + entry.certificate.count + 64 + 8 + 1
        let count = bytes.count - 64 - entryByteCount - 4
        #expect(bytes[count..<count + 4].elementsEqual([0, 0, 0, 1]))
        #expect(throws: EnrolmentError.malformed) {
            _ = try Roster(bytes: claiming(claimed, at: count, in: bytes))
        }
    }

    @Test(arguments: [1, 100_000, 100_001, UInt32.max])
    func denyListsThatClaimMoreKeysThanTheyHaveAreRefused(claimed: UInt32) throws {
        let bytes = try federation.denyList().bytes
        let count = bytes.count - 64 - 4
        #expect(bytes[count..<count + 4].elementsEqual([0, 0, 0, 0]))
        #expect(throws: EnrolmentError.malformed) {
            _ = try DenyList(bytes: claiming(claimed, at: count, in: bytes))
        }
    }
}
