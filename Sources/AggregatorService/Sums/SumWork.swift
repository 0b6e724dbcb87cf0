// SPDX-License-Identifier: Apache-2.0
// Turns the total of a round into its result; runs on a worker thread.

import Federation
import ModelFiles
import NeuralNetworks
import RingArithmetic
import Store

/// Everything needed to make a round's result from its sum.
struct SumWork: Sendable {
    let study: Study
    let id: RoundID
    let survivors: [SiteID]
    let members: Int
    let sites: Int
    let sum: RoundSum
    let model: ModelVersion?
    let controls: BlobReference?
    let moments: BlobReference?
    let vault: FileVault

    /// Computes the outcome; never throws, because every failure is an outcome too.
    func run() -> SumOutcome {
        do {
            let vector = try sum.total(of: survivors)
            switch id.kind {
            case .statistics: return try statistics(vector)
            case .training: return try training(vector)
            case .evaluation: return try evaluation(vector)
            }
        } catch is SumError {
            return .failed(.implausibleSum)
        } catch is GlobalStep.NonFiniteModel {
            return .failed(.nonFiniteModel)
        } catch let error as StoreError {
            return .obstructed("\(error)")
        } catch {
            return .failed(.implausibleSum)
        }
    }

    /// SHA-256 of the packed sum; nil when there is no sum.
    func digest() -> Digest? { try? sum.digest(of: survivors) }

    private func values(_ vector: RingVector, section: Int) -> [Int64] {
        (0..<vector.layout.sections[section].count).map { vector[section: section, index: $0] }
    }

    /// Makes the first model: preprocessing from the sums, parameters from the study's seed.
    private func statistics(_ vector: RingVector) throws -> SumOutcome {
        let result = try StatisticsSum(contract: study.data).result(of: values(vector, section: 0))
        let description = try StudyModel(
            study: study, preprocessing: result.preprocessing, round: 0, trainingRows: result.rows)
        let file = try vault.newFile(in: .models)
        try description.headerBytes.withUnsafeBytes { try file.append($0) }
        try file.append(floats: description.network.initialParameters(seed: study.training.seed))
        let stored = try file.finish()
        return .statistics(
            .init(model: ModelVersion(blob: stored.reference("model"), description: description), rows: result.rows))
    }

    private func training(_ vector: RingVector) throws -> SumOutcome {
        guard let model else { return .failed(.implausibleSum) }
        let sum = try UpdateSum(
            terms: study.federation, parameterCount: model.description.network.parameterCount, sites: sites)
        let summary = try sum.summary(totals: values(vector, section: 1), survivors: survivors.count)
        let description = try model.description.atRound(id.round)
        let step = GlobalStep(
            description: description, optimizer: ServerOptimizer(study.federation.strategy), summary: summary,
            vector: vector, survivors: survivors.count, members: members)
        let files = try step.write(
            old: try vault.file(model.blob), oldControls: try controls.map { try vault.file($0) },
            oldMoments: try moments.map { try vault.file($0) }, to: vault)
        return .training(
            .init(
                model: ModelVersion(blob: files.model.reference("model"), description: description),
                controls: files.controls?.reference("controls"), moments: files.moments?.reference("moments"),
                loss: summary.loss, examples: summary.examples, clipRate: summary.clipRate))
    }

    private func evaluation(_ vector: RingVector) throws -> SumOutcome {
        let sum = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        func section(_ name: String) -> [Int64] {
            sum.layout.index(named: name).map { values(vector, section: $0) } ?? []
        }
        let counts = EvaluationSum.Counts(
            positives: section("positives"), negatives: section("negatives"), moments: section("moments"))
        var range = (minimum: 0.0, maximum: 1.0)
        if case .number(_, let minimum, let maximum)? = study.data.label?.kind { range = (minimum, maximum) }
        return .evaluation(.init(metrics: try sum.metrics(of: counts, labelRange: range)))
    }
}
