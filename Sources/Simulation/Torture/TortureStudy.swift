// SPDX-License-Identifier: Apache-2.0
// The study of the torture runs: five sites, six rounds, and so small that a run takes a fraction of a second.

import ClinicalData
import Federation
import NeuralNetworks
import Randomness
import SiteService

/// A logistic model over two numbers, and a table for each site.
struct TortureStudy: Sendable {
    static let name = "torture"
    static let dataset = "rows"

    let study: Study
    let sites: [SiteID]
    let tables: [SiteID: EncodedTable]

    init(siteCount: Int, rounds: Int, seed: UInt64) throws {
        let number = NumberColumn(unit: "1", minimum: -10, maximum: 10, outOfRange: .refuse)
        let columns =
            ["x", "y"].map { ColumnContract(name: $0, kind: .number(number), missingCodes: []) }
            + [ColumnContract(name: "ill", kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: [])]
        let contract = DataContract(columns: columns, holdout: Holdout(testFraction: 0.25, seed: 1))
        study = Study(
            name: Self.name, title: "A study under torture", purpose: "simulation", task: .binary,
            data: contract, model: ModelSpecification(layers: [Dense(1)]),
            training: TrainingPlan(
                optimizer: .sgd(momentum: 0, nesterov: false, weightDecay: 0), learningRate: 0.1,
                schedule: .constant, batchSize: 8, localWork: .steps(4), seed: seed),
            federation: FederationTerms(
                strategy: .fedAvg, rounds: rounds, minimumSites: siteCount - 2, requiredSites: [], participation: 1,
                progress: ProgressTerms(
                    joinSeconds: 5, stallSeconds: 30, stragglerFactor: 4, stragglerSeconds: 3, absenceSeconds: 300,
                    attempts: 20),
                numbers: NumberTerms(valueBits: 16, clip: 1, weightUnit: 16, maximumWeight: 64)),
            evaluation: EvaluationTerms(everyRounds: 3, bins: 16))
        var sites: [SiteID] = []
        var tables: [SiteID: EncodedTable] = [:]
        for index in 1...siteCount {
            guard let site = SiteID("site-\(index)") else { continue }
            sites.append(site)
            tables[site] = try TableLoader(
                contract: contract, mapping: TableMapping(path: "", columns: [:]),
                input: .memory(Self.table(rows: 24 + 8 * index, seed: UInt64(index)), blockBytes: 4_096)
            ).load().table
        }
        self.sites = sites
        self.tables = tables
    }

    /// Rows in which x + y > 0 is ill.
    private static func table(rows: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed, stream: "torture-table")
        var text = "x,y,ill\n"
        for _ in 0..<rows {
            let x = Double(generator.index(below: 401)) / 100 - 2
            let y = Double(generator.index(below: 401)) / 100 - 2
            text += "\(x),\(y),\(x + y > 0 ? 1 : 0)\n"
        }
        return Array(text.utf8)
    }

    /// The one data set of a site.
    struct Dataset: DatasetProviding {
        let table: EncodedTable

        func table(named name: String, for contract: DataContract) throws -> EncodedTable { table }
        func fingerprint(of name: String) -> SourceFingerprint? { nil }
    }
}
