// SPDX-License-Identifier: Apache-2.0

import Federation
import Store
import Testing

struct EntryTableTests {
    private let key = StatementKey(seed: [UInt8](repeating: 3, count: 32))

    private func entry(_ number: Int, study: Digest? = nil) throws -> Entry {
        try Entry(
            .roundOpened, study: study, actor: "aggregator", body: ["round": .count(number)],
            at: EntryTime(seconds: 1_000), signedBy: try #require(key))
    }

    private static func logs() throws -> [EntryLog] {
        [try SiteStore.inMemory().entryLog, try AggregatorStore.inMemory().entryLog]
    }

    @Test func numbersHaveNoGaps() async throws {
        for log in try Self.logs() {
            for number in 0..<5 { #expect(try await log.append(try entry(number)) == number) }
            #expect(try await log.count() == 5)
            let read = try await log.entries(from: 2, limit: 2)
            #expect(read.map(\.number) == [2, 3])
            #expect(read.map(\.entry) == [try entry(2), try entry(3)])
        }
    }

    @Test func entriesOfOneStudyKeepTheirNumbers() async throws {
        let study = Digest(of: [1], domain: "test")
        for log in try Self.logs() {
            try await log.append(try entry(0))
            try await log.append(try entry(1, study: study))
            #expect(try await log.entries(from: 0, limit: 10, study: study).map(\.number) == [1])
        }
    }
}
