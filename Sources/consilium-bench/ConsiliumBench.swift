// SPDX-License-Identifier: Apache-2.0
// Repeatable measurements of the real code paths, as JSON.

import ArgumentParser
import Federation
import Foundation
import Kernels

@main
struct ConsiliumBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consilium-bench",
        abstract: "Repeatable measurements; results as JSON.",
        discussion: """
            Each command uses the code that production uses. Times on a shared machine
            move: quote medians, and compare only what ran in one go.

            Examples:
              consilium-bench round --parameters 1000000 --sites 4 --json -
              consilium-bench round --parameters 25000000 --sites 32 --rounds 3 --json -
              consilium-bench transport --connections 1 --json -
              consilium-bench load --sites 1000 --rounds 0 --json -
              consilium-bench load --sites 300 --rounds 5 --json -
              consilium-bench table --megabytes 200 --json -
              consilium-bench train --case seed-cnn --json -
              consilium-bench product --size 2048 --json -
              consilium-bench secure-sum --parameters 100000 --sites 500 --json -
            """,
        version: programVersion,
        subcommands: [
            RoundBench.self, TransportBench.self, LoadBench.self, LoadSitesCommand.self, TableBench.self,
            TrainBench.self, ProductBench.self, SecureSumBench.self, TortureCommand.self,
        ])
}

/// Where a measurement's JSON goes.
struct ResultOption: ParsableArguments {
    @Option(name: .long, help: "Write the result to FILE; - is standard output.")
    var json = "-"

    func write(_ result: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(result) + Data("\n".utf8)
        if json == "-" {
            FileHandle.standardOutput.write(text)
        } else {
            try text.write(to: URL(fileURLWithPath: json))
        }
    }
}

/// Median and extremes of repeated measurements.
struct Spread: Codable {
    var median: Double
    var min: Double
    var max: Double

    /// - Precondition: there is at least one value.
    init(_ values: [Double]) {
        precondition(!values.isEmpty, "a spread of nothing")
        let sorted = values.sorted()
        median = sorted[sorted.count / 2]
        min = sorted[0]
        max = sorted[sorted.count - 1]
    }
}

/// A failure of the measurement itself.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
