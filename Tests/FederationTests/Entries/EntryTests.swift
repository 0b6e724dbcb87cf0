// SPDX-License-Identifier: Apache-2.0

import Federation
import Testing

struct EntryTests {
    private let key = StatementKey(seed: [UInt8](repeating: 7, count: 32))
    private let time = EntryTime(seconds: 1_769_846_700)

    private func sample(body: [String: CanonicalValue] = ["rounds": .integer(15), "site": .string("cleveland")]) throws
        -> Entry
    {
        try Entry(
            .studyApproved, study: Digest(of: [1], domain: "test"), actor: "cleveland", body: body, at: time,
            signedBy: try #require(key))
    }

    @Test func isReadBackFromItsBytes() throws {
        let entry = try sample()
        #expect(try Entry(bytes: entry.bytes) == entry)
    }

    @Test func theSignerIsRecognised() throws {
        let entry = try sample()
        let other = try #require(StatementKey(seed: [UInt8](repeating: 8, count: 32)))
        #expect(entry.isSigned(by: try #require(key).publicKey))
        #expect(!entry.isSigned(by: other.publicKey))
    }

    @Test func anyChangedByteIsNoticed() throws {
        let entry = try sample()
        let publicKey = try #require(key).publicKey
        for index in entry.bytes.indices {
            var bytes = entry.bytes
            bytes[index] ^= 1
            // Hexadecimal digits and time may still read: then the signature is what fails.
            if let changed = try? Entry(bytes: bytes) { #expect(!changed.isSigned(by: publicKey), "byte \(index)") }
        }
    }

    @Test func aSizeOverTheLimitIsRefused() {
        #expect(throws: EntryError.tooLong) {
            try sample(body: ["text": .string(String(repeating: "x", count: Entry.largestByteCount))])
        }
    }

    @Test func otherSpellingsAreRefused() throws {
        let text = String(decoding: try sample().bytes, as: UTF8.self)
        for (from, to) in [
            (#""v":1"#, #""v":"1""#), (#""v":1"#, #""v":2"#), ("job.approved", "job.imagined"), (":00Z", ":00z"),
            (#""rounds":15"#, #""rounds": 15"#),
        ] {
            let changed = text.replacing(from, with: to)
            #expect(changed != text)
            #expect(throws: (any Error).self) { try Entry(bytes: Array(changed.utf8)) }
        }
    }

    /// RFC 8032 §7.1, test 2: the key of the first of Ed25519's published messages of one byte.
    @Test func signsAsPublished() throws {
        let seed = try #require([UInt8](hex: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
        let key = try #require(StatementKey(seed: seed))
        #expect(key.publicKey.bytes.hex == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        #expect(
            try key.sign([0x72], domain: "").hex
                == "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
    }
}

struct EntryTimeTests {
    @Test(arguments: [0, 1_769_846_700, 951_782_399, 951_782_400, 4_102_444_799, 253_402_300_799])
    func isReadBackFromItsText(seconds: Int64) {
        let time = EntryTime(seconds: seconds)
        #expect(EntryTime(text: time.text) == time)
    }

    @Test func hasTheFormOfRFC3339() { #expect(EntryTime(seconds: 1_769_846_700).text == "2026-01-31T08:05:00Z") }

    @Test(arguments: [
        "2026-01-31T08:05:00", "2026-1-31T08:05:00Z", "2026-02-30T08:05:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z", "2026-01-31 08:05:00Z", "", "Z", "2026-01-31T-1:05:00Z",
    ])
    func otherTextsAreRefused(text: String) { #expect(EntryTime(text: text) == nil) }
}
