// SPDX-License-Identifier: Apache-2.0
// The losses of a step: over the workers' shares apart, or over the whole batch where a loss mixes examples.

import Tensors

extension Engine {
    /// What the worker's part of the batch is worth to each loss, the targets being loaded.
    func sumWeights(_ worker: Worker, _ share: Range<Int>) {
        for (index, term) in objective.terms.enumerated() {
            worker.weights[index] = term.loss.weight(
                targets: worker.targets(index, 0..<share.count), output: worker.plan.outputs[term.output].shape)
        }
        if workerCount > 1 { team.wait() }
    }

    /// The same over all passes, ahead of the first: its gradients are scaled by the whole batch's weight already.
    func sumWeights(_ worker: Worker, _ member: Int, _ rows: ArraySlice<Int32>, _ examples: Examples) {
        for index in worker.weights.indices { worker.weights[index] = 0 }
        for first in stride(from: 0, to: rows.count, by: batchCapacity) {
            let pass = rows[rows.startIndex + first..<rows.startIndex + min(first + batchCapacity, rows.count)]
            worker.addWeights(objective.terms, share(member, of: pass.count, nil), pass, examples)
        }
        if workerCount > 1 { team.wait() }
    }

    /// Writes the output gradients, and adds the worker's part of the batch's loss.
    func evaluateLosses(_ worker: Worker, _ share: Range<Int>, batch: Int, isFirstPass: Bool) {
        let range = 0..<share.count
        for output in untrainedOutputs { worker.plan.outputGradients[output].floats(range).fill(with: 0) }
        for (index, term) in objective.terms.enumerated() {
            if isFirstPass { countPenalty(term, index, worker) }
            if term.loss.mixesExamples {
                evaluateMixing(term, index, worker, share, batch: batch)
                continue
            }
            let output = worker.plan.outputs[term.output]
            let (factor, scale) = scale(term, index)
            var sum = 0.0
            if isPrivate, logVariancePlaces[index] != nil {
                for patient in worker.patients.examples.indices {
                    sum += evaluateForPatient(patient, term, index, factor, worker)
                }
            } else {
                sum = term.loss.evaluate(
                    output.floats(range), targets: worker.targets(index, range), output: output.shape,
                    scale: Float(isPrivate ? factor : scale),
                    into: worker.plan.outputGradients[term.output].floats(range))
            }
            count(sum * scale, index, worker)
        }
    }

    /// What a term's loss is multiplied with, and what the sum of its losses: that by the weight of the whole batch.
    private func scale(_ term: Objective.Term, _ index: Int) -> (factor: Double, scale: Double) {
        let (total, factor) = (totalWeight(index), term.factor(logVariance: logVariance(index)))
        return (factor, total > 0 ? factor / total : 0)
    }

    /// The weight of the whole batch, in all its passes.
    private func totalWeight(_ index: Int) -> Double { workers.reduce(0) { $0 + $1.weights[index] } }

    private func logVariance(_ index: Int) -> Float? { logVariancePlaces[index].map { parameters[$0] } }

    /// Adds a worker's part of a term in one pass, factor·L, to the loss and to the gradient of the term's s.
    private func count(_ part: Double, _ index: Int, _ worker: Worker) {
        worker.lossSum += part
        guard let place = logVariancePlaces[index], !isPrivate else { return }
        // weight·(c·exp(−s)·L + s/2): ds = weight·(½ − c·exp(−s)·L); the ½ is that of the whole batch
        worker.gradient.floats[place] -= Float(part)
    }

    /// Adds the whole batch's weight·s/2, once in a step and by the first worker; without any target there is no term.
    private func countPenalty(_ term: Objective.Term, _ index: Int, _ worker: Worker) {
        guard let place = logVariancePlaces[index], worker === workers[0], totalWeight(index) > 0 else { return }
        worker.lossSum += term.penalty(logVariance: parameters[place])
        if !isPrivate { worker.gradient.floats[place] += Float(term.weight / 2) }
    }

    /// The loss of one patient's examples, with the square of what it moves the term's s by.
    private func evaluateForPatient(
        _ patient: Int, _ term: Objective.Term, _ index: Int, _ factor: Double, _ worker: Worker
    ) -> Double {
        let (own, output) = (worker.patients.examples[patient], worker.plan.outputs[term.output])
        let targets = worker.targets(index, own)
        let sum = term.loss.evaluate(
            output.floats(own), targets: targets, output: output.shape, scale: Float(factor),
            into: worker.plan.outputGradients[term.output].floats(own))
        // Summed over the patient as the other gradients are: Σ weight·(½ − c·exp(−s)·L)
        let gradient = term.weight / 2 * term.loss.weight(targets: targets, output: output.shape) - factor * sum
        worker.patientWeights[index, patient] = Float(gradient)
        worker.patients.add(gradient * gradient, to: patient)
        return sum
    }

    /// Private mode: adds Σ factor·gradient over the patients to the gradients of learned weights.
    func addClippedWeights(_ worker: Worker) {
        for (index, place) in logVariancePlaces.enumerated() {
            guard let place else { continue }
            for (patient, factor) in worker.patients.factors.enumerated() where factor != 0 {
                worker.gradient.floats[place] += factor * worker.patientWeights[index, patient]
            }
        }
    }

    /// Outputs and targets of all workers come together, the first worker evaluates, and each takes its part.
    private func evaluateMixing(_ term: Objective.Term, _ index: Int, _ worker: Worker, _ share: Range<Int>, batch: Int)
    {
        let output = worker.plan.outputs[term.output]
        let (all, width) = (gathered[index], output.count)
        let part = share.lowerBound * width..<share.upperBound * width
        all.outputs.floats[part].copy(from: output.floats(0..<share.count))
        team.wait()
        if worker === workers[0] {
            let targets = all.targets.floats[0..<batch * targetCounts[index]]
            var place = 0
            for other in workers {
                let own = other.targets(index, 0..<other.exampleCount)
                targets[place..<place + own.count].copy(from: own)
                place += own.count
            }
            let scale = scale(term, index).scale
            let sum = term.loss.evaluate(
                all.outputs.floats[0..<batch * width], targets: targets, output: output.shape,
                scale: Float(scale), into: all.gradients.floats[0..<batch * width])
            count(sum * scale, index, worker)
        }
        team.wait()
        worker.plan.outputGradients[term.output].floats(0..<share.count).copy(from: all.gradients.floats[part])
    }
}
