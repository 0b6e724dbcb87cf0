// SPDX-License-Identifier: Apache-2.0
// The task of a secure sum: every term is under its hash, and absurd numbers are refused.

import Federation
import SecureAggregation
import Testing

@Suite struct SecureTaskTests {
    private let digest = Digest(of: [1], domain: "test")

    private func numbers(_ change: (inout SecureTask.Numbers) -> Void = { _ in }) -> SecureTask.Numbers {
        var numbers = SecureTask.Numbers(
            sites: 7, quorum: 5, threshold: 5, neighbours: 6, windowMinimum: 0, minSurvivors: 4, minimumHonest: 3,
            colluders: 2, maxLoneDifferences: 5)
        change(&numbers)
        return numbers
    }

    private func task(
        attempt: Int = 1, sections: [SecureTask.Section]? = nil, numbers: SecureTask.Numbers? = nil,
        required: [Position] = [2, 7], isStrict: Bool = true
    ) throws(SecureSumError) -> SecureTask {
        try SecureTask(
            study: digest, releaseClass: .training, attempt: attempt, plan: digest,
            sections: sections ?? [.init(entries: 1_000, ringBits: 18, valueBits: 16), .checkLanes],
            numbers: numbers ?? self.numbers(), required: PositionSet(rosterCount: 7, required), isStrict: isStrict,
            privacyPolicy: digest)
    }

    @Test func bytesAreThoseOfThePage() throws {
        let task = try task()
        var expected = Array("fl/secagg/v1 task\n".utf8) + digest.bytes + [1, 0, 0, 0, 1] + digest.bytes
        expected += [0, 20] + [0, 0, 0, 0, 0, 0, 3, 232, 18, 16] + [0, 0, 0, 0, 0, 0, 0, 4, 32, 2]
        for number: UInt8 in [7, 5, 5, 6, 0, 4, 3, 2, 5] { expected += [0, 0, 0, number] }
        expected += [0b0100_0010, 1] + digest.bytes
        #expect(task.bytes == expected)
        #expect(task.hash == Digest(of: expected, domain: ""))
        #expect(task.entries == 1_004)
    }

    @Test func noLimitOfLoneDifferencesIsAllOnes() throws {
        let task = try task(numbers: numbers { $0.maxLoneDifferences = nil })
        #expect(try SecureTask(bytes: task.bytes) == task)
        #expect(task.hash != (try self.task().hash))
    }

    @Test func absurdTermsAreRefused() throws {
        let changes: [(inout SecureTask.Numbers) -> Void] = [
            { $0.sites = 2 }, { $0.sites = 8 }, { $0.sites = 10_001 }, { $0.quorum = 0 }, { $0.quorum = 8 },
            { $0.threshold = 1 }, { $0.threshold = 8 }, { $0.neighbours = 1 }, { $0.neighbours = 7 },
            { $0.windowMinimum = 8 }, { $0.minSurvivors = 8 }, { $0.minimumHonest = -1 }, { $0.colluders = 7 },
            { $0.maxLoneDifferences = Int(UInt32.max) },
        ]
        for (index, change) in changes.enumerated() {
            #expect(throws: SecureSumError.malformed, "\(index)") { _ = try task(numbers: numbers(change)) }
        }
        #expect(throws: SecureSumError.malformed) { _ = try task(attempt: 0) }
        let good = SecureTask.Section(entries: 1, ringBits: 2, valueBits: 1)
        let bad: [[SecureTask.Section]] = [
            [], [.checkLanes], [good], [.checkLanes, good], [good, .init(entries: 3, ringBits: 32, valueBits: 2)],
            [.init(entries: 0, ringBits: 18, valueBits: 16), .checkLanes],
            [.init(entries: 1, ringBits: 1, valueBits: 1), .checkLanes],
            [.init(entries: 1, ringBits: 33, valueBits: 1), .checkLanes],
            [.init(entries: 1, ringBits: 63, valueBits: 1), .checkLanes],
            [.init(entries: 1, ringBits: 65, valueBits: 1), .checkLanes],
            [.init(entries: 1, ringBits: 18, valueBits: 19), .checkLanes],
            [.init(entries: 1, ringBits: 18, valueBits: 0), .checkLanes],
            [
                .init(entries: .max, ringBits: 18, valueBits: 16), .init(entries: .max, ringBits: 18, valueBits: 16),
                .checkLanes,
            ],
        ]
        for (index, sections) in bad.enumerated() {
            #expect(throws: SecureSumError.malformed, "\(index)") { _ = try task(sections: sections) }
        }
    }

    @Test func everythingIsUnderTheContext() throws {
        let parts = (0..<3).map { Digest(of: [UInt8($0)], domain: "part") }
        let context = Digest.roundContext(roster: parts[0], inputs: parts[1], task: parts[2], round: 7)
        #expect(
            context
                == Digest(
                    of: parts.flatMap(\.bytes) + [0, 0, 0, 0, 0, 0, 0, 7], domain: "fl/secagg/v1 context"))
        #expect(context != Digest.roundContext(roster: parts[0], inputs: parts[1], task: parts[2], round: 8))
        #expect(context != Digest.roundContext(roster: parts[1], inputs: parts[0], task: parts[2], round: 7))
    }
}
