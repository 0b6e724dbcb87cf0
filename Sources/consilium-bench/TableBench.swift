// SPDX-License-Identifier: Apache-2.0
// How fast a table becomes encoded features, on one core.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import Kernels

struct TableBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table", abstract: "CSV bytes to encoded features, one core.")

    @Option(help: "Size of the table in MB.") var megabytes = 200
    @Option(help: "Repetitions; the median counts.") var repetitions = 3
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var megabytes: Double
        var rows: Int
        var megabytesPerSecond: Spread
    }

    func run() async throws {
        consilium_tune_allocator()
        let columns =
            (0..<9).map { index in
                ColumnContract(
                    name: "n\(index)",
                    kind: .number(NumberColumn(unit: "1", minimum: 0, maximum: 1_000, outOfRange: .refuse)),
                    missingCodes: ["?"])
            }
            + (0..<4).map { index in
                ColumnContract(
                    name: "c\(index)",
                    kind: .category(
                        CategoryColumn(
                            codes: ["0", "1", "2", "3"], unknownCode: .refuse, dropsFirst: true, isStandardized: false)),
                    missingCodes: [])
            } + [
                ColumnContract(
                    name: "label", kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: [])
            ]
        let contract = DataContract(columns: columns, holdout: Holdout(testFraction: 0.2, seed: 1))
        let text = makeTable(columns: columns.map(\.name))
        let mapping = TableMapping(path: "", columns: [:])
        var rates: [Double] = []
        var rows = 0
        for _ in 0..<repetitions {
            let began = ContinuousClock.now
            rows = try TableLoader(
                contract: contract, mapping: mapping, input: .memory(text, blockBytes: 256 << 10)
            ).load().table.rowCount
            rates.append(Double(text.count) / 1e6 / (ContinuousClock.now - began).inSeconds)
        }
        try result.write(
            Result(megabytes: Double(text.count) / 1e6, rows: rows, megabytesPerSecond: Spread(rates)))
    }

    /// Numbers as hospitals write them: whole, with one decimal, sometimes missing.
    private func makeTable(columns: [String]) -> [UInt8] {
        var text = Array((columns.joined(separator: ",") + "\n").utf8)
        text.reserveCapacity(megabytes * 1_000_000 + 1_000)
        var row = 0
        while text.count < megabytes * 1_000_000 {
            let fields = (0..<9).map { index -> String in
                let value = (row &* 2_654_435_761 &+ index &* 40_503) & 0x3FFF
                if value % 37 == 0 { return "?" }
                return index % 3 == 0 ? "\(value % 1_000)" : "\(value % 900).\(value % 10)"
            }
            let codes = (0..<4).map { "\((row / ($0 + 1)) % 4)" }
            text += (fields + codes + ["\(row % 2)"]).joined(separator: ",").utf8
            text.append(UInt8(ascii: "\n"))
            row += 1
        }
        return text
    }
}
