// SPDX-License-Identifier: Apache-2.0
// The losses of a step: over the workers' shares apart, or over the whole batch where a loss mixes examples.

import Tensors

extension Engine {
    /// Writes the output gradients, and the worker's part of the batch's loss.
    func evaluateLosses(_ worker: Worker, _ share: Range<Int>, batch: Int) {
        worker.lossSum = 0
        let range = 0..<share.count
        for index in objective.terms.indices {
            let output = worker.plan.outputs[objective.terms[index].output]
            worker.weights[index] = objective.terms[index].loss.weight(
                targets: worker.targets(index, range), output: output.shape)
        }
        if workerCount > 1 { team.wait() }
        for output in untrainedOutputs { worker.plan.outputGradients[output].floats(range).fill(with: 0) }
        for (index, term) in objective.terms.enumerated() {
            let output = worker.plan.outputs[term.output]
            let gradient = worker.plan.outputGradients[term.output]
            if term.loss.mixesExamples {
                evaluateMixing(term, index, worker, share, batch: batch)
                continue
            }
            let total = workers.reduce(0) { $0 + $1.weights[index] }
            let factor = term.factor(logVariance: logVariance(index))
            let scale = total > 0 ? factor / total : 0
            var sum = 0.0
            if isPrivate, logVariancePlaces[index] != nil {
                for patient in worker.patients.examples.indices {
                    sum += evaluateForPatient(patient, term, index, factor, worker)
                }
            } else {
                sum = term.loss.evaluate(
                    output.floats(range), targets: worker.targets(index, range), output: output.shape,
                    scale: Float(isPrivate ? factor : scale), into: gradient.floats(range))
            }
            if total > 0 { count(sum * scale, term, index, worker) }
        }
    }

    private func logVariance(_ index: Int) -> Float? { logVariancePlaces[index].map { parameters[$0] } }

    /// Adds a worker's part of a term, factor·L, to the loss; and the whole batch's s/2 by the first worker.
    private func count(_ part: Double, _ term: Objective.Term, _ index: Int, _ worker: Worker) {
        worker.lossSum += part
        guard let place = logVariancePlaces[index] else { return }
        let isFirst = worker === workers[0]
        if isFirst { worker.lossSum += term.penalty(logVariance: parameters[place]) }
        guard !isPrivate else { return }
        // weight·(c·exp(−s)·L + s/2): ds = weight·(½ − c·exp(−s)·L)
        worker.gradient.floats[place] += Float((isFirst ? term.weight / 2 : 0) - part)
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
            let targets = FloatBuffer(count: batch * targetCounts[index])
            var place = 0
            for other in workers {
                let own = other.targets(index, 0..<other.exampleCount)
                targets.floats[place..<place + own.count].copy(from: own)
                place += own.count
            }
            let weight = term.loss.weight(targets: targets.floats, output: output.shape)
            let scale = weight > 0 ? term.factor(logVariance: logVariance(index)) / weight : 0
            let sum = term.loss.evaluate(
                all.outputs.floats[0..<batch * width], targets: targets.floats, output: output.shape,
                scale: Float(scale), into: all.gradients.floats[0..<batch * width])
            if weight > 0 { count(sum * scale, term, index, worker) }
        }
        team.wait()
        worker.plan.outputGradients[term.output].floats(0..<share.count).copy(from: all.gradients.floats[part])
    }
}
