// SPDX-License-Identifier: Apache-2.0
// A member that speaks the protocol wrongly, against the real aggregator and three honest sites.

import Federation
import NIOCore
import NeuralNetworks
import PeerTransport
import RingArithmetic
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct LyingSiteTests {
    /// Three honest sites are the minimum and always waited for; the liar is not.
    private static let terms = ProgressTerms(
        joinSeconds: 60, stallSeconds: 120, stragglerFactor: 1, stragglerSeconds: 1, absenceSeconds: 120, attempts: 3)

    private static func study(rounds: Int = 1) -> Study {
        TestStudy.make(rounds: rounds, progress: terms, valueBits: 15)
    }

    /// Runs the study with three honest sites; `lie` plays the fourth. The study must complete all the same.
    private static func run(
        rounds: Int = 1, gate: Gate? = nil, _ lie: (TestFederation) async throws -> Void
    ) async throws {
        let plans = ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(study(rounds: rounds), plans, guests: ["liar"]) { federation in
            try await lie(federation)
            gate?.open()
            // A study that waits for the fourth site's word gets it.
            let last = try await RawSite("liar", in: federation)
            if try await federation.progress().phase == "gathering" {
                try await last.say(.hello(versions: [1], software: "test"))
                try await last.say(.decision(study: federation.hash, .declined(.notApproved)))
            }
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            for round in try await federation.rounds() where round.state == .closed {
                for site in ["a", "b", "c"] {
                    #expect(round.participation.first { $0.site.rawValue == site }?.word == "included")
                }
            }
            try await federation.spoolIsCleared()
        }
    }

    private static func trainingLayout(_ federation: TestFederation, task: RoundTask) throws -> RingLayout {
        let network = try Network(federation.study.model, inputs: 2, head: .logistic)
        return try UpdateSum(
            terms: federation.study.federation, parameterCount: network.parameterCount, sites: task.sites
        ).layout
    }

    // MARK: Uploads

    @Test(arguments: [-1, 1, 1_000_000, (1 << 36) - 200])
    func aVectorOfTheWrongLengthIsRefusedAndSettlesTheSite(_ excess: Int) async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            try await liar.say(
                .uploadOffer(
                    task: task.hash, byteCount: UInt64(length + excess), digest: .blob([]), stream: 1))
            #expect(try await liar.answer(about: task.hash) == .uploadResult(task: task.hash, refused: .wrongLength))
            #expect(try await federation.words(.statistics, 0)["liar"] == "refused:wrongLength")
        }
    }

    @Test
    func aVectorWithAnotherDigestThanPromisedIsRefused() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            let verdict = try await liar.upload(
                [UInt8](repeating: 1, count: length), task: task, digest: .blob([1, 2, 3]))
            #expect(verdict == .uploadResult(task: task.hash, refused: .wrongDigest))
            #expect(try await federation.words(.statistics, 0)["liar"] == "refused:wrongDigest")
            let rows = try await federation.round(.statistics, 0)?.metrics["trainingRows"]
            var honest = 0
            for site in ["a", "b", "c"] {
                honest += try #require(try await federation[site].store.rounds(study: federation.hash).first?.rows)
            }
            #expect(rows == Double(honest), "nothing of the refused vector is in the sum")
        }
    }

    @Test
    func bitsSetAfterTheLastElementAreRefused() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            try await liar.passStatistics(federation)
            let task = try await liar.task(.training)
            let layout = try Self.trainingLayout(federation, task: task)
            let padded = try #require(layout.paddedBytes.first)
            var bytes = [UInt8](repeating: 0, count: layout.packedByteCount)
            bytes[padded.byteOffset] = padded.paddingMask
            let verdict = try await liar.upload(bytes, task: task)
            #expect(verdict == .uploadResult(task: task.hash, refused: .malformedVector))
            #expect(try await federation.words(.training, 1)["liar"] == "refused:malformedVector")
            for parameter in zip(
                try await federation.parameters(after: 0), try await federation.parameters(after: 1))
            {
                #expect(abs(parameter.1 - parameter.0 - 0.1) < 1 / 16_383)
            }
        }
    }

    @Test
    func anImpossibleSumIsAbandonedAndTriedAgain() async throws {
        // A weight of zero cannot come from a site that follows the rules: every one has at least 1.
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            try await liar.passStatistics(federation)
            let task = try await liar.task(.training)
            let layout = try Self.trainingLayout(federation, task: task)
            var bytes = [UInt8](repeating: 0, count: layout.packedByteCount)
            // The totals are the last section: 64-bit each, the weight first, made negative.
            bytes.replaceSubrange((bytes.count - 40)..<(bytes.count - 32), with: [UInt8](repeating: 0x80, count: 8))
            #expect(try await liar.upload(bytes, task: task) == .uploadResult(task: task.hash, refused: nil))
            _ = try await federation.words(.training, 1)
            let first = try #require(try await federation.round(.training, 1))
            #expect(first.state == .abandoned)
            #expect(first.reason == "implausibleSum")
            await liar.connection.close()
        }
    }

    @Test(arguments: [1, 7])
    func aChunkAtAnotherPlaceEndsTheConnection(_ offset: Int) async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            try await liar.say(
                .uploadOffer(task: task.hash, byteCount: UInt64(length), digest: .blob([]), stream: 3))
            #expect(try await liar.answer(about: task.hash) == .uploadReady(task: task.hash, offset: 0))
            try await liar.chunk(3, at: offset, [1, 2])
            #expect(try await liar.refusal() == .protocolViolation)
            #expect(try await federation.words(.statistics, 0)["liar"]?.hasPrefix("connectionLost:") == true)
        }
    }

    @Test
    func aChunkPastTheEndEndsTheConnection() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            try await liar.say(
                .uploadOffer(task: task.hash, byteCount: UInt64(length), digest: .blob([]), stream: 3))
            #expect(try await liar.answer(about: task.hash) == .uploadReady(task: task.hash, offset: 0))
            try await liar.chunk(3, at: 0, [UInt8](repeating: 0, count: length + 1))
            #expect(try await liar.refusal() == .protocolViolation)
        }
    }

    @Test
    func chunksOfUnknownStreamsAreDropped() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            for stream in [0, 1, 77, UInt32.max] { try await liar.chunk(stream, at: 5, [1, 2, 3]) }
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            let verdict = try await liar.upload([UInt8](repeating: 0, count: length), task: task)
            #expect(verdict == .uploadResult(task: task.hash, refused: nil))
            #expect(try await federation.words(.statistics, 0)["liar"] == "included")
        }
    }

    @Test(arguments: [[], [1, 2, 3]] as [[UInt8]])
    func aChunkShorterThanItsHeaderEndsTheConnection(_ bytes: [UInt8]) async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            try await liar.connection.send(Frame(kind: .chunk, payload: .init(bytes: bytes)))
            #expect(try await liar.refusal() == .protocolViolation)
        }
    }

    @Test
    func anUploadForAnotherTaskIsToldThatNobodyWaits() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            var other = task
            other.id.attempt = 2
            #expect(try await liar.upload([1], task: other) == .roundEnded(task: other.hash, .abandoned))
        }
    }

    @Test
    func aSecondUploadChangesNothing() async throws {
        try await Self.run(gate: Gate()) { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            try await liar.passStatistics(federation)
            let task = try await liar.task(.training)
            let layout = try Self.trainingLayout(federation, task: task)
            var bytes = [UInt8](repeating: 0, count: layout.packedByteCount)
            bytes[bytes.count - 40] = 1
            #expect(try await liar.upload(bytes, task: task) == .uploadResult(task: task.hash, refused: nil))
            #expect(try await liar.upload(bytes, task: task) == .uploadResult(task: task.hash, refused: nil))
            // Other content, and another length: the first one is durable and stays.
            bytes[0] = 255
            #expect(try await liar.upload(bytes, task: task) == .uploadResult(task: task.hash, refused: nil))
            #expect(try await liar.upload([1], task: task) == .uploadResult(task: task.hash, refused: nil))
            let uploads = try await federation.store.uploads(taskHash: task.hash)
            #expect(uploads.filter { $0.site.rawValue == "liar" }.count == 1)
            #expect(try federation.spooledUploads().filter { $0.contains("liar") }.count == 1)
        }
    }

    @Test
    func anUploadAfterTheRoundIsToldHowItEnded() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            await liar.connection.close()
            _ = try await federation.words(.statistics, 0)
            let again = try await RawSite.joining(federation, as: "liar")
            #expect(try await again.upload([1, 2, 3], task: task) == .roundEnded(task: task.hash, .abandoned))
        }
    }

    @Test
    func twoOffersOfOneUploadAtOnceDoNotSpoilIt() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            let bytes = [UInt8](repeating: 0, count: length)
            for stream in 1...2 as ClosedRange<UInt32> {
                try await liar.say(
                    .uploadOffer(task: task.hash, byteCount: UInt64(length), digest: .blob(bytes), stream: stream))
                #expect(try await liar.answer(about: task.hash) == .uploadReady(task: task.hash, offset: 0))
            }
            // The older stream has lost the file; its pieces are dropped.
            try await liar.chunk(1, at: 0, [9, 9, 9])
            try await liar.chunk(2, at: 0, bytes)
            #expect(try await liar.answer(about: task.hash) == .uploadResult(task: task.hash, refused: nil))
        }
    }

    @Test
    func moreUploadsThanAllowedEndTheConnection() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let task = try await liar.task(.statistics)
            let length = try StatisticsSum(contract: federation.study.data).layout.packedByteCount
            for stream in 1...5 as ClosedRange<UInt32> {
                try await liar.say(
                    .uploadOffer(task: task.hash, byteCount: UInt64(length), digest: .blob([]), stream: stream))
            }
            #expect(try await liar.refusal() == .protocolViolation)
        }
    }

    // MARK: Messages about things that do not exist

    @Test
    func messagesAboutUnknownTasksAndStudiesAreIgnored() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let nothing = Digest.blob([4, 2])
            for stage in RoundStage.allCases {
                try await liar.say(.progress(task: nothing, stage, count: .max))
            }
            try await liar.say(.withheld(task: nothing, .stopped))
            try await liar.say(.decision(study: nothing, .accepted))
            try await liar.say(.decision(study: nothing, .declined(.notApproved)))
            try await liar.say(.modelReceived(study: nothing, model: nothing))
            try await liar.say(.blobRequest(nothing, offset: .max, stream: 9))
            let reply = try await liar.hear { if case .blobUnavailable = $0 { true } else { false } }
            #expect(reply == .blobUnavailable(nothing, stream: 9))
            try await liar.passStatistics(federation)
            #expect(try await federation.words(.statistics, 0)["liar"] == "included")
        }
    }

    @Test
    func aSiteThatDidNotAcceptGetsNoModelAndConfirmsNone() async throws {
        let gate = Gate()
        try await Self.run(gate: gate) { federation in
            let spy = try await RawSite("liar", in: federation)
            try await spy.say(.hello(versions: [1], software: "test"))
            try await spy.say(.decision(study: federation.hash, .declined(.notApproved)))
            try await eventually("training is open") { try await federation.round(.training, 1) != nil }
            let model = try #require(try await federation.store.models(study: federation.hash).first?.blob.digest)
            try await spy.say(.blobRequest(model, offset: 0, stream: 1))
            let reply = try await spy.hear { if case .blobUnavailable = $0 { true } else { false } }
            #expect(reply == .blobUnavailable(model, stream: 1))
            try await spy.say(.modelReceived(study: federation.hash, model: model))
            // An answer to a later message shows that the earlier one has been seen.
            try await spy.say(.blobRequest(model, offset: 0, stream: 2))
            _ = try await spy.hear { if case .blobUnavailable(_, 2) = $0 { true } else { false } }
            #expect(try await federation.progress().deliveries == 0)
        }
    }

    @Test
    func repeatedDecisionsDoNotHoldUpARound() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            for _ in 0..<50 {
                try await liar.say(.decision(study: federation.hash, .accepted))
                try await liar.say(.decision(study: federation.hash, .declined(.dataRefused)))
            }
            await liar.connection.close()
        }
    }

    // MARK: Hello and floods

    @Test
    func anythingBeforeHelloIsRefused() async throws {
        try await Self.run { federation in
            let digest = Digest.blob([])
            let messages: [SiteMessage] = [
                .decision(study: digest, .accepted), .blobRequest(digest, offset: 0, stream: 1),
                .progress(task: digest, .asked, count: 0),
                .uploadOffer(task: digest, byteCount: 1, digest: digest, stream: 1),
                .withheld(task: digest, .stopped), .modelReceived(study: digest, model: digest),
            ]
            for message in messages {
                let liar = try await RawSite("liar", in: federation)
                try await liar.say(message)
                #expect(try await liar.hear() == .refusal(.protocolViolation))
            }
            let liar = try await RawSite("liar", in: federation)
            try await liar.chunk(1, at: 0, [1])
            #expect(try await liar.hear() == .refusal(.protocolViolation))
        }
    }

    @Test
    func aSecondHelloIsRefused() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            try await liar.say(.hello(versions: [1], software: "test"))
            #expect(try await liar.refusal() == .protocolViolation)
        }
    }

    @Test(arguments: [[0], [2], [2, 3, .max]] as [[UInt32]])
    func aSiteThatSpeaksOtherVersionsOnlyIsRefused(_ versions: [UInt32]) async throws {
        try await Self.run { federation in
            let liar = try await RawSite("liar", in: federation)
            try await liar.say(.hello(versions: versions, software: "old"))
            #expect(try await liar.hear() == .refusal(.version))
            #expect(try await liar.refusal() == nil)
        }
    }

    @Test
    func aPeerThatIsNoMemberIsRefused() async throws {
        try await Self.run { federation in
            for name in ["fl://test/site/stranger", "fl://test/aggregator/liar", "fl://test/site/LIAR", "localhost"] {
                let connection = try await federation.network.connect(
                    as: PeerIdentity(publicKeyHash: [], names: [name]))
                let frame = try #require(try await connection.nextFrame())
                #expect(try AggregatorMessage(decoding: frame.controlBytes) == .refusal(.notMember))
            }
        }
    }

    @Test
    func aFloodOfMessagesIsRefused() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let message = SiteMessage.progress(task: .blob([]), .computing, count: 1)
            // The line may break while we still talk.
            for _ in 0..<2_000 { guard (try? await liar.say(message)) != nil else { break } }
            #expect(try await liar.refusal() == .rateLimit)
        }
    }

    @Test
    func aFloodOfBlobRequestsIsRefusedEvenOneAtATime() async throws {
        try await Self.run { federation in
            let liar = try await RawSite.joining(federation, as: "liar")
            let nothing = Digest.blob([4, 2])
            var code: RefusalCode?
            for stream in 1...5_000 as ClosedRange<UInt32> where code == nil {
                guard (try? await liar.say(.blobRequest(nothing, offset: 0, stream: stream))) != nil else { break }
                while let message = try await liar.hear() {
                    if case .refusal(let reason) = message { code = reason }
                    if case .blobUnavailable(_, stream) = message { break }
                    if code != nil { break }
                }
            }
            #expect(code == .rateLimit)
        }
    }

    @Test
    func aNewerConnectionOfASiteTakesOver() async throws {
        try await Self.run { federation in
            let older = try await RawSite.joining(federation, as: "liar")
            let newer = try await RawSite.joining(federation, as: "liar")
            #expect(try await older.refusal() == .alreadyConnected)
            try await newer.passStatistics(federation)
        }
    }

    // MARK: Truncated and garbage messages

    @Test
    func everyPrefixAndEveryFlippedByteOfASessionIsSurvived() async throws {
        let gate = Gate()
        try await Self.run(gate: gate) { federation in
            let task = Digest.blob([7])
            let messages: [SiteMessage] = [
                .hello(versions: [1], software: "test"), .decision(study: federation.hash, .accepted),
                .progress(task: task, .computing, count: 3),
                .uploadOffer(task: task, byteCount: 300, digest: task, stream: 2),
                .withheld(task: task, .stopped),
            ]
            let session = try messages.map { try $0.encoded() }
            for (index, bytes) in session.enumerated() {
                for position in bytes.indices {
                    var flipped = bytes
                    flipped[position] ^= 0xff
                    for spoiled in [Array(bytes[..<position]), flipped] {
                        let liar = try await RawSite("liar", in: federation)
                        for message in session[..<index] { try await liar.say(bytes: message) }
                        try await liar.say(bytes: spoiled)
                        let isValid = (try? SiteMessage(decoding: spoiled)) != nil
                        guard !isValid else {
                            await liar.connection.close()
                            continue
                        }
                        #expect(try await liar.refusal() == .protocolViolation, "message \(index) byte \(position)")
                    }
                }
            }
        }
    }
}
