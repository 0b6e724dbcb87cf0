// SPDX-License-Identifier: Apache-2.0
// Faults come from the seed, and each does what it says.

import NIOCore
import PeerTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct InMemoryNetworkTests {
    /// Sends `count` numbered frames over one connection and says what arrived, and how it ended.
    private func arrivals(
        _ plan: FaultPlan, as identity: PeerIdentity = .site("a"), count: Int = 40, kind: Frame.Kind = .control
    ) async throws -> (texts: [String], isOrderly: Bool) {
        let network = InMemoryNetwork(faults: plan)
        let done = Promised<(texts: [String], isOrderly: Bool)>()
        return try await whileRunning { bound in
            try await network.listen(onBound: { bound.give(()) }) { connection in
                var texts: [String] = []
                do {
                    while let frame = try await connection.nextFrame() { texts.append(frame.text) }
                    done.give((texts, true))
                } catch {
                    done.give((texts, false))
                }
            }
        } do: {
            let connection = try await network.connect(as: identity)
            do {
                for number in 0..<count {
                    try await connection.send(Frame(kind: kind, payload: ByteBuffer(string: "\(number)")))
                }
            } catch is TransportError {
                // Cut: the reader knows.
            }
            await connection.close()
            return try await done.take()
        }
    }

    private func plan(_ seed: UInt64, _ change: (inout FaultPlan) -> Void) -> FaultPlan {
        var plan = FaultPlan(seed: seed)
        plan.reorderPatience = .seconds(60)
        change(&plan)
        return plan
    }

    private let numbers = (0..<40).map(String.init)

    @Test func withoutFaultsEverythingArrivesOnceAndInOrder() async throws {
        let (texts, isOrderly) = try await arrivals(FaultPlan(seed: 1))
        #expect(texts == numbers && isOrderly)
    }

    @Test func oneSeedGivesOneFateAndAnotherSeedAnother() async throws {
        func run(_ seed: UInt64, _ identity: PeerIdentity = .site("a")) async throws -> [String] {
            try await arrivals(
                plan(seed) {
                    $0.cutProbability = 0.01
                    $0.duplicationProbability = 0.2
                    $0.reorderProbability = 0.2
                }, as: identity
            ).texts
        }
        let first = try await run(5)
        let answer = try await run(5)
        #expect(answer == first)
        #expect(try await run(6) != first)
        #expect(try await run(5, .site("b")) != first)
    }

    @Test(arguments: [1, 2, 7, 39])
    func aCutComesAfterFrameK(k: Int) async throws {
        let (texts, isOrderly) = try await arrivals(plan(1) { $0.cutAfterFrames = k })
        #expect(texts == Array(numbers.prefix(k)) && !isOrderly)
    }

    @Test func duplicatedControlFramesArriveTwiceInARow() async throws {
        let (texts, isOrderly) = try await arrivals(plan(2) { $0.duplicationProbability = 1 })
        #expect(texts == numbers.flatMap { [$0, $0] } && isOrderly)
    }

    @Test func reorderedControlFramesArriveAfterTheNextAndNoneIsLost() async throws {
        let (texts, isOrderly) = try await arrivals(plan(3) { $0.reorderProbability = 0.3 })
        #expect(texts != numbers && texts.sorted() == numbers.sorted() && isOrderly)
        for (place, text) in texts.enumerated() { #expect(abs(place - Int(text)!) <= 1) }
    }

    @Test func aFrameThatNobodyOvertakesArrivesAllTheSame() async throws {
        let (texts, isOrderly) = try await arrivals(
            plan(4) {
                $0.reorderProbability = 1
                $0.reorderPatience = .milliseconds(1)
            }, count: 1)
        #expect(texts == ["0"] && isOrderly)
    }

    @Test func chunksAreNeitherDuplicatedNorReordered() async throws {
        let (texts, isOrderly) = try await arrivals(
            plan(5) {
                $0.duplicationProbability = 1
                $0.reorderProbability = 1
            }, kind: .chunk)
        #expect(texts == numbers && isOrderly)
    }

    @Test func delayKeepsTheOrder() async throws {
        let (texts, isOrderly) = try await arrivals(plan(6) { $0.delay = .zero ... .milliseconds(2) })
        #expect(texts == numbers && isOrderly)
    }

    @Test func aCutPeerCannotConnectUntilItsOutageIsOver() async throws {
        let network = InMemoryNetwork()
        try await whileRunning { bound in
            try await network.listen(onBound: { bound.give(()) }) { connection in
                while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
            }
        } do: {
            let connection = try await network.connect(as: .site("a"))
            let other = try await network.connect(as: .site("b"))
            network.cut(.site("a"), outage: .milliseconds(100))
            #expect(await transportCode { _ = try await connection.nextFrame() } == .connectionLost)
            #expect(await transportCode { _ = try await network.connect(as: .site("a")) } == .connectionRefused)
            try await other.send(.control("unharmed"))
            let answer = try await other.nextFrame()?.text
            #expect(answer == "unharmed")
            while await transportCode({ await (try network.connect(as: .site("a"))).close() }) != nil {
                try await Task.sleep(for: .milliseconds(10))
            }
            await other.close()
        }
    }

    @Test func nobodyListensNobodyConnects() async {
        let network = InMemoryNetwork()
        #expect(await transportCode { _ = try await network.connect(as: .site("a")) } == .connectionRefused)
    }

    @Test func twoHundredSitesShareOneProcess() async throws {
        let network = InMemoryNetwork()
        let total = try await whileRunning { bound in
            try await network.listen(onBound: { bound.give(()) }) { connection in
                while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
            }
        } do: {
            return try await withThrowingTaskGroup(of: Int.self) { group in
                for site in 0..<200 {
                    group.addTask {
                        try await network.withConnection(as: .site("\(site)")) { connection in
                            var echoes = 0
                            for number in 0..<100 {
                                try await connection.send(.control("\(site) \(number)"))
                                if try await connection.nextFrame()?.text == "\(site) \(number)" { echoes += 1 }
                            }
                            return echoes
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
        }
        #expect(total == 20_000)
    }
}
