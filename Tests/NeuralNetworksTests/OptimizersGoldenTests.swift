// SPDX-License-Identifier: Apache-2.0
// The optimisers' steps against PyTorch in double precision.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct OptimizersGoldenTests {
    @Test func stepsMatchPyTorch() throws {
        let names = [
            "optim_sgd", "optim_sgd_momentum", "optim_sgd_nesterov_wd", "optim_adam", "optim_adamw", "optim_amsgrad",
            "optim_rmsprop", "optim_adagrad",
        ]
        try GoldenVectors.forEach(names) { name, golden in
            let rate = try #require(golden.number("lr"))
            let start = try golden.file.floats("param.0")
            let parameters = FloatBuffer(start)
            let optimizer = Optimizer(
                Self.optimizer(name, golden), slices: [ParameterSlice(name: "w", shape: [start.count], offset: 0)])
            let steps = golden.file.header.tensors.count { $0.name.hasPrefix("grad.") }
            #expect(steps > 0)
            for step in 0..<steps {
                let gradient = FloatBuffer(try golden.file.floats("grad.\(step)"))
                optimizer.update(parameters.floats, gradient: gradient.floats, step: step, rate: rate)
                let expected = try golden.file.values("param.\(step + 1)")
                #expect(GoldenVectors.agree(parameters.floats.array, expected), "\(name), step \(step)")
            }
        }
    }

    /// The optimiser that a golden case names; numbers it leaves out are PyTorch's defaults.
    private static func optimizer(_ name: String, _ golden: GoldenVectors.Case) -> OptimizerSpecification {
        let betas = golden.numbers("betas") ?? [0.9, 0.999]
        let (epsilon, decay) = (golden.number("eps") ?? 1e-8, golden.number("weight_decay") ?? 0)
        return switch name {
        case "optim_amsgrad":
            .adam(beta1: betas[0], beta2: betas[1], epsilon: epsilon, weightDecay: decay, amsgrad: true)
        case "optim_rmsprop":
            .rmsprop(
                alpha: golden.number("alpha") ?? 0.99, epsilon: epsilon, momentum: 0, centered: false,
                weightDecay: decay)
        case "optim_adagrad":
            .adagrad(epsilon: golden.number("eps") ?? 1e-10, learningRateDecay: 0, weightDecay: decay)
        case "optim_adam": .adam(beta1: betas[0], beta2: betas[1], epsilon: epsilon, weightDecay: decay)
        case "optim_adamw": .adamW(beta1: betas[0], beta2: betas[1], epsilon: epsilon, weightDecay: decay)
        default: .sgd(momentum: golden.number("momentum") ?? 0, nesterov: golden.flag("nesterov"), weightDecay: decay)
        }
    }
}

extension FloatBuffer {
    /// A buffer with these values.
    init(_ values: [Float]) {
        self.init(count: values.count)
        for (place, value) in values.enumerated() { floats[place] = value }
    }
}
