// SPDX-License-Identifier: Apache-2.0
// How much memory a training will need, said before any is taken, and how much there is.

import Foundation
package import NeuralNetworks

/// The memory of a training apart from its data.
package enum TrainingMemory {
    /// About so many bytes a training takes at its highest.
    ///
    /// The parameters, the optimiser's state, a gradient for each worker, layers' outputs and their gradients for a
    /// batch; and copies of parameters and state: the ones to go on with, the best so far, and one checkpoint.
    package static func predictedBytes(
        _ summary: ModelSummary, _ graph: Graph, stateVectors: Int, threads: Int
    ) -> Int {
        let floatBytes = MemoryLayout<Float>.stride
        let vector = floatBytes.multipliedReportingOverflow(by: summary.parameters)
        let kept = floatBytes.multipliedReportingOverflow(by: keptFloats(graph))
        guard !vector.overflow, !kept.overflow else { return .max }
        let copies = (threads - 1) + 3 + (1 + stateVectors)
        let parts = [
            vector.partialValue.multipliedReportingOverflow(by: copies),
            summary.activationBytes.multipliedReportingOverflow(by: 2),
            kept.partialValue.multipliedReportingOverflow(by: summary.batchSize),
        ]
        guard parts.allSatisfy({ !$0.overflow }) else { return .max }
        return parts.reduce(summary.stateBytes) { sum, part in
            let (total, overflows) = sum.addingReportingOverflow(part.partialValue)
            return overflows ? .max : total
        }
    }

    /// What layers keep of one example between the directions beside their outputs: gates and states of recurrent
    /// layers, projections and probabilities of attention; with their gradients.
    private static func keptFloats(_ graph: Graph) -> Int {
        graph.nodes.reduce(0) { sum, node in
            let shapes = node.inputs.map { graph.shapes[$0].sizes }
            switch node.layer {
            case let layer as any RecurrentLayer:
                let directions = layer.isBidirectional ? 2 : 1
                let perStep = directions * layer.layers * (type(of: layer).gateCount + 3) * layer.hidden
                return sum + 2 * shapes[0][0] * perStep
            case let layer as MultiHeadAttention:
                let (steps, others) = (shapes[0][0], shapes[shapes.count - 1][0])
                // Of long sequences the probabilities are computed again.
                let isLong = max(steps, others) > MultiHeadAttention.mostKeptSteps
                let probabilities = isLong ? 0 : layer.heads * steps * others
                return sum + 2 * (probabilities + 4 * max(steps, others) * shapes[0][1])
            default: return sum
            }
        }
    }

    /// Refuses a training that would take more than `limit` bytes.
    ///
    /// - Throws: ``LocalModelError`` with both numbers.
    package static func check(predictedBytes: Int, limit: Int) throws(LocalModelError) {
        guard predictedBytes > limit else { return }
        throw LocalModelError(
            .tooLarge, "training would take about \(predictedBytes) bytes, \(limit) are allowed",
            hint: "choose a smaller batch or model, or raise --memory where the machine has more")
    }

    /// The bytes that the system can give without swapping, within the limit of a container; nil where it does not say.
    package static var availableBytes: Int? {
        let system = text("/proc/meminfo").flatMap { text in
            text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }?.split(separator: " ").dropFirst().first
        }.flatMap { Int($0) }.map { $0 << 10 }
        let used = text("/sys/fs/cgroup/memory.current").flatMap(number)
        let group = text("/sys/fs/cgroup/memory.max").flatMap(number).map { max($0 - (used ?? 0), 0) }
        return [system, group].compactMap(\.self).min()
    }

    private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    private static func number(_ text: String) -> Int? { Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) }
}

extension TrainingFile {
    /// The model's size for a batch.
    ///
    /// - Parameter batchSize: nil: that of the training.
    package func summary(batchSize: Int? = nil) throws(ModelError) -> ModelSummary {
        var features: Int?
        if case .table(let source) = data.source { features = source.featureCount }
        return try ModelSummary(
            model, features: features, stateVectors: training.optimizer.stateVectors,
            batchSize: batchSize ?? training.batchSize)
    }
}
