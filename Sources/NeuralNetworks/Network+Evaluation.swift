// SPDX-License-Identifier: Apache-2.0
// What a model says about examples: predictions, mean loss, and the gradient over a whole table.

import Randomness
import Tensors

extension Network {
    /// Rows that go through the layers at a time: enough to fill the kernels, little enough to stay in the cache.
    private static let rowsPerPass = 256

    /// The predictions for each example, dropout off: probabilities (logistic, softmax) or values (linear).
    ///
    /// Shapes: features `[rows, inputs]`, result `[rows, outputs]`, row-major. A row's prediction does not depend on
    /// the rows around it, to the bit.
    /// - Precondition: `parameters.count == parameterCount` and `features.count == rows · inputs`.
    package func outputs(parameters: [Float], features: [Float], rows: Int) -> [Float] {
        unsafe features.withUnsafeBufferPointer { unsafe outputs(parameters: parameters, features: $0, rows: rows) }
    }

    /// The predictions for each example, as ``outputs(parameters:features:rows:)-([Float],_,_)``.
    package func outputs(parameters: [Float], features: UnsafeBufferPointer<Float>, rows: Int) -> [Float] {
        precondition(parameters.count == parameterCount, "\(parameters.count) parameters for \(parameterCount)")
        precondition(features.count == rows * inputs, "\(features.count) features for \(rows) rows")
        guard rows > 0 else { return [] }
        let width = head.outputs
        let workspace = Workspace(for: self, capacity: min(rows, Self.rowsPerPass))
        return unsafe parameters.withUnsafeBufferPointer { parameters in
            unsafe [Float](unsafeUninitializedCapacity: rows * width) { result, count in
                var off: SeededGenerator?
                for start in stride(from: 0, to: rows, by: workspace.capacity) {
                    let passRows = min(workspace.capacity, rows - start)
                    let input = unsafe passMatrix(features, start, passRows)
                    let logits = unsafe forward(parameters, input: input, in: workspace, dropout: &off)
                    unsafe head.applyPredictions(to: logits, logSums: workspace.logSums(rows: passRows))
                    for unsafe(offset, value) in unsafe logits.elements.enumerated() {
                        unsafe result[start * width + offset] = value
                    }
                }
                count = rows * width
            }
        }
    }

    /// The mean loss over all examples, dropout off.
    ///
    /// Shapes: features `[rows, inputs]`, targets `[rows]`.
    /// - Throws: ``TrainingError`` when the shapes disagree, there is no example, or a target is out of range.
    package func loss(
        parameters: [Float], features: [Float], targets: [Float], rows: Int
    ) throws(TrainingError) -> Double {
        try check(parameters: parameters, features: features, targets: targets, rows: rows)
        let workspace = Workspace(for: self, capacity: min(rows, Self.rowsPerPass))
        var sum = 0.0
        unsafe forEachPass(parameters, features, targets, workspace.capacity) { parameters, input, targets in
            var off: SeededGenerator?
            let logits = unsafe forward(parameters, input: input, in: workspace, dropout: &off)
            guard let dz = unsafe workspace.gradient(of: layers.count - 1, rows: input.rows) else { return }
            let mean = unsafe head.loss(
                logits: logits.readOnly, targets: targets, gradient: dz, logSums: workspace.logSums(rows: input.rows))
            sum += unsafe mean * Double(input.rows)
        }
        return sum / Double(rows)
    }

    /// The gradient of the mean loss over all examples, dropout off.
    ///
    /// Shapes: features `[rows, inputs]`, targets `[rows]`, result `[parameterCount]`. Passes are summed in order.
    /// - Throws: ``TrainingError`` when the shapes disagree, there is no example, or a target is out of range.
    package func gradient(
        parameters: [Float], features: [Float], targets: [Float], rows: Int
    ) throws(TrainingError) -> [Float] {
        try check(parameters: parameters, features: features, targets: targets, rows: rows)
        let workspace = Workspace(for: self, capacity: min(rows, Self.rowsPerPass))
        let part = FloatBuffer(count: parameterCount)
        var sum = [Float](repeating: 0, count: parameterCount)
        unsafe forEachPass(parameters, features, targets, workspace.capacity) { parameters, input, targets in
            var off: SeededGenerator?
            _ = unsafe lossAndGradient(
                parameters, input: input, targets: targets, in: workspace, dropout: &off, gradients: part.elements)
            let share = unsafe Float(input.rows) / Float(rows)
            unsafe sum.withUnsafeMutableBufferPointer { unsafe add(share, times: .init(part.elements), to: $0) }
        }
        return sum
    }

    /// Checks that a table fits this network and that its head can learn the targets.
    func check(
        parameters: [Float], features: [Float], targets: [Float], rows: Int
    ) throws(TrainingError) {
        guard rows > 0 else { throw .noExamples }
        guard parameters.count == parameterCount else {
            throw .wrongCount(.parameters, expected: parameterCount, actual: parameters.count)
        }
        guard targets.count == rows else { throw .wrongCount(.targets, expected: rows, actual: targets.count) }
        let (expected, overflow) = rows.multipliedReportingOverflow(by: inputs)
        guard !overflow, features.count == expected else {
            throw .wrongCount(.features, expected: overflow ? .max : expected, actual: features.count)
        }
        unsafe try targets.withUnsafeBufferPointer { (targets) throws(TrainingError) in
            try unsafe head.check(targets: targets)
        }
    }

    private func forEachPass(
        _ parameters: [Float], _ features: [Float], _ targets: [Float], _ capacity: Int,
        _ body: (UnsafeBufferPointer<Float>, UnsafeMatrix, UnsafeBufferPointer<Float>) -> Void
    ) {
        unsafe parameters.withUnsafeBufferPointer { parameters in
            unsafe features.withUnsafeBufferPointer { features in
                unsafe targets.withUnsafeBufferPointer { targets in
                    for start in stride(from: 0, to: targets.count, by: capacity) {
                        let rows = min(capacity, targets.count - start)
                        unsafe body(
                            parameters, passMatrix(features, start, rows),
                            UnsafeBufferPointer(rebasing: targets[start..<start + rows]))
                    }
                }
            }
        }
    }

    private func passMatrix(_ features: UnsafeBufferPointer<Float>, _ start: Int, _ rows: Int) -> UnsafeMatrix {
        let range = start * inputs..<(start + rows) * inputs
        return unsafe UnsafeMatrix(UnsafeBufferPointer(rebasing: features[range]), rows: rows, columns: inputs)
    }
}
