// SPDX-License-Identifier: Apache-2.0
// Losses at their edges, and targets that cannot be learned.

import Glibc
import NeuralNetworks
import Testing

@Suite struct HeadTests {
    @Test func lossStaysFiniteForExtremeLogits() throws {
        for (logit, target, loss) in [(1000, 1, 0), (1000, 0, 1000), (-1000, 0, 0), (-1000, 1, 1000)] {
            let network = try Network(
                ModelSpecification(layers: [Dense(1)]), inputs: 1, head: .logistic)
            let value = try network.loss(
                parameters: [Float(logit), 0], features: [1], targets: [Float(target)], rows: 1)
            #expect(value == Double(loss))
        }
    }

    @Test func targetsTheHeadCannotLearnAreNamedByRow() throws {
        let cases: [(Head, Float)] = [
            (.logistic, -0.1), (.logistic, 1.1), (.logistic, .nan), (.softmax(classes: 3), 3),
            (.softmax(classes: 3), -1),
            (.softmax(classes: 3), 0.5), (.softmax(classes: 3), .nan), (.linear, .infinity), (.linear, .nan),
        ]
        for (head, target) in cases {
            let network = try Network(
                ModelSpecification(layers: [Dense(head.outputs)]), inputs: 1, head: head)
            let parameters = network.initialParameters(seed: 1)
            #expect(throws: TrainingError.targetOutOfRange(row: 1)) {
                try network.loss(parameters: parameters, features: [1, 2], targets: [0, target], rows: 2)
            }
        }
    }

    @Test func softLabelsOfTheLogisticHeadAreLearned() throws {
        let network = try Network(
            ModelSpecification(layers: [Dense(1)]), inputs: 1, head: .logistic)
        // At z = log 3 the prediction is 3/4: the gradient of a target of 3/4 is zero.
        let gradient = network.gradient(
            parameters: [0, Float(log(3.0))], features: [1], targets: [0.75], rows: 1)
        #expect(gradient.allSatisfy { abs($0) < 1e-6 })
    }
}
