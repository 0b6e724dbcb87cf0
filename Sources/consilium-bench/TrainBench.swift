// SPDX-License-Identifier: Apache-2.0
// How long a training step takes, optimiser included, over data that lie in memory.

import ArgumentParser
import Foundation
import Kernels
import NeuralNetworks
import Randomness
import Tensors

struct TrainBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "The training step of a network, beside which other frameworks can be run.",
        discussion: """
            Adam, softmax cross entropy, data resident; the networks are those of
            Benchmarks/peers/cases.py. `make bench-peers` runs PyTorch, TensorFlow and
            Opacus in turn with it.

            Examples:
              consilium-bench train --case seed-cnn --json -
              consilium-bench train --case mlp --private --json -
              consilium-bench train --case transformer --dropout 0.1 --seconds 20
            """)

    @Option(help: "One of: \(TrainingCase.names.joined(separator: ", ")).") var `case`: String
    @Option(help: "fp32, or bf16 for products and convolutions in bfloat16.") var precision = "fp32"
    @Flag(help: "Clip each example's gradient and add noise to the sum.") var `private` = false
    @Option(help: "Workers at most.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Measure for so many seconds, and at least three steps.") var seconds = 5.0
    @Option(help: "Dropout of the Transformer.") var dropout = 0.0
    @OptionGroup var result: ResultOption

    struct Result: Codable {
        var `case`: String
        var precision: String
        var isPrivate: Bool
        var workers: Int
        var millisecondsPerStep: Spread
        var steps: Int
        /// Largest resident size of the process.
        var peakBytes: Int
        /// Operations of the large products of a step, forward and backward, per second, in 10⁹.
        var gflops: Double
        var parameters: Int
        /// After the last step, on the resident data; shows that it trains.
        var loss: Double
    }

    func validate() throws {
        guard TrainingCase.names.contains(self.case) else {
            throw ValidationError("there is no case of that name: \(TrainingCase.names.joined(separator: ", "))")
        }
        guard ["fp32", "bf16"].contains(precision) else { throw ValidationError("the precision is fp32 or bf16") }
        guard threads >= 1, seconds > 0, dropout >= 0, dropout < 1 else {
            throw ValidationError("threads and seconds are above 0, dropout is in 0 ..< 1")
        }
    }

    func run() throws {
        consilium_tune_allocator()
        guard let network = try TrainingCase(self.case, dropout: dropout) else { return }
        var options = Engine.Options(batchSize: network.batch, threads: threads)
        options.isPrivate = self.private
        options.precision = precision == "bf16" ? .bfloat16 : .float32
        let engine = try Engine(network.graph, objective: Objective(SoftmaxCrossEntropy()), options)
        engine.parameters.copy(from: network.graph.initialParameters(seed: 1), at: 0)
        let key: [UInt8]? = self.private ? RandomSource.system.bytes(KeyedStream.keyBytes) : nil
        try engine.prepare(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0), noiseKey: key)
        let examples = network.residentExamples(seed: 2)
        let rows = (0..<Int32(examples.count)).map { $0 }
        var (step, loss) = (0, 0.0)
        var clock = StepClock(seconds: seconds)
        while clock.tick() {
            let start = step % network.residentBatches * network.batch
            var update = StepUpdate(rate: TrainingCase.learningRate, step: step)
            if self.private {
                update.privacy = (
                    bound: TrainingCase.clippingNorm, noise: TrainingCase.noiseMultiplier * TrainingCase.clippingNorm,
                    expectedPatients: Double(network.batch)
                )
            }
            loss = engine.step(
                rows[start..<start + network.batch], of: examples, dropoutKey: UInt64(step), update)
            step += 1
        }
        let spread = Spread(clock.milliseconds)
        let operations = 3 * Double(network.graph.operations) * Double(network.batch)
        try result.write(
            Result(
                case: self.case, precision: precision, isPrivate: self.private, workers: engine.workerCount,
                millisecondsPerStep: spread, steps: clock.milliseconds.count, peakBytes: Self.peakBytes,
                gflops: operations / spread.median / 1e6, parameters: network.graph.parameterCount, loss: loss))
    }

    private static var peakBytes: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}

/// Times single steps after a warm-up, as `Benchmarks/peers/step_clock.py` does.
struct StepClock {
    private static let warmUpSteps = 3
    private static let warmUpTime = Duration.milliseconds(500)
    private static let measuredSteps = 3
    let seconds: Double
    private(set) var milliseconds: [Double] = []
    private var ticks = 0
    private var last = ContinuousClock.now
    private var phaseBegan = ContinuousClock.now
    private var isWarm = false

    init(seconds: Double) { self.seconds = seconds }

    /// Call it once before the first step and after every step, until it answers false.
    mutating func tick() -> Bool {
        let now = ContinuousClock.now
        if isWarm {
            milliseconds.append((now - last) / .milliseconds(1))
        } else if ticks <= 1 {
            phaseBegan = now
        } else if ticks >= Self.warmUpSteps, now - phaseBegan >= Self.warmUpTime {
            (isWarm, phaseBegan) = (true, now)
        }
        ticks += 1
        last = ContinuousClock.now
        return !(isWarm && milliseconds.count >= Self.measuredSteps && now - phaseBegan >= .seconds(seconds))
    }
}
