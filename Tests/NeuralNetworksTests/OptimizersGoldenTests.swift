// SPDX-License-Identifier: Apache-2.0
// The optimisers' steps against PyTorch in double precision.

import ModelFiles
import NeuralNetworks
import Testing

@Suite struct OptimizersGoldenTests {
    @Test func stepsMatchPyTorch() throws {
        let names = ["optim_sgd", "optim_sgd_momentum", "optim_sgd_nesterov_wd", "optim_adam", "optim_adamw"]
        try GoldenVectors.forEach(names) { name, golden in
            let optimizer = Self.optimizer(name, golden)
            let rate = try #require(golden.number("lr"))
            var parameters = try golden.file.floats("param.0")
            var state = [Float](repeating: 0, count: optimizer.stateVectors * parameters.count)
            let steps = golden.file.header.tensors.count { $0.name.hasPrefix("grad.") }
            #expect(steps > 0)
            for step in 0..<steps {
                let gradient = try golden.file.floats("grad.\(step)")
                parameters.withUnsafeMutableBufferPointer { w in
                    state.withUnsafeMutableBufferPointer { state in
                        gradient.withUnsafeBufferPointer {
                            optimizer.update(w, gradient: $0, state: state, step: step, rate: rate)
                        }
                    }
                }
                let expected = try golden.file.values("param.\(step + 1)")
                #expect(GoldenVectors.agree(parameters, expected), "\(name), step \(step)")
            }
        }
    }

    /// The optimiser that a golden case names; numbers it leaves out are PyTorch's defaults.
    private static func optimizer(_ name: String, _ golden: GoldenVectors.Case) -> OptimizerSpecification {
        let betas = golden.numbers("betas") ?? [0.9, 0.999]
        let (epsilon, decay) = (golden.number("eps") ?? 1e-8, golden.number("weight_decay") ?? 0)
        return switch name {
        case "optim_adam": .adam(beta1: betas[0], beta2: betas[1], epsilon: epsilon, weightDecay: decay)
        case "optim_adamw": .adamW(beta1: betas[0], beta2: betas[1], epsilon: epsilon, weightDecay: decay)
        default: .sgd(momentum: golden.number("momentum") ?? 0, nesterov: golden.flag("nesterov"), weightDecay: decay)
        }
    }
}
