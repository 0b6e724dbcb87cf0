// SPDX-License-Identifier: Apache-2.0
// The metrics that fit each loss, computed from predictions and targets.

package import NeuralNetworks

/// Loss and metrics of a model over examples whose targets are known.
package struct TaskQuality: Hashable, Sendable, Codable {
    package struct Metric: Hashable, Sendable, Codable {
        package let name: String
        package let value: Double
    }

    /// The metrics of one loss.
    package struct Output: Hashable, Sendable, Codable {
        /// The name of the output.
        package let output: String
        package let loss: String
        package let metrics: [Metric]
    }

    package let examples: Int
    /// The objective.
    package let loss: Double
    package let outputs: [Output]
}

extension TrainingFile {
    /// Judges parameters on examples that were checked, dropout off.
    package func quality(_ predictor: Predictor, _ parameters: [Float], _ examples: Examples) -> TaskQuality {
        let predictions = predictor.predictions(parameters, examples)
        let outputs = objective.terms.enumerated().map { index, term in
            let shape = graph.shapes[graph.outputs[term.output]]
            return TaskQuality.Output(
                output: model.outputNames[term.output], loss: type(of: term.loss).kind,
                metrics: TaskMetrics.metrics(
                    of: term.loss, predictions[term.output], examples.targets[index], output: shape))
        }
        return TaskQuality(
            examples: examples.count, loss: predictor.loss(parameters, examples), outputs: outputs)
    }
}

/// Which metrics go with which loss.
enum TaskMetrics {
    /// Shapes: predictions `[examples, output…]`, targets `[examples, targetCount]`.
    static func metrics(
        of loss: any Loss, _ predictions: [Float], _ targets: [Float], output: Shape
    ) -> [TaskQuality.Metric] {
        switch loss {
        case is SigmoidCrossEntropy: return binary(predictions, targets, labels: output.count)
        case is Dice where output.sizes[0] == 1: return binary(predictions, targets, labels: 1)
        case is SoftmaxCrossEntropy, is Dice: return classes(predictions, targets, output)
        case is CoxPartialLikelihood:
            let times = stride(from: 0, to: targets.count, by: 2).map { targets[$0] }
            let events = stride(from: 1, to: targets.count, by: 2).map { targets[$0] == 1 }
            return named(.survival(risks: predictions, times: times, isEvent: events))
        case is DiscreteTimeSurvival: return intervals(predictions, targets, width: output.count)
        case is InfoNCE: return []
        default: return named(.regression(predictions: predictions, targets: targets))
        }
    }

    private static func named(_ metrics: PredictionMetrics) -> [TaskQuality.Metric] {
        metrics.named.dropFirst().map { TaskQuality.Metric(name: $0.name, value: $0.value) }
    }

    /// Each label by itself, and of several labels the mean of those that have the metric; NaN targets are left out.
    private static func binary(_ predictions: [Float], _ targets: [Float], labels: Int) -> [TaskQuality.Metric] {
        var sums: [(name: String, sum: Double, count: Int)] = []
        for label in 0..<labels {
            let places = stride(from: label, to: targets.count, by: labels).filter { !targets[$0].isNaN }
            let metrics = PredictionMetrics.binary(
                probabilities: places.map { predictions[$0] }, labels: places.map { targets[$0] })
            for metric in named(metrics) {
                if let index = sums.firstIndex(where: { $0.name == metric.name }) {
                    sums[index].sum += metric.value
                    sums[index].count += 1
                } else {
                    sums.append((metric.name, metric.value, 1))
                }
            }
        }
        return sums.map { TaskQuality.Metric(name: $0.name, value: $0.sum / Double($0.count)) }
    }

    /// Every step or position with a class is a row.
    private static func classes(_ predictions: [Float], _ targets: [Float], _ output: Shape) -> [TaskQuality.Metric] {
        let isSpatial = output.sizes.count >= 3
        let classes = isSpatial ? output.sizes[0] : output.sizes[output.sizes.count - 1]
        let positions = output.count / classes
        let rows = targets.indices.filter { targets[$0] >= 0 }
        var probabilities: [Float] = []
        probabilities.reserveCapacity(rows.count * classes)
        for row in rows {
            let (example, position) = (row / positions, row % positions)
            for index in 0..<classes {
                let place = isSpatial ? index * positions + position : position * classes + index
                probabilities.append(predictions[example * output.count + place])
            }
        }
        return named(
            .multiclass(probabilities: probabilities, labels: rows.map { targets[$0] }, classes: classes))
    }

    /// The risk is the number of intervals that are not expected to be survived.
    private static func intervals(_ survival: [Float], _ targets: [Float], width: Int) -> [TaskQuality.Metric] {
        let rows = targets.count / 2
        let risks = (0..<rows).map { row in -survival[row * width..<(row + 1) * width].reduce(0, +) }
        return named(
            .survival(
                risks: risks, times: (0..<rows).map { targets[2 * $0] },
                isEvent: (0..<rows).map { targets[2 * $0 + 1] == 1 }))
    }
}
