// SPDX-License-Identifier: Apache-2.0
// What one secure sum costs a site and the aggregator.

import ArgumentParser
import Federation
import Foundation
import Kernels
import Randomness
import RingArithmetic
import SecureAggregation

struct SecureSumBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secure-sum", abstract: "The computing of one secure sum, without network and disk.",
        discussion: """
            Every party is in this process; some sites run every leg as in production and are
            measured, the others are made up from their secrets. The sum is compared with the
            plain sum of the survivors. Sites lost have dealt and do not upload.

            Examples:
              consilium-bench secure-sum --parameters 100000 --sites 500 --json -
              consilium-bench secure-sum --parameters 100000 --sites 500 --dropped 50 --json -
              consilium-bench secure-sum --parameters 25000000 --sites 8 --json -
            """)

    @Option(help: "Elements of the vector, besides a few counts.") var parameters = 100_000
    @Option(help: "Sites that deal.") var sites = 8
    @Option(help: "Of these, sites that are lost before they upload.") var dropped = 0
    @Option(help: "Bits of a value; the ring is as wide as the sum needs.") var valueBits = 16
    @Option(help: "Sites that are measured.") var measured = 3
    @Option(help: "How often the aggregator's half is repeated.") var repetitions = 3
    @Option(help: "Threads with which the aggregator removes masks.") var threads = 1
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var parameters: Int
        var sites: Int
        var dropped: Int
        var neighbours: Int
        var threshold: Int
        var ringBits: Int
        var isExact: Bool
        var clientSeconds: Spread
        var serverSeconds: Spread
        /// Of the median site and run.
        var clientLegs: LegSeconds
        var serverLegs: ServerSeconds
        /// Of one site.
        var bytesUp: Int
        var bytesDown: Int
        var maskGigabytesPerSecond: Spread
        var peakBytes: Int
    }

    func validate() throws {
        guard parameters >= 1, (3...5_000).contains(sites), dropped >= 0, (2...24).contains(valueBits),
            measured >= 1, repetitions >= 1, threads >= 1
        else {
            throw ValidationError(
                "3 to 5000 sites, 2 to 24 value bits; parameters, measured, repetitions and threads at least 1")
        }
        guard dropped <= sites - SumParameters.quorum(of: sites) else {
            throw ValidationError("of \(sites) sites at most \(sites - SumParameters.quorum(of: sites)) may be lost")
        }
    }

    func run() throws {
        consilium_tune_allocator()
        let bits = RingWidth.bits(sites: sites, maximumWeight: 1, valueBits: valueBits)
        let round = try SecureSumRound(
            sites: sites,
            sections: [
                RingSection(name: "values", count: parameters, elementBits: .bits32(ringBits: bits)),
                RingSection(name: "counts", count: 5, elementBits: .bits64),
            ], random: .system)
        var attempt = try SecureSumAttempt(round, lost: dropped, measured: min(measured, sites - dropped))
        let received = try attempt.collect()
        var legs: [ServerSeconds] = []
        var isExact = true
        for _ in 0..<repetitions {
            var server = MeasuredServer(
                round: round, manifest: attempt.manifest, proposal: attempt.proposal, threads: threads)
            let sum = try server.run(received)
            isExact = try isExact && attempt.equalsPlainSum(sum)
            legs.append(server.seconds)
        }
        guard isExact else { throw BenchError("the sum is not that of the survivors") }
        let clients = attempt.measuredSites
        try result.write(
            Result(
                parameters: parameters, sites: sites, dropped: dropped,
                neighbours: round.rules.graph.neighbourCount, threshold: round.rules.parameters.threshold,
                ringBits: bits, isExact: isExact, clientSeconds: Spread(clients.map(\.seconds.total)),
                serverSeconds: Spread(legs.map(\.total)),
                clientLegs: median(clients.map(\.seconds)) { $0.total }, serverLegs: median(legs) { $0.total },
                bytesUp: clients.map(\.bytesUp).max() ?? 0, bytesDown: clients.map(\.bytesDown).max() ?? 0,
                maskGigabytesPerSecond: try maskRate(), peakBytes: try residentBytes(of: "self", "VmHWM")))
    }

    private func median<Value>(_ values: [Value], by total: (Value) -> Double) -> Value {
        values.sorted { total($0) < total($1) }[values.count / 2]
    }

    /// Keystream into words, on one core.
    private func maskRate() throws -> Spread {
        var rates: [Double] = []
        var work = try MaskExpansionWork(masks: 64)
        for _ in 0..<5 {
            let began = ContinuousClock.now
            let bytes = work.run()
            rates.append(Double(bytes) / ((ContinuousClock.now - began) / .seconds(1)) / 1e9)
        }
        return Spread(rates)
    }
}
