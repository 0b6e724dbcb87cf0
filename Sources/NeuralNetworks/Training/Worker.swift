// SPDX-License-Identifier: Apache-2.0
// One worker of a training engine: its plan, its share of the batch, its gradients and its part of the noise.

import Randomness
import Tensors

/// One number for each term and patient.
final class PatientWeights {
    private let patients: Int
    private let buffer: FloatBuffer

    init(terms: Int, patients: Int) {
        self.patients = patients
        buffer = FloatBuffer(count: terms * patients)
    }

    subscript(term: Int, patient: Int) -> Float {
        get { buffer.floats[term * patients + patient] }
        set { buffer.floats[term * patients + patient] = newValue }
    }
}

/// Outputs of the whole batch, their gradients, and the targets.
final class GatheredOutputs {
    let outputs: FloatBuffer
    let gradients: FloatBuffer
    let targets: FloatBuffer

    init(count: Int, targets: Int) {
        outputs = FloatBuffer(count: count)
        gradients = FloatBuffer(count: count)
        self.targets = FloatBuffer(count: targets)
    }
}

/// One worker: its plan, its gradients, its targets.
final class Worker {
    let plan: Plan
    let gradient: WorkerGradient
    let patients = Patients()
    var lossSum = 0.0
    /// What the worker's part of each term's loss is worth.
    var weights: [Double]
    /// Private mode: each patient's gradient of the weight of each term that learns it.
    let patientWeights: PatientWeights
    private(set) var exampleCount = 0
    private var noiseStream: KeyedStream?
    private let noise = GaussianNoise()
    /// The targets of each term.
    private let targetBuffers: [GatheredOutputs]
    private let targetCounts: [Int]

    init(_ graph: Graph, _ options: Plan.Options, parameters: Floats, targetCounts: [Int]) {
        gradient = WorkerGradient(count: graph.parameterCount)
        plan = Plan(graph, options, parameters: parameters, gradients: gradient.floats)
        gradient.tables = plan.touchedTables
        self.targetCounts = targetCounts
        targetBuffers = targetCounts.map { GatheredOutputs(count: 0, targets: $0 * options.capacity) }
        weights = targetCounts.map { _ in 0 }
        patientWeights = PatientWeights(
            terms: options.isPrivate ? targetCounts.count : 0, patients: options.capacity)
    }

    func prepareNoise(key: [UInt8]?) throws(RandomnessError) {
        if let key { noiseStream = try KeyedStream(key: key) } else { noiseStream = nil }
    }

    /// Adds normal noise to parts of a vector. Every step and every worker has a place of its own in the stream.
    func addNoise(
        _ deviation: Double, to total: Floats, _ parts: some Sequence<TrainedPart>, member: Int, step: Int
    ) {
        // 2²⁸ blocks of four floats for each of up to 2⁸ workers: a vector has at most 2²⁸ floats.
        var block = UInt64(step) << 36 | UInt64(member) << 28
        for part in parts {
            unsafe noise.add(deviation: Float(deviation), to: total[part.range]) { bytes, _ in
                unsafe noiseStream?.fill(bytes, fromBlock: block)
                block += UInt64(bytes.count / KeyedStream.blockBytes)
            }
        }
    }

    func targets(_ term: Int, _ range: Range<Int>) -> Floats {
        targetBuffers[term].targets.floats.rows(range, width: targetCounts[term])
    }

    /// Adds to each term's weight what the share's targets are worth, the examples not yet loaded.
    func addWeights(_ terms: [Objective.Term], _ share: Range<Int>, _ rows: ArraySlice<Int32>, _ examples: Examples) {
        loadTargets(share, rows, examples)
        for (index, term) in terms.enumerated() {
            weights[index] += term.loss.weight(
                targets: targets(index, 0..<share.count), output: plan.outputs[term.output].shape)
        }
    }

    private func loadTargets(_ share: Range<Int>, _ rows: ArraySlice<Int32>, _ examples: Examples) {
        let first = rows.startIndex
        for (place, row) in rows[first + share.lowerBound..<first + share.upperBound].enumerated() {
            for (term, count) in targetCounts.enumerated() {
                targets(term, place..<place + 1).copy(from: examples.targets[term], at: Int(row) * count)
            }
        }
    }

    /// Copies the share's examples to the inputs of the plan.
    func begin(_ share: Range<Int>, _ rows: ArraySlice<Int32>, _ examples: Examples, _ patients: [Range<Int>]?) {
        exampleCount = share.count
        let first = rows.startIndex
        for (place, row) in rows[first + share.lowerBound..<first + share.upperBound].enumerated() {
            plan.load(examples, row: Int(row), at: place)
        }
        loadTargets(share, rows, examples)
        if let patients {
            self.patients.begin(patients, within: share)
        } else if plan.isPrivate {
            self.patients.begin((0..<share.count).lazy.map { $0..<$0 + 1 })
        }
    }
}

extension Plan {
    /// Copies one example to a place of the input slots.
    func load(_ examples: Examples, row: Int, at place: Int) {
        for (index, slot) in inputs.enumerated() {
            switch examples.inputs[index] {
            case .floats(let values): slot.floats(place..<place + 1).copy(from: values, at: row * slot.count)
            case .tokens(let tokens): slot.integers(place..<place + 1).copy(from: tokens, at: row * slot.count)
            }
            slot.lengths?[place] = examples.lengths[index].map { Int($0[row]) } ?? slot.shape.sizes[0]
        }
    }
}
