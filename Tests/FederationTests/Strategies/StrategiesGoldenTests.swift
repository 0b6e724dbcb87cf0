// SPDX-License-Identifier: Apache-2.0
// The server optimisers against the rounds of another implementation.

import Federation
import ModelFiles
import Testing

@Suite struct StrategiesGoldenTests {
    private struct Description: Decodable {
        struct Parameters: Decodable {
            var serverLr: Double?
            var momentum: Double?
            var eta: Double?
            var beta1: Double?
            var beta2: Double?
            var tau: Double?
        }

        var sites: Int
        var rounds: Int
        var sampleCounts: [Double]
        var strategies: [String: Parameters]
    }

    private let description: Description
    private let file: SafetensorsFile

    init() throws {
        description = try GoldenFiles.decode(Description.self, from: "strategies/aggregation.json")
        file = try SafetensorsFile(bytes: GoldenFiles.bytes("strategies/aggregation.safetensors"))
    }

    private static func strategy(_ name: String, _ parameters: Description.Parameters) throws -> Strategy {
        switch name {
        case "fedavgm":
            return .fedAvgM(
                learningRate: try #require(parameters.serverLr), momentum: try #require(parameters.momentum))
        case "fedadagrad":
            return .fedAdagrad(learningRate: try #require(parameters.eta), tau: try #require(parameters.tau))
        case "fedadam", "fedyogi":
            let terms = Strategy.AdaptiveTerms(
                learningRate: try #require(parameters.eta), beta1: try #require(parameters.beta1),
                beta2: try #require(parameters.beta2), tau: try #require(parameters.tau))
            return name == "fedadam" ? .fedAdam(terms) : .fedYogi(terms)
        default: return .fedAvg
        }
    }

    /// All layers under `prefix`, one after the other.
    private func vector(_ prefix: String) throws -> [Float] {
        let layers = file.header.tensors.map(\.name).filter { $0.hasPrefix("initial.") }.map { $0.dropFirst(8) }
            .sorted()
        try #require(!layers.isEmpty)
        return try layers.flatMap { try file.floats("\(prefix).\($0)") }
    }

    @Test(arguments: ["fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad"])
    func everyRoundAgrees(name: String) throws {
        let strategy = try Self.strategy(name, try #require(description.strategies[name]))
        let optimizer = ServerOptimizer(strategy)
        var parameters = try vector("initial")
        var moments = [[Float]](
            repeating: [Float](repeating: 0, count: parameters.count), count: optimizer.momentCount)
        let total = description.sampleCounts.reduce(0, +)
        try #require(description.rounds > 0 && description.sampleCounts.count == description.sites)
        for round in 0..<description.rounds {
            var mean = [Double](repeating: 0, count: parameters.count)
            for site in 0..<description.sites {
                let after = try vector("round.\(round).site.\(site)")
                for index in mean.indices {
                    let change = Double(after[index]) - Double(parameters[index])
                    mean[index] += description.sampleCounts[site] / total * change
                }
            }
            optimizer.step(
                round: round + 1, parameters: &parameters, update: mean.map { Float($0) }, moments: &moments)
            let expected = try vector("\(name).after.\(round)")
            let error = zip(parameters, expected).map { abs($0 - $1) }.max() ?? .infinity
            #expect(error <= 1e-5, "round \(round + 1)")
        }
    }
}
