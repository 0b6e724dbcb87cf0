// SPDX-License-Identifier: Apache-2.0
// Memory and arithmetic of a training, predicted: exact at its limits, and without overflow.

import NeuralNetworks
import Tensors
import Testing

@Suite struct TrainingCostTests {
    private func cost(units: Int = 20) throws -> TrainingCost {
        TrainingCost(try Graph(input: Shape([10]), layers: [Dense(units), Dense(1)]))
    }

    private let setting = TrainingCost.Setting(batchSize: 32, threads: 2, stateVectors: 2)

    @Test func theFormulaIsTheOneThatIsWrittenDown() throws {
        // 241 parameters: two workers' gradients, state and its copy, seven more. 31 values an example and their
        // gradients, and two of the largest edge.
        let vectors = 241 * (2 + 4 + 7)
        let examples = 32 * (2 * 31 + 2 * 20)
        #expect(try cost().memoryBytes(setting) == 4 * (vectors + examples))
        #expect(try cost().operations(examples: 100) == 100 * 3 * 2 * (200 + 20))
    }

    @Test func everyPartOfTheSettingCounts() throws {
        let cost = try cost()
        let least = cost.memoryBytes(setting)
        func more(_ change: (inout TrainingCost.Setting) -> Void) -> Bool {
            var other = setting
            change(&other)
            return cost.memoryBytes(other) > least
        }
        #expect(more { $0.batchSize += 1 })
        #expect(more { $0.threads += 1 })
        #expect(more { $0.stateVectors += 1 })
        #expect(more { $0.furtherVectors += 1 })
        #expect(more { $0.precision = .bfloat16 })
        #expect(more { $0.isPrivate = true })
        #expect(
            more {
                $0.isPrivate = true
                $0.largestPatient = 2
            })
    }

    @Test func theLargestBatchFitsAndTheNextDoesNot() throws {
        let cost = try cost()
        for limit in [20_000, 25_604, 26_000] {
            let largest = try #require(cost.largestBatch(setting, within: limit))
            var tried = setting
            tried.batchSize = largest
            #expect(cost.memoryBytes(tried) <= limit)
            tried.batchSize = largest + 1
            #expect(largest == setting.batchSize || cost.memoryBytes(tried) > limit)
        }
        #expect(cost.largestBatch(setting, within: cost.memoryBytes(setting)) == 32)
        #expect(try #require(cost.largestBatch(setting, within: cost.memoryBytes(setting) - 1)) < 32)
        #expect(cost.largestBatch(setting, within: 1_000) == nil)
    }

    // Probabilities of long sequences are not kept: those of one example pass through each worker.
    @Test(arguments: [false, true]) func longAttentionKeepsNoProbabilities(hasAdapter: Bool) throws {
        func graph(_ steps: Int) throws -> Graph {
            let layer = MultiHeadAttention(
                2, dropout: 0.1, adapter: hasAdapter ? AttentionAdapter(rank: 2, alpha: 4) : nil)
            return try AttentionTests.graph(layer, queries: steps)
        }
        let most = MultiHeadAttention.mostKeptSteps
        var sizes: [Int] = []
        for steps in [most, most + 8] {
            let graph = try graph(steps)
            var options = Engine.Options(batchSize: 8, threads: 2)
            options.usesAllThreads = true
            let engine = try Engine(graph, objective: Objective(EngineTests.Distance()), options)
            let setting = TrainingCost.Setting(batchSize: 8, threads: 2, stateVectors: 0)
            sizes.append(TrainingCost(graph).memoryBytes(setting))
            // Two workers, each with up to three times one example's two heads.
            let passing = 2 * (steps > most ? 3 : 2) * 2 * steps * steps * 4
            let (taken, predicted) = (engine.byteCount + passing, sizes[sizes.count - 1])
            #expect(predicted >= taken && predicted <= 4 * taken, "\(predicted) for \(taken)")
        }
        #expect(sizes[1] < sizes[0] / 2)
    }

    @Test func nothingOverflows() throws {
        var builder = GraphBuilder()
        var edge = builder.input(Shape([1, 1, 1]))
        edge = try builder.add("0", Upsample(1 << 14), edge)
        for place in 1..<2_000 { edge = try builder.add("\(place)", Upsample(1), edge) }
        let cost = TrainingCost(try builder.graph(outputs: [edge]))
        // 2 000 maps of 1 GiB for each of a million examples are 2·10¹⁵ bytes.
        #expect(cost.memoryBytes(.init(batchSize: 1_000_000, threads: 1, stateVectors: 0)) > 2_000_000_000_000_000)
        #expect(cost.memoryBytes(.init(batchSize: .max, threads: .max, stateVectors: .max)) == .max)
        #expect(cost.memoryBytes(.init(batchSize: .max, threads: 2, stateVectors: 0)) == .max)
        #expect(cost.largestBatch(.init(batchSize: .max, threads: 2, stateVectors: 0), within: 1 << 30) == nil)
        #expect(try self.cost().operations(examples: .max) == .max)
        #expect(cost.predictionBytes > 2_000 << 30)
    }
}
