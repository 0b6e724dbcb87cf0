// SPDX-License-Identifier: Apache-2.0
// How fast one large matrix product is, its rows shared among workers as a training step shares its examples.

import ArgumentParser
import Foundation
import Tensors

struct ProductBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "product", abstract: "One square matrix product, rows shared among workers.",
        discussion: """
            Benchmarks/peers/matmul.c is the same loop over oneDNN in C.

            Examples:
              consilium-bench product --size 2048 --json -
            """)

    @Option(help: "Rows, columns and depth.") var size = 2048
    @Option(help: "Workers.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Repetitions; the median counts.") var repetitions = 30
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var size: Int
        var workers: Int
        var gflops: Spread
        var implementation: String
    }

    func validate() throws {
        guard (1...16_384).contains(size), threads >= 1, threads <= size, repetitions >= 1 else {
            throw ValidationError("size is 1 to 16384, threads and repetitions at least 1")
        }
    }

    func run() throws {
        let a = FloatBuffer(count: size * size)
        let b = FloatBuffer(count: size * size)
        let c = FloatBuffer(count: size * size)
        a.floats.fill(with: 0.5)
        b.floats.fill(with: 0.25)
        let (x, y, z) = (a.floats, b.floats, c.floats)
        let team = WorkerTeam(count: threads)
        let share = (size + threads - 1) / threads
        let products = (0..<threads).map { member in
            let rows = max(min(size - member * share, share), 1)
            return MatrixProduct(ProductShape(m: rows, k: size, n: size), scratch: Scratch(), kernels: .fastest)
        }
        var rates: [Double] = []
        for repetition in 0...repetitions {
            let began = ContinuousClock.now
            team.run { member in
                let product = products[member]
                let first = min(member * share, size - product.shape.m)
                let rows = first..<first + product.shape.m
                product.run(x.rows(rows, width: size), y, into: z.rows(rows, width: size))
            }
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            // The first run packs and generates code.
            if repetition > 0 { rates.append(2 * pow(Double(size), 3) / seconds / 1e9) }
        }
        try result.write(
            Result(
                size: size, workers: threads, gflops: Spread(rates),
                implementation: products[0].implementation ?? "portable"))
    }
}
