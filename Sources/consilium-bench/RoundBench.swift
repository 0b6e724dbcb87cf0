// SPDX-License-Identifier: Apache-2.0
// The cost of rounds without training: the real daemon, real stores, real connections, a made-up update.

import AggregatorService
import ArgumentParser
import ClinicalData
import Federation
import Foundation
import Kernels
import Logging
import NIOPosix
import NeuralNetworks
import PeerTransport
import Randomness
import SiteService
import Store
import StudyFiles
import Tensors
import WireProtocol

struct RoundBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "round", abstract: "Rounds with updates that need no training.",
        discussion: """
            With --transport tls the aggregator is the daemon in a process of its own; its
            memory is that process's. With --transport memory all parties are one process.
            """)

    enum Transport: String, ExpressibleByArgument, CaseIterable { case tls, memory }

    @Option(help: "Parameters of the model, about.") var parameters = 1_000_000
    @Option(help: "Sites that take part.") var sites = 4
    @Option(help: "Training rounds.") var rounds = 5
    @Option(help: "How the parties are connected.") var transport = Transport.tls
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var parameters: Int
        var sites: Int
        var rounds: Int
        var transport: String
        var secondsPerRound: Spread
        var aggregatorIdleBytes: Int
        var aggregatorPeakBytes: Int
        var bytesUp: Int
        var bytesDown: Int
    }

    func validate() throws {
        guard parameters >= 100, sites >= 2, rounds >= 1 else {
            throw ValidationError("at least 100 parameters, 2 sites and 1 round")
        }
    }

    func run() async throws {
        consilium_tune_allocator()
        let folder = try BenchFolder()
        defer { folder.remove() }
        let study = try BenchStudy(parameters: parameters, sites: sites, rounds: rounds)
        let measured =
            switch transport {
            case .tls: try await RoundsOverTLS(study: study, sites: sites, folder: folder).run()
            case .memory: try await RoundsInMemory(study: study, sites: sites, folder: folder).run()
            }
        let training = measured.rounds.filter { $0.id.kind == .training }.compactMap(\.summary)
        guard training.count == rounds, let first = training.first else {
            throw BenchError("\(training.count) of \(rounds) rounds closed")
        }
        try result.write(
            Result(
                parameters: study.parameterCount, sites: sites, rounds: rounds, transport: transport.rawValue,
                secondsPerRound: Spread(training.map(\.seconds)), aggregatorIdleBytes: measured.idleBytes,
                aggregatorPeakBytes: measured.peakBytes, bytesUp: first.bytesUp, bytesDown: first.bytesDown))
    }
}

/// What a run gave.
struct MeasuredRounds {
    var rounds: [RoundRecord]
    var idleBytes: Int
    var peakBytes: Int
}

/// A study of a chosen size over a table of a few rows, and the update every site sends.
struct BenchStudy: Sendable {
    let study: Study
    let parameterCount: Int
    let tables: any DatasetProviding
    let update: SteadyUpdate

    init(parameters: Int, sites: Int, rounds: Int) throws {
        let inputs = 2
        // inputs × width + width, width × hidden + hidden, hidden + 1: close to the wanted number.
        let width = max(4, Int(Double(parameters).squareRoot()))
        let hidden = max(1, (parameters - (inputs + 1) * width) / (width + 2))
        let columns =
            (0..<inputs).map { index in
                ColumnContract(
                    name: "x\(index)",
                    kind: .number(NumberColumn(unit: "1", minimum: -10, maximum: 10, outOfRange: .refuse)),
                    missingCodes: [])
            } + [
                ColumnContract(
                    name: "y", kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: [])
            ]
        study = Study(
            name: "bench", title: "Rounds without training", purpose: "measurement",
            task: .binary,
            data: DataContract(columns: columns, holdout: Holdout(testFraction: 0, seed: 0)),
            model: ModelSpecification(layers: [
                Dense(width, activation: .relu), Dense(hidden, activation: .relu),
                Dense(1),
            ]),
            training: TrainingPlan(
                optimizer: .sgd(momentum: 0, nesterov: false, weightDecay: 0), learningRate: 0.01, schedule: .constant,
                batchSize: 4, localWork: .steps(1), seed: 1),
            federation: FederationTerms(
                strategy: .fedAvg, rounds: rounds, minimumSites: sites, requiredSites: [], participation: 1,
                progress: ProgressTerms(
                    joinSeconds: 60, stallSeconds: 600, stragglerFactor: 1_000, stragglerSeconds: 600,
                    absenceSeconds: 600, attempts: 1),
                numbers: NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64)),
            evaluation: EvaluationTerms(everyRounds: rounds + 1, bins: 16))
        parameterCount = try Network(study.model, inputs: inputs, head: .logistic).parameterCount
        let rows = (0..<64).map { "\(Double($0 % 7) - 3),\(Double($0 % 5) - 2),\($0 % 2)" }
        let mapping = TableMapping(path: "", columns: [:])
        let text = Array((["x0,x1,y"] + rows).joined(separator: "\n").utf8)
        let table = try TableLoader(
            contract: study.data, mapping: mapping, input: .memory(text, blockBytes: 4_096)
        ).load().table
        tables = OneTable(table: table)
        update = SteadyUpdate(parameterCount: parameterCount)
    }

    struct OneTable: DatasetProviding {
        let table: EncodedTable

        func table(named name: String, for contract: DataContract) throws -> EncodedTable { table }
        func fingerprint(of name: String) -> SourceFingerprint? { nil }
    }

    /// A change that costs nothing to make.
    struct SteadyUpdate: UpdateMaking {
        let change: [Float]

        init(parameterCount: Int) {
            change = (0..<parameterCount).map { Float($0 % 2_001 - 1_000) * 1e-5 }
        }

        func update(
            of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
            controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
            onProgress: (Int) throws -> Void
        ) throws -> LocalUpdate {
            LocalUpdate(
                change: change,
                summary: TrainingSummary(
                    steps: 1, examples: 4, meanLoss: 0.5, normalizingWeight: 1, learningRateSum: 0.01),
                controlChange: nil, controls: nil)
        }
    }
}
