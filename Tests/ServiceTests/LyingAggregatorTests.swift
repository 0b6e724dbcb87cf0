// SPDX-License-Identifier: Apache-2.0
// An aggregator that speaks the protocol wrongly, against a real site: nothing leaves that should not, and it lives.

import Federation
import NIOCore
import NeuralNetworks
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct LyingAggregatorTests {
    // MARK: Tasks

    @Test
    func aTaskOfAStudyThatWasNeverOfferedIsWithheld() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.welcomed()
            let task = lies.task([])
            try await server.say(.roundOpen(task))
            #expect(try await server.withheld(task.hash) == .taskMismatch)
            #expect(lies.offers == 0)
        }
    }

    @Test
    func aTaskOfAStudyThatWasDeclinedIsWithheld() async throws {
        var plan = SitePlan("a")
        plan.approves = false
        try await LyingServer.run(plan: plan) { lies in
            let server = try await lies.welcomed()
            try await server.say(.studyOffer(lies.study.canonicalBytes))
            let decision = try await server.hear { if case .decision = $0 { true } else { false } }
            #expect(decision == .decision(study: lies.study.hash, .declined(.notApproved)))
            let statistics = RoundTask(
                study: lies.study.hash, id: RoundID(kind: .statistics, round: 0, attempt: 1), sites: 3, inputs: [])
            try await server.say(.roundOpen(statistics))
            #expect(try await server.withheld(statistics.hash) == .taskMismatch)
            #expect(lies.offers == 0)
        }
    }

    @Test
    func tasksThatTheStudyCannotAskForAreWithheld() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = BlobReference(name: "model", digest: .blob([]), byteCount: 100)
            let controls = BlobReference(name: "controls", digest: .blob([]), byteCount: 12)
            func task(_ kind: RoundKind, _ round: Int, attempt: Int = 1, sites: Int = 3, _ inputs: [BlobReference])
                -> RoundTask
            {
                RoundTask(
                    study: lies.study.hash, id: RoundID(kind: kind, round: round, attempt: attempt), sites: sites,
                    inputs: inputs)
            }
            let tasks = [
                task(.training, 3, [model]), task(.training, 1, sites: 2, [model]),
                task(.training, 1, attempt: 99, [model]), task(.training, 1, []),
                task(.training, 1, [model, controls]), task(.training, 1, [controls]),
                task(.statistics, 0, [model]), task(.statistics, 0, sites: 1, []), task(.evaluation, 3, [model]),
                task(.evaluation, 1, []), task(.training, 1, sites: 1_000_000, [model]),
            ]
            for task in tasks {
                try await server.say(.roundOpen(task))
                #expect(try await server.withheld(task.hash) == .taskMismatch)
            }
            #expect(lies.offers == 0)
            try await lies.expectHonestRound(on: server)
        }
    }

    // MARK: Models

    @Test
    func aModelThatIsNotWhatItsDigestSaysIsWithheld() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let task = lies.task(model)
            try await server.say(.roundOpen(task))
            var other = model
            other[model.count - 1] ^= 1
            try await lies.serve(other, on: server)
            #expect(try await server.withheld(task.hash) == .taskMismatch)
            #expect(lies.offers == 0)
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test
    func modelsThatAreNoneOfThisStudyAreWithheld() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            var another = lies.study
            another.title = "Another study"
            let models = [
                try lies.model(of: another), try lies.model(parameters: [.nan, 0, 0]),
                try lies.model(parameters: [0, .infinity, 0]), try lies.model(parameters: [0, 0]),
                Array("nothing that a model could be".utf8), [UInt8](repeating: 0xff, count: 64),
                Array(try lies.model().dropLast(1)),
            ]
            for model in models {
                let task = lies.task(model)
                try await server.say(.roundOpen(task))
                try await lies.serve(model, on: server)
                #expect(try await server.withheld(task.hash) == .taskMismatch)
            }
            #expect(lies.offers == 0)
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test(arguments: [1 << 36, 1 << 30, 100_000_000, 0])
    func aModelOfAnImpossibleSizeIsNotFetched(_ byteCount: Int) async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let task = lies.task([], digest: .blob([1]), byteCount: byteCount)
            try await server.say(.roundOpen(task))
            #expect(try await server.withheld(task.hash) == .taskMismatch)
            let requests = lies.site.line.passed.count { passing in
                if case .fromSite(.blobRequest) = passing { true } else { false }
            }
            #expect(requests == 0)
        }
    }

    @Test
    func moreBytesThanPromisedEndTheConnection() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let task = lies.task(model)
            try await server.say(.roundOpen(task))
            try await lies.serve(model + [0], on: server)
            await server.end()
            let next = try await lies.accepted()
            try await lies.expectHonestRound(on: next)
        }
    }

    @Test
    func aPieceAtAnotherPlaceEndsTheConnectionAndTheDownloadResumes() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let task = lies.task(model)
            try await server.say(.roundOpen(task))
            let request = try await server.hear { if case .blobRequest = $0 { true } else { false } }
            guard case .blobRequest(_, 0, let stream) = request else { throw TestFailure("no request") }
            try await server.send(Array(model[..<10]), stream: stream)
            try await server.connection.send(.chunk(ChunkHeader(streamID: stream, offset: 11), data: [1]))
            await server.end()
            let next = try await lies.welcomed()
            let again = try await next.hear { if case .blobRequest = $0 { true } else { false } }
            guard case .blobRequest(_, 10, let second) = again else { throw TestFailure("it did not resume") }
            try await next.send(model, stream: second, from: 10)
            _ = try await next.hear { if case .uploadOffer(task.hash, _, _, _) = $0 { true } else { false } }
        }
    }

    @Test
    func piecesOfAnythingElseAreDropped() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            for stream in 0..<200 as Range<UInt32> {
                try await server.send([UInt8](repeating: 7, count: 200_000), stream: stream)
            }
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test
    func aBlobThatIsNotThereIsWithheld() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let task = lies.task(try lies.model())
            try await server.say(.roundOpen(task))
            let request = try await server.hear { if case .blobRequest = $0 { true } else { false } }
            guard case .blobRequest(let digest, _, let stream) = request else { throw TestFailure("no request") }
            try await server.say(.blobUnavailable(digest, stream: stream &+ 1))
            try await server.say(.blobUnavailable(digest, stream: stream))
            #expect(try await server.withheld(task.hash) == .taskMismatch)
        }
    }

    @Test
    func aModelInManySmallPiecesDoesNotMakeTheSiteTalkTooMuch() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let task = lies.task(model)
            try await server.say(.roundOpen(task))
            try await lies.serve(model, on: server, pieces: 1)
            var messages = 0
            _ = try await server.hear { message in
                messages += 1
                if case .uploadOffer(task.hash, _, _, _) = message { return true }
                return false
            }
            // One byte a piece: more than a thousand pieces, and a few words about them.
            #expect(model.count > 600)
            #expect(messages < 200)
        }
    }

    // MARK: Other messages

    @Test
    func newsOfUnknownRoundsAndStudiesChangesNothing() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let nothing = Digest.blob([9])
            let model = BlobReference(name: "model", digest: nothing, byteCount: 10)
            for ending in AggregatorMessage.RoundEnding.allCases {
                try await server.say(.roundEnded(task: nothing, ending))
            }
            try await server.say(.uploadReady(task: nothing, offset: 0))
            try await server.say(.uploadResult(task: nothing, refused: nil))
            try await server.say(.uploadResult(task: nothing, refused: .wrongDigest))
            try await server.say(.blobUnavailable(nothing, stream: 99))
            try await server.say(.studyEnded(study: nothing, .completed, model: model))
            try await server.say(.studyEnded(study: nothing, .stopped, model: nil))
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test
    func studiesThatCannotBeReadAreDeclined() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.welcomed()
            var spoiled = lies.study.canonicalBytes
            spoiled[spoiled.count / 2] ^= 0xff
            for bytes in [[], Array("{}".utf8), Array(lies.study.canonicalBytes.dropLast()), spoiled] {
                try await server.say(.studyOffer(bytes))
                let decision = try await server.hear { if case .decision = $0 { true } else { false } }
                #expect(
                    decision == .decision(study: Study.hash(ofCanonicalBytes: bytes), .declined(.notUnderstood)))
            }
            try await server.say(.studyOffer(lies.study.canonicalBytes))
            _ = try await server.hear { $0 == .decision(study: lies.study.hash, .accepted) }
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test
    func anEndWithAModelThatCannotBeHadDoesNotEndTheSite() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let reference = BlobReference(name: "model", digest: .blob(model), byteCount: model.count)
            try await server.say(.studyEnded(study: lies.study.hash, .completed, model: reference))
            let request = try await server.hear { if case .blobRequest = $0 { true } else { false } }
            guard case .blobRequest(let digest, _, let stream) = request else { throw TestFailure("no request") }
            try await server.say(.blobUnavailable(digest, stream: stream))
            // Told again, it asks again, and this time gets and confirms it.
            try await server.say(.studyEnded(study: lies.study.hash, .completed, model: reference))
            try await lies.serve(model, on: server)
            _ = try await server.hear { $0 == .modelReceived(study: lies.study.hash, model: digest) }
            #expect(try await lies.site.store.study(lies.study.hash)?.outcome == "completed")
        }
    }

    @Test
    func aReleasedModelThatIsNoneIsNotConfirmed() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            var another = lies.study
            another.title = "Another study"
            for bytes in [[UInt8](repeating: 7, count: 64), try lies.model(of: another)] {
                let reference = BlobReference(name: "model", digest: .blob(bytes), byteCount: bytes.count)
                try await server.say(.studyEnded(study: lies.study.hash, .completed, model: reference))
                try await lies.serve(bytes, on: server)
            }
            let model = try lies.model()
            let reference = BlobReference(name: "model", digest: .blob(model), byteCount: model.count)
            try await server.say(.studyEnded(study: lies.study.hash, .completed, model: reference))
            try await lies.serve(model, on: server)
            let confirmed = try await server.hear { if case .modelReceived = $0 { true } else { false } }
            #expect(confirmed == .modelReceived(study: lies.study.hash, model: .blob(model)))
        }
    }

    @Test
    func anOffsetPastTheVectorEndsTheConnectionAndTheVectorIsOfferedAgain() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            let model = try lies.model()
            let task = lies.task(model)
            try await server.say(.roundOpen(task))
            try await lies.serve(model, on: server)
            _ = try await server.hear { if case .uploadOffer(task.hash, _, _, _) = $0 { true } else { false } }
            try await server.say(.uploadReady(task: task.hash, offset: .max))
            await server.end()
            let next = try await lies.welcomed()
            _ = try await next.hear { if case .uploadOffer(task.hash, _, _, _) = $0 { true } else { false } }
        }
    }

    @Test
    func aRoundThatEndsBetweenReadyAndTheVectorDoesNotEndTheSite() async throws {
        try await LyingServer.run { lies in
            let server = try await lies.accepted()
            for round in 1...2 {
                let model = try lies.model(round: round)
                let task = lies.task(model, round: round)
                try await server.say(.roundOpen(task))
                try await lies.serve(model, on: server)
                _ = try await server.hear { if case .uploadOffer(task.hash, _, _, _) = $0 { true } else { false } }
                try await server.say(.uploadReady(task: task.hash, offset: 0))
                try await server.say(.roundEnded(task: task.hash, .abandoned))
                try await eventually("the vector is forgotten") {
                    try await lies.site.store.round(taskHash: task.hash)?.state == .ended
                }
            }
        }
    }

    // MARK: Connections

    @Test
    func connectionsThatBeginWronglyAreLeftAndTriedAgain() async throws {
        try await LyingServer.run { lies in
            let beginnings: [[UInt8]] = [
                // welcome {version: 2}
                [0x0a, 0x02, 0x08, 0x02], [0xff], [], Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
                try AggregatorMessage.ping.encoded(),
                try AggregatorMessage.studyOffer(lies.study.canonicalBytes).encoded(),
                try AggregatorMessage.refusal(.version).encoded(),
                try AggregatorMessage.refusal(.unavailable).encoded(),
            ]
            for bytes in beginnings {
                let server = try await lies.connection()
                try await server.say(bytes: bytes)
                await server.end()
            }
            let chunk = try await lies.connection()
            try await chunk.send([1, 2, 3], stream: 1)
            await chunk.end()
            let server = try await lies.accepted()
            try await lies.expectHonestRound(on: server)
        }
    }

    @Test
    func garbageInTheMiddleOfASessionEndsTheConnectionOnly() async throws {
        try await LyingServer.run { lies in
            let messages: [AggregatorMessage] = [
                .uploadReady(task: .blob([]), offset: 3), .roundOpen(lies.task([1])),
                .welcome(version: 1, federation: "twice", software: "test"),
            ]
            for message in messages {
                let bytes = try message.encoded()
                for position in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 16)) {
                    let spoiled = Array(bytes[..<position])
                    guard (try? AggregatorMessage(decoding: spoiled)) == nil else { continue }
                    let server = try await lies.welcomed()
                    try await server.say(bytes: spoiled)
                    await server.end()
                }
            }
            let server = try await lies.welcomed()
            try await server.say(messages[2])
            await server.end()
            try await lies.expectHonestRound(on: try await lies.accepted())
        }
    }
}
