// SPDX-License-Identifier: Apache-2.0
// The vectors a site contributes to sums: one function for each kind of round, nothing else leaves a site.

import ClinicalData
package import Federation
package import ModelFiles
package import NeuralNetworks
import Randomness
import RingArithmetic

/// What a site notes for itself about a vector that it wrote for a sum.
package struct Contribution: Sendable {
    /// The mean local loss of a training round.
    package var loss: Double?
    /// Rows that entered.
    package var rows: Int
    /// SCAFFOLD: the site's control after this round, to be kept once the round has closed.
    package var controls: [Float]?
}

/// Why a site does not contribute.
package struct WithheldError: Error, Hashable, Sendable {
    package var reason: WithholdReason

    package init(_ reason: WithholdReason) { self.reason = reason }
}

/// Takes the packed bytes of a vector, piece by piece.
package typealias VectorSink = (UnsafeRawBufferPointer) throws -> Void

extension LocalStudy {
    /// The statistics round: exact moments and counts of the training rows.
    package func writeStatistics(to sink: VectorSink) throws -> Contribution {
        guard !trainingRows.isEmpty else { throw WithheldError(.noUsableRows) }
        var writer = RingWriter(layout: try StatisticsSum(contract: study.data).layout)
        try writer.write(integers: TableMoments.vector(of: table, rows: trainingRows), to: sink)
        writer.finish()
        return Contribution(rows: trainingRows.count)
    }

    /// The evaluation round: the model's scores on the test rows as counts. A site without test rows sends zeros.
    package func writeEvaluation(
        of model: StudyModel, parameters: [Float], to sink: VectorSink
    ) throws -> Contribution {
        let sum = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        let counts = try evaluationCounts(
            sum, preprocessing: model.preprocessing, parameters: parameters, rows: testRows)
        var writer = RingWriter(layout: sum.layout)
        for section in sum.layout.sections { try writer.write(integers: counts.values(of: section.name), to: sink) }
        writer.finish()
        return Contribution(rows: testRows.count)
    }

    /// Counts of any rows under any parameters; also how a site judges a model for itself.
    package func evaluationCounts(
        _ sum: EvaluationSum, preprocessing: Preprocessing, parameters: [Float], rows: [Int32]
    ) throws -> EvaluationSum.Counts {
        let features = try FeatureMatrix.encode(table, preprocessing: preprocessing, rows: rows)
        let outputs = network.outputs(parameters: parameters, features: features, rows: rows.count)
        return sum.counts(outputs: outputs, labels: labels(of: rows), labelRange: labelRange)
    }
}

/// What local training gives a training round.
package struct LocalUpdate: Sendable {
    /// After − before, one for each parameter.
    package var change: [Float]
    package var summary: TrainingSummary
    /// SCAFFOLD: the change of the site's control and its new value.
    package var controlChange: [Float]?
    package var controls: [Float]?

    package init(change: [Float], summary: TrainingSummary, controlChange: [Float]?, controls: [Float]?) {
        self.change = change
        self.summary = summary
        self.controlChange = controlChange
        self.controls = controls
    }
}

extension LocalStudy {
    /// Quantises a local update into the training round's vector.
    ///
    /// - Parameter roundingKey: 32 bytes used for this task only; the same key repeats the same bytes after a crash.
    /// - Throws: ``WithheldError`` when the change is not finite: what was written by then is not to be sent.
    package func writeTraining(
        _ update: LocalUpdate, sites: Int, roundingKey: [UInt8], to sink: VectorSink
    ) throws -> Contribution {
        let sum = try UpdateSum(terms: study.federation, parameterCount: network.parameterCount, sites: sites)
        let weight = study.federation.numbers.weight(rows: trainingRows.count)
        var stream = try KeyedStream(key: roundingKey)
        var writer = RingWriter(layout: sum.layout)

        var change = update.change
        let scale = sum.changeScale(normalizingWeight: update.summary.normalizingWeight)
        if scale != 1 { for index in change.indices { change[index] *= Float(scale) } }
        let report = try writer.write(
            quantized: change, as: sum.fixedPoint, weight: weight, using: &stream, to: sink)
        guard report.nonFinite == 0, update.summary.meanLoss.isFinite else { throw WithheldError(.nonFinite) }

        var totals = [Int64](repeating: 0, count: UpdateSum.Total.allCases.count)
        func setTotal(_ total: UpdateSum.Total, _ value: Int64) { totals[total.rawValue] = value }
        setTotal(.weight, Int64(weight))
        setTotal(.weightedLoss, UpdateSum.fixed(Double(weight) * update.summary.meanLoss))
        setTotal(.weightedSteps, UpdateSum.fixed(Double(weight) * update.summary.normalizingWeight))
        setTotal(.examples, Int64(update.summary.examples))
        setTotal(.clipped, Int64(report.clipped))
        try writer.write(integers: totals, to: sink)

        if let controlChange = update.controlChange {
            let controlReport = try writer.write(
                quantized: controlChange, as: sum.fixedPoint, weight: 1, using: &stream,
                firstBlock: UInt64((change.count + FixedPoint.elementsPerBlock - 1) / FixedPoint.elementsPerBlock),
                to: sink)
            guard controlReport.nonFinite == 0 else { throw WithheldError(.nonFinite) }
        }
        writer.finish()
        return Contribution(
            loss: update.summary.meanLoss, rows: trainingRows.count, controls: update.controls)
    }
}
