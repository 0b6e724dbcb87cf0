// SPDX-License-Identifier: Apache-2.0
// Losses of compiled models and their gradients against PyTorch in double precision.

import ModelFiles
import NeuralNetworks
import Testing

@Suite struct LossGoldenTests {
    private static func check(_ name: String, _ golden: GoldenVectors.Case, _ loss: some Loss) throws {
        let shape = try golden.file.tensor("input.0").shape
        let output = Shape(Array(shape.dropFirst()))
        let (z, targets) = (try golden.file.floats("input.0"), try golden.file.floats("target"))
        #expect(try targets.count == shape[0] * loss.targetCount(for: output), "\(name)")
        #expect(LossRun.firstUnfit(loss, targets: targets, output: output) == nil, "\(name)")
        let weight = LossRun(loss, z, targets: targets, output: output).weight
        let run = LossRun(loss, z, targets: targets, output: output, scale: Float(1 / weight))
        let expected = try golden.file.values("output")[0]
        #expect(abs(run.sum / weight - expected) <= 2e-6 * abs(expected), "\(name)")
        #expect(GoldenVectors.agree(run.gradient, try golden.file.values("grad.input.0")), "\(name)")
    }

    @Test func lossesMatchPyTorch() throws {
        let names = [
            "loss_ce", "loss_ce_weighted", "loss_ce_smoothing", "loss_bce", "loss_mse", "loss_huber",
            "loss_cox_breslow", "loss_cox_efron",
        ]
        try GoldenVectors.forEach(names) { name, golden in
            switch name {
            case "loss_bce": try Self.check(name, golden, SigmoidCrossEntropy())
            case "loss_mse": try Self.check(name, golden, MeanSquaredError())
            case "loss_huber": try Self.check(name, golden, Huber(delta: Float(golden.number("delta") ?? 1)))
            case "loss_cox_breslow": try Self.check(name, golden, CoxPartialLikelihood(ties: .breslow))
            case "loss_cox_efron": try Self.check(name, golden, CoxPartialLikelihood(ties: .efron))
            default:
                let loss = SoftmaxCrossEntropy(
                    classWeights: (golden.numbers("class_weights") ?? []).map { Float($0) },
                    labelSmoothing: Float(golden.number("label_smoothing") ?? 0))
                try Self.check(name, golden, loss)
            }
        }
    }
}
