// SPDX-License-Identifier: Apache-2.0
// Reports as CSV tables for R and Python: one line an observation, one name a column, empty for absent.

package import Foundation

/// The tables of one or several runs: `runs.csv`, `rounds.csv`, `sites.csv`, `participation.csv`.
package struct ReportTables: Hashable, Sendable {
    /// File name and content.
    package var files: [(name: String, text: String)] {
        [("runs.csv", runs), ("rounds.csv", rounds), ("sites.csv", sites), ("participation.csv", participation)]
    }

    private var runs: String
    private var rounds: String
    private var sites: String
    private var participation: String

    package init(_ reports: [FederationReport]) {
        runs = Self.table(
            [
                "seed", "study", "outcome", "rounds", "wallSeconds", "overheadMedianSeconds", "overheadMaxSeconds",
                "accuracy", "auc", "aucLower", "aucUpper", "rootMeanSquaredError", "rSquared", "pooledAccuracy",
                "pooledAuc", "pooledRootMeanSquaredError", "pooledRSquared", "modelSha256", "faults", "cutConnections",
            ],
            reports.map { report in
                [
                    .number(report.seed), .text(report.study.name), .text(report.outcome), .number(report.rounds),
                    .number(report.wallSeconds), .number(report.roundOverheadSeconds?.median),
                    .number(report.roundOverheadSeconds?.max), .number(report.global.accuracy),
                    .number(report.global.auc), .number(report.global.aucLower), .number(report.global.aucUpper),
                    .number(report.global.rootMeanSquaredError), .number(report.global.rSquared),
                    .number(report.pooledReference?.accuracy), .number(report.pooledReference?.auc),
                    .number(report.pooledReference?.rootMeanSquaredError), .number(report.pooledReference?.rSquared),
                    .text(report.model?.sha256 ?? ""), .text(report.faults?.profile ?? "none"),
                    .number(report.faults?.cutConnections),
                ]
            })
        rounds = Self.table(
            [
                "seed", "kind", "round", "attempt", "state", "seconds", "overheadSeconds", "survivors", "loss",
                "accuracy", "auc", "aucLower", "aucUpper", "bytesUp", "bytesDown", "clipRate", "examplesPerSecond",
            ],
            reports.flatMap { report in
                report.roundMetrics.map { round in
                    [
                        .number(report.seed), .text(round.kind), .number(round.round), .number(round.attempt),
                        .text(round.state), .number(round.seconds), .number(round.overheadSeconds),
                        .number(round.survivors), .number(round.loss), .number(round.accuracy), .number(round.auc),
                        .number(round.aucLower), .number(round.aucUpper), .number(round.bytesUp),
                        .number(round.bytesDown), .number(round.clipRate), .number(round.examplesPerSecond),
                    ]
                }
            })
        sites = Self.table(
            [
                "seed", "site", "trainRows", "testRows", "localAccuracy", "localAuc", "globalAccuracy", "globalAuc",
                "localRootMeanSquaredError", "localRSquared", "globalRootMeanSquaredError", "globalRSquared",
            ],
            reports.flatMap { report in
                report.sites.map { site in
                    [
                        .number(report.seed), .text(site.id), .number(site.trainRows), .number(site.testRows),
                        .number(site.localOnly.accuracy), .number(site.localOnly.auc), .number(site.global.accuracy),
                        .number(site.global.auc), .number(site.localOnly.rootMeanSquaredError),
                        .number(site.localOnly.rSquared), .number(site.global.rootMeanSquaredError),
                        .number(site.global.rSquared),
                    ]
                }
            })
        participation = Self.table(
            ["seed", "kind", "round", "attempt", "site", "outcome", "seconds"],
            reports.flatMap { report in
                report.roundMetrics.flatMap { round in
                    round.participation.map { line in
                        [
                            .number(report.seed), .text(round.kind), .number(round.round), .number(round.attempt),
                            .text(line.site), .text(line.outcome), .number(line.seconds),
                        ]
                    }
                }
            })
    }

    /// Writes the tables into `folder`, which is made when it is absent.
    package func write(to folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for file in files {
            try Data(file.text.utf8).write(to: folder.appending(path: file.name), options: .atomic)
        }
    }

    private enum Cell {
        case text(String)
        case empty

        static func number(_ value: (some CustomStringConvertible)?) -> Cell {
            value.map { .text($0.description) } ?? .empty
        }

        /// Our own words need no quotes, but a study's name comes from a person.
        var csv: String {
            guard case .text(let text) = self else { return "" }
            guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
            return "\"" + text.replacing("\"", with: "\"\"") + "\""
        }
    }

    private static func table(_ header: [String], _ rows: [[Cell]]) -> String {
        ([header.joined(separator: ",")] + rows.map { $0.map(\.csv).joined(separator: ",") })
            .joined(separator: "\n") + "\n"
    }
}
