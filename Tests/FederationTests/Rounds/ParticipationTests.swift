// SPDX-License-Identifier: Apache-2.0
// The words for what became of a site: one word each, never the same one.

import Federation
import Testing

@Suite struct ParticipationTests {
    private let all: [Participation] =
        [.included, .notConnected, .notSampled] + WithholdReason.allCases.map { .withheld($0) }
        + RefusalReason.allCases.map { .refused($0) }
        + RoundStage.allCases.flatMap { [.connectionLost($0), .stalled($0), .tooSlow($0), .interrupted($0)] }

    @Test func everyWordIsUnique() {
        #expect(Set(all.map(\.word)).count == all.count)
        #expect(Set(all.map(\.explanation)).count == all.count)
    }

    @Test func wordsAreTheRecordedOnes() {
        #expect(Participation.included.word == "included")
        #expect(Participation.withheld(.nonFinite).word == "withheld:nonFinite")
        #expect(Participation.refused(.wrongDigest).word == "refused:wrongDigest")
        #expect(Participation.connectionLost(.computing).word == "connectionLost:computing")
        #expect(Participation.interrupted(.uploading).word == "interrupted:uploading")
    }

    @Test func stagesFollowTheWork() {
        #expect(RoundStage.allCases == RoundStage.allCases.sorted())
        #expect(RoundStage.asked < .downloading && .downloading < .computing && .computing < .uploading)
    }
}
