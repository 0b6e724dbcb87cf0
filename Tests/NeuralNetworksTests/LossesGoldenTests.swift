// SPDX-License-Identifier: Apache-2.0
// Losses and their gradients against PyTorch in double precision.

import ModelFiles
import NeuralNetworks
import Testing

@Suite struct LossesGoldenTests {
    @Test func lossesMatchPyTorch() throws {
        try GoldenVectors.forEach(["loss_bce", "loss_ce", "loss_mse"]) { name, golden in
            let file = golden.file
            let shape = try file.tensor("input.0").shape
            let (logits, targets) = (try file.floats("input.0"), try file.floats("target"))
            let expectedGradient = try file.values("grad.input.0")
            let expectedLoss = try file.values("output")[0]
            let (loss, gradient) =
                switch name {
                case "loss_ce": try Self.pass(logits, targets, shape[0], .softmax(classes: shape[1]))
                // The mean over all elements of a matrix is the mean over its elements as rows of one.
                case "loss_bce": try Self.pass(logits, targets, logits.count, .logistic)
                default: try Self.pass(logits, targets, logits.count, .linear)
                }
            #expect(abs(loss - expectedLoss) <= 2e-5 * abs(expectedLoss), "\(name)")
            #expect(GoldenVectors.agree(gradient, expectedGradient), "\(name)")
        }
    }

    /// The mean loss of the given logits and its gradient, row by row: each row alone through a network whose biases
    /// are the logits, which makes the gradient of the biases the gradient of the logits, times the number of rows.
    private static func pass(
        _ logits: [Float], _ targets: [Float], _ rows: Int, _ head: Head
    ) throws -> (loss: Double, gradient: [Float]) {
        let columns = head.outputs
        let network = try Network(
            ModelSpecification(layers: [Dense(columns)]), inputs: 1, head: head)
        var (loss, gradient): (Double, [Float]) = (0, [])
        for row in 0..<rows {
            let biases = Array(logits[row * columns..<(row + 1) * columns])
            let parameters = [Float](repeating: 0, count: columns) + biases
            loss += try network.loss(parameters: parameters, features: [0], targets: [targets[row]], rows: 1)
            gradient += network.gradient(
                parameters: parameters, features: [0], targets: [targets[row]], rows: 1
            )[columns...].map { $0 / Float(rows) }
        }
        return (loss / Double(rows), gradient)
    }
}
