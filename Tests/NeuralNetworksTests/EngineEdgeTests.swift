// SPDX-License-Identifier: Apache-2.0
// Engines at their edges: workers without examples, engines side by side, memory given back, outputs without a gradient.

import Foundation
import NeuralNetworks
import Tensors
import Testing

@Suite struct EngineEdgeTests {
    private static func engine(_ graph: Graph, threads: Int, batch: Int = 8, outputs: Int = 1) throws -> Engine {
        var options = Engine.Options(batchSize: batch, threads: threads)
        options.usesAllThreads = true
        let terms = (0..<outputs).map { Objective.Term(output: $0, EngineTests.Distance()) }
        let engine = try Engine(graph, objective: Objective(terms), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        try engine.prepare(.sgd(momentum: 0, nesterov: false, weightDecay: 0))
        return engine
    }

    private static func step(_ engine: Engine, _ examples: Examples, rows: Range<Int32>, number: Int = 0) -> Double {
        engine.step(
            Array(rows)[...], of: examples, dropoutKey: UInt64(number), StepUpdate(rate: 0.05, step: number))
    }

    // Batch normalisation makes workers wait for each other: also those without examples.
    @Test func workersWithoutExamplesChangeRoundingOnly() throws {
        let graph = try EngineTests.graph()
        let examples = EngineTests.examples(8, graph: graph)
        for count in [1, 2, 3, 4, 5, 7] as [Int32] {
            let alone = try Self.engine(graph, threads: 1)
            let expected = Self.step(alone, examples, rows: 0..<count)
            for threads in [2, 3, 4, Int(count) + 1, 8] {
                let engine = try Self.engine(graph, threads: threads)
                let loss = Self.step(engine, examples, rows: 0..<count)
                #expect(abs(loss - expected) <= 1e-5 * expected, "\(count) examples, \(threads) workers")
                // Running statistics among them.
                #expect(
                    zip(engine.parameters.array, alone.parameters.array).allSatisfy { abs($0 - $1) <= 1e-5 },
                    "\(count) examples, \(threads) workers")
            }
        }
    }

    @Test func twoEnginesUsedInTurnDoNotDisturbEachOther() throws {
        let graph = try EngineTests.graph()
        let examples = EngineTests.examples(8, graph: graph)
        func train(_ engine: Engine, _ number: Int) -> Double {
            Self.step(engine, examples, rows: 0..<Int32(3 + number % 5), number: number)
        }
        let alone = try Self.engine(graph, threads: 2)
        let expected = (0..<8).map { train(alone, $0) }
        let (first, second) = (try Self.engine(graph, threads: 2), try Self.engine(graph, threads: 3))
        var losses: [Double] = []
        for number in 0..<8 {
            losses.append(train(first, number))
            _ = train(second, number)
        }
        #expect(losses == expected && first.parameters.array == alone.parameters.array)
    }

    // An output that no parameter lies before has a loss, and no gradient for anybody.
    @Test(arguments: KernelSet.all) func outputsWithoutParametersHaveALossOnly(kernels: KernelSet) throws {
        let nodes = [
            Node("pool", Pool.globalAverage, inputs: [0]), Node("flatten", Reshape.flatten, inputs: [0]),
            Node("dense", Dense(3), inputs: [2]),
        ]
        let graph = try Graph(inputs: [Shape([2, 4, 4])], nodes: nodes, outputs: [1, 3])
        let only = try Graph(
            inputs: [Shape([2, 4, 4])], nodes: [nodes[1], Node("dense", Dense(3), inputs: [1])], outputs: [2])
        let targets = [[Float](repeating: 0.5, count: 16), .init(repeating: 1, count: 24)]
        let inputs: [Examples.Values] = EngineTests.examples(8, graph: graph).inputs
        let both = try Self.engine(graph, threads: 1, outputs: 2)
        let single = try Self.engine(only, threads: 1)
        let loss = Self.step(both, Examples(count: 8, inputs: inputs, targets: targets), rows: 0..<8)
        let part = Self.step(single, Examples(count: 8, inputs: inputs, targets: [targets[1]]), rows: 0..<8)
        #expect(loss > part && both.parameters.array == single.parameters.array)
    }

    // MARK: Memory

    private static func threadCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
    }

    private static func residentBytes() throws -> Int {
        let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(Int(words[1])) * Int(getpagesize())
    }

    // Other tests run beside this one: the bounds are far above what they use and far below what leaks would add up to.
    @Test func enginesGiveBackThreadsAndMemory() throws {
        let graph = try Graph(
            input: Shape([3, 16, 16]),
            layers: [
                Convolve.twoD(16, kernel: 3, activation: .relu), BatchNorm(), Pool.max2D(2), Reshape.flatten,
                Dense(256, activation: .gelu), Dense(3),
            ])
        let examples = EngineTests.examples(8, graph: graph)
        func use() throws -> Int {
            let engine = try Self.engine(graph, threads: 4)
            _ = Self.step(engine, examples, rows: 0..<8)
            return engine.byteCount
        }
        let bytes = try use()
        let (threads, resident) = (try Self.threadCount(), try Self.residentBytes())
        for _ in 0..<100 { _ = try use() }
        #expect(try Self.threadCount() < threads + 150)
        #expect(bytes * 100 > 400_000_000, "\(bytes) bytes each")
        #expect(try Self.residentBytes() < resident + 250_000_000)
    }
}
