// SPDX-License-Identifier: Apache-2.0
// Checks the life of an update on every sequence of events.

import Federation
import SecureAggregation
import Testing

@Suite struct UpdateLifeTests {
    private static let a = Digest(of: [1], domain: "update life")
    private static let b = Digest(of: [2], domain: "update life")

    @Test func theTableHolds() throws {
        var life = UpdateLife()
        #expect(life.maySend)
        try life.receive(.firstChunkMayLeave(Self.a))
        #expect(life.state == .exposed(Self.a) && !life.maySend)
        try life.receive(.firstChunkMayLeave(Self.a))
        #expect(throws: UpdateLife.Refusal.exposedWithoutProof) { try life.receive(.firstChunkMayLeave(Self.b)) }
        #expect(throws: UpdateLife.Refusal.otherContext) { try life.receive(.proved(.voidCertificate, Self.b)) }
        #expect(throws: UpdateLife.Refusal.exposedWithoutProof) { try life.receive(.roundMovedOn) }
        try life.receive(.proved(.setWithoutMe, Self.a))
        #expect(life.state == .free && life.maySend)
        #expect(throws: UpdateLife.Refusal.contextUsedBefore) { try life.receive(.firstChunkMayLeave(Self.a)) }
        try life.receive(.firstChunkMayLeave(Self.b))
        try life.receive(.closedWithoutProof(Self.b))
        #expect(life.state == .spent && !life.maySend)
        #expect(throws: UpdateLife.Refusal.alreadySpent) { try life.receive(.proved(.voidCertificate, Self.b)) }
    }

    @Test func theDebitStaysOnceSomethingMayHaveLeft() throws {
        var unused = UpdateLife()
        try unused.receive(.roundMovedOn)
        #expect(unused.state == .discarded(.carried))
        var exposed = UpdateLife()
        try exposed.receive(.firstChunkMayLeave(Self.a))
        try exposed.receive(.proved(.ownVoid, Self.a))
        try exposed.receive(.roundMovedOn)
        #expect(exposed.state == .discarded(.stays))
        #expect(throws: UpdateLife.Refusal.discarded) { try exposed.receive(.firstChunkMayLeave(Self.b)) }
    }

    /// What really came of a context, which no certificate contradicts.
    private enum Truth: CaseIterable {
        case releasedWithMe, releasedWithoutMe, voided
        /// Nobody knows: it must be taken for a release.
        case undecided

        func allows(_ proof: UpdateLife.Proof) -> Bool {
            switch self {
            case .releasedWithMe, .undecided: false
            case .releasedWithoutMe: proof == .setWithoutMe
            case .voided: proof != .setWithoutMe
            }
        }

        var maySum: Bool { self == .releasedWithMe || self == .undecided }
    }

    /// All sequences of up to six events over two contexts, for everything that can have become of them.
    @Test func noUpdateIsEverInTwoReleasedSums() {
        var (sequences, wrong, changedByRefusal) = (0, 0, 0)
        for first in Truth.allCases {
            for second in Truth.allCases {
                let truths = [Self.a: first, Self.b: second]
                let events = Self.events(truths)
                var stack = [(life: UpdateLife(), length: 0)]
                while let (life, length) = stack.popLast() {
                    sequences += 1
                    let sums = life.contexts.count { truths[$0]?.maySum == true }
                    // Whoever may be in a sum may send nowhere else.
                    if sums > 1 || sums == 1 && life.maySend { wrong += 1 }
                    guard length < 6 else { continue }
                    for event in events {
                        var next = life
                        do throws(UpdateLife.Refusal) { try next.receive(event) } catch {
                            if next != life { changedByRefusal += 1 }
                        }
                        stack.append((next, length + 1))
                    }
                }
            }
        }
        #expect(wrong == 0)
        #expect(changedByRefusal == 0)
        #expect(sequences > 1_000_000)
    }

    private static func events(_ truths: [Digest: Truth]) -> [UpdateLife.Event] {
        [.roundMovedOn]
            + [a, b].flatMap { context -> [UpdateLife.Event] in
                [.firstChunkMayLeave(context), .closedWithoutProof(context)]
                    + UpdateLife.Proof.allCases.filter { truths[context]?.allows($0) == true }
                    .map { .proved($0, context) }
            }
    }
}
