// SPDX-License-Identifier: Apache-2.0
// The training step: workers with a share of the batch each, one sum of gradients, one update of the parameters.

package import Randomness
package import Tensors

/// Trains one graph with one objective.
///
/// Each worker runs its share of a batch through its own ``Plan``; then all meet, and each adds up the gradients and
/// updates the parameters of its own part of the flat vector. The result depends on the seed and the number of workers, not
/// on timing. After the first step with a size of batch, nothing is allocated.
///
/// Not sendable: an engine belongs to the thread that made it.
package final class Engine {
    package let graph: Graph
    package let objective: Objective
    package let workerCount: Int
    package let batchCapacity: Int
    let targetCounts: [Int]
    let parameterBuffer: FloatBuffer
    let team: WorkerTeam
    let workers: [Worker]
    let isPrivate: Bool
    /// The places of the outputs without a loss.
    let untrainedOutputs: [Int]
    /// Where the parameter of each term that learns its weight lies.
    let logVariancePlaces: [Int?]
    /// Outputs, gradients and targets of the whole batch, for losses that mix examples.
    let gathered: [GatheredOutputs]
    private var optimizer: Optimizer
    private var hasNoiseKey = false
    private let gradientNorm: GradientNorm
    private var average: WeightAverage?

    /// How an engine is made.
    package struct Options: Sendable {
        /// The most examples of a batch.
        package var batchSize: Int
        /// Workers; fewer are used when the work would not pay for them.
        package var threads: Int
        package var kernels: KernelSet = .fastest
        package var precision = Precision.float32
        /// Whether bfloat16 may be emulated where the processor has none: see ``Precision/check(kernels:allowsEmulation:)``.
        package var allowsEmulation = false
        package var isPrivate = false
        package var largestPatient = 1
        /// Whether small work may still use several workers: for tests.
        package var usesAllThreads = false
        /// What a chunk may take of the caches, where it is not what plans choose: for tests.
        package var chunkFloats: Int?

        package init(batchSize: Int, threads: Int) {
            self.batchSize = batchSize
            self.threads = threads
        }
    }

    /// - Throws: ``ShapeError`` when the objective does not fit the graph, or a private engine would mix patients;
    ///   ``PrecisionError`` when this processor or build does not compute in the precision.
    package init(_ graph: Graph, objective: Objective, _ options: Options) throws {
        precondition(options.batchSize >= 1 && options.threads >= 1, "an engine without work")
        if options.isPrivate { try Self.checkPatientsStayApart(graph, objective) }
        try options.precision.check(kernels: options.kernels, allowsEmulation: options.allowsEmulation)
        self.graph = graph
        self.objective = objective
        targetCounts = try objective.targetCounts(graph)
        logVariancePlaces = try objective.logVariancePlaces(graph)
        untrainedOutputs = graph.outputs.indices.filter { output in !objective.terms.contains { $0.output == output } }
        batchCapacity = options.batchSize
        isPrivate = options.isPrivate
        let pays = options.usesAllThreads || WorkerTeam.pays(for: 3 * graph.operations, times: options.batchSize)
        workerCount = pays ? min(options.threads, options.batchSize) : 1
        team = WorkerTeam(count: workerCount)
        optimizer = Optimizer(.sgd(momentum: 0, nesterov: false, weightDecay: 0), slices: graph.slices)
        parameterBuffer = FloatBuffer(count: graph.parameterCount)
        gradientNorm = GradientNorm(count: graph.parameterCount, excluding: graph.frozenRanges)
        let exchange = WorkerExchange(team: team)
        let share =
            options.isPrivate && options.largestPatient > 1
            ? options.batchSize : (options.batchSize + workerCount - 1) / workerCount
        var planOptions = Plan.Options(capacity: share, isTraining: true)
        planOptions.kernels = options.kernels
        planOptions.precision = options.precision
        planOptions.isPrivate = options.isPrivate
        planOptions.largestPatient = options.largestPatient
        planOptions.exchange = exchange
        if let floats = options.chunkFloats { planOptions.chunkFloats = floats }
        let (parameters, counts) = (parameterBuffer.floats, targetCounts)
        workers = (0..<workerCount).map { worker in
            planOptions.worker = worker
            return Worker(graph, planOptions, parameters: parameters, targetCounts: counts)
        }
        let batchSize = options.batchSize
        gathered = zip(objective.terms, targetCounts).map { term, targetCount in
            let width = graph.shapes[graph.outputs[term.output]].count
            let examples = term.loss.mixesExamples ? batchSize : 0
            return GatheredOutputs(count: examples * width, targets: examples * targetCount)
        }
    }

    private static func checkPatientsStayApart(_ graph: Graph, _ objective: Objective) throws(ShapeError) {
        if let node = graph.nodes.first(where: { $0.layer is BatchNorm }) {
            throw ShapeError(
                node.name, "batchNorm mixes patients, so that none has a gradient of its own: use groupNorm")
        }
        guard !objective.mixesExamples else {
            throw ShapeError("loss", "a loss that compares examples gives no patient a gradient of its own")
        }
    }

    /// The parameters, read and written between steps.
    package var parameters: Floats { parameterBuffer.floats }
    /// The names of the library's implementations used so far.
    package var implementations: [String] { workers.flatMap(\.plan.implementations) }
    /// Bytes of plans, gradients, parameters and optimiser state.
    package var byteCount: Int {
        workers.reduce(0) { $0 + $1.plan.byteCount + $1.gradient.count * MemoryLayout<Float>.stride }
            + (parameterBuffer.count + optimizer.state.count + (average?.values.count ?? 0))
            * MemoryLayout<Float>.stride
    }

    /// Gives the optimiser zeroed state, or state saved before.
    ///
    /// - Parameters:
    ///   - noiseKey: 32 random bytes that the noise of private steps is made from.
    ///   - averageDecay: That of a moving average of the parameters, from 0 to below 1; nil: none is kept.
    ///   - average: The average saved before; the first step, numbered 0, starts it anew.
    /// - Throws: ``RandomnessError`` when the system has no cipher.
    package func prepare(
        _ specification: OptimizerSpecification, state: [Float]? = nil, noiseKey: [UInt8]? = nil,
        averageDecay: Double? = nil, average saved: [Float]? = nil
    ) throws(RandomnessError) {
        for worker in workers { try worker.prepareNoise(key: noiseKey) }
        hasNoiseKey = noiseKey != nil
        if optimizer.specification == specification {
            optimizer.reset()
        } else {
            optimizer = Optimizer(specification, slices: graph.slices)
        }
        if let state { optimizer.state.copy(from: state, at: 0) }
        if average?.decay != averageDecay {
            average = averageDecay.map { WeightAverage(decay: $0, count: graph.parameterCount) }
        }
        if let saved { average?.values.copy(from: saved, at: 0) }
    }

    /// The moving average of the parameters after the last step; nil where none is kept.
    package var averageValues: [Float]? { average?.values.array }

    /// The optimiser's state, for a checkpoint.
    package var optimizerStateValues: [Float] { optimizer.state.array }

    /// Takes one step over the examples `rows`, in this order; returns the batch's loss at the parameters before it.
    ///
    /// More rows than ``batchCapacity`` go through the model in several passes, whose gradients are added up: the loss is
    /// still the mean over all rows. Only layers and losses that mix examples see one pass at a time.
    ///
    /// - Parameters:
    ///   - dropoutKey: Different for every step.
    ///   - patients: Private engines only: the runs of rows that belong to one patient each; nil: one row each.
    /// - Precondition: The examples were checked against graph and objective, and ``prepare(_:state:)`` was called.
    package func step(
        _ rows: ArraySlice<Int32>, of examples: Examples, dropoutKey: UInt64, patients: [Range<Int>]? = nil,
        _ update: StepUpdate
    ) -> Double {
        precondition(
            !rows.isEmpty && (!isPrivate || rows.count <= batchCapacity),
            "a batch of \(rows.count) for \(batchCapacity)")
        precondition(isPrivate == (update.privacy != nil), "a private step of a plain engine, or the reverse")
        precondition((update.privacy?.noise ?? 0) == 0 || hasNoiseKey, "noise without a key to make it from")
        team.run { member in
            let worker = workers[member]
            worker.lossSum = 0
            let isOnePass = rows.count <= batchCapacity
            if !isOnePass { sumWeights(worker, member, rows, examples) }
            for first in stride(from: 0, to: rows.count, by: batchCapacity) {
                let pass = rows[rows.startIndex + first..<rows.startIndex + min(first + batchCapacity, rows.count)]
                let share = self.share(member, of: pass.count, patients)
                worker.begin(share, pass, examples, patients)
                worker.plan.forward(
                    examples: share.count,
                    step: Step(
                        dropoutKey: dropoutKey, firstExample: first + share.lowerBound, batchExamples: pass.count,
                        isFirstPass: first == 0))
                if isOnePass { sumWeights(worker, share) }
                evaluateLosses(worker, share, batch: pass.count, isFirstPass: first == 0)
                addGradients(worker, share, update)
                // After the last pass for the update; before the next one for what layers that mix examples share.
                team.wait()
            }
            updateParameters(member, update)
        }
        return workers.reduce(0) { $0 + $1.lossSum }
    }

    /// Runs a worker's share backward, from the output gradients.
    private func addGradients(_ worker: Worker, _ share: Range<Int>, _ update: StepUpdate) {
        guard let privacy = update.privacy else { return worker.plan.backward(examples: share.count) }
        worker.plan.backwardPrivately(examples: share.count, patients: worker.patients)
        worker.patients.clip(to: privacy.bound)
        worker.plan.addClipped(examples: share.count, patients: worker.patients)
        addClippedWeights(worker)
    }

    /// The examples of the batch that a worker takes: neighbouring ones, and whole patients.
    func share(_ member: Int, of count: Int, _ patients: [Range<Int>]?) -> Range<Int> {
        func boundary(_ member: Int) -> Int {
            let place = member * ((count + workerCount - 1) / workerCount)
            guard let patients, place < count else { return min(place, count) }
            return patients.first { $0.lowerBound >= place }?.lowerBound ?? count
        }
        return boundary(member)..<boundary(member + 1)
    }

    /// Adds up the workers' gradients over this member's part of the vector and updates the parameters there.
    private func updateParameters(_ member: Int, _ update: StepUpdate) {
        let total = workers[0].gradient.floats
        let noise = update.privacy?.noise ?? 0
        // What must see the whole sum first makes two passes of it over memory; else each block stays in the cache
        // from the sum to the next step's zeros.
        let sumsFirst = update.largestNorm != nil || optimizer.preparationBlocks > 0 || noise > 0
        if sumsFirst { for part in parts(member) { sumGradients(in: part.range, update) } }
        let scale = prepareUpdate(member, update)
        if noise > 0 { workers[member].addNoise(noise, to: total, parts(member), member: member, step: update.step) }
        let isDense = noise > 0 || update.proximal != nil || update.correction != nil
        for part in parts(member) {
            let (range, rate) = (part.range, update.rate * part.rateFactor)
            for start in stride(from: range.lowerBound, to: range.upperBound, by: VectorBlocks.size) {
                let block = start..<min(start + VectorBlocks.size, range.upperBound)
                if !sumsFirst { sumGradients(in: block, update) }
                optimizer.update(
                    parameters, gradient: total, range: block, step: update.step, rate: rate, scale: scale)
                clearGradients(in: block, isDense: isDense)
            }
        }
        // Running statistics, too: the average is a whole model.
        average?.update(parameters, range: bounds(member), steps: update.step)
    }

    /// The first worker's gradient becomes that of the batch, with what pulls the parameters elsewhere.
    private func sumGradients(in range: Range<Int>, _ update: StepUpdate) {
        let total = workers[0].gradient.floats
        for other in workers.dropFirst() { other.gradient.add(to: total, in: range) }
        if let proximal = update.proximal {
            add(proximal.mu, timesDifferenceOf: parameters[range], and: proximal.reference[range], to: total[range])
        }
        if let correction = update.correction { add(correction[range], to: total[range]) }
    }

    /// Zeroes what the workers touched; all of the sum where it is dense.
    private func clearGradients(in range: Range<Int>, isDense: Bool) {
        let total = workers[0].gradient.floats
        if isDense { total[range].fill(with: 0) } else { workers[0].gradient.clear(in: range) }
        for other in workers.dropFirst() { other.gradient.clear(in: range, andRowsOf: isDense ? nil : total) }
    }

    /// Measures and prepares what a limit on the norm and some optimisers need of the whole sum; returns the factor on
    /// the gradient.
    private func prepareUpdate(_ member: Int, _ update: StepUpdate) -> Float {
        let total = workers[0].gradient.floats
        var scale = 1 / (update.privacy?.expectedPatients ?? 1)
        if let largest = update.largestNorm {
            team.wait()
            let blocks = gradientNorm.blockCount
            gradientNorm.measure(total, blocks: member * blocks / workerCount..<(member + 1) * blocks / workerCount)
            team.wait()
            scale *= Double(GradientNorm.clippingFactor(norm: scale * gradientNorm.norm, limit: largest))
        }
        let blocks = optimizer.preparationBlocks
        if blocks > 0 {
            team.wait()
            let (first, end) = (member * blocks / workerCount, (member + 1) * blocks / workerCount)
            optimizer.prepare(
                parameters, gradient: total, blocks: first..<end, step: update.step, scale: Float(scale))
            team.wait()
        }
        return Float(scale)
    }

    /// The part of the flat vector that is a worker's.
    private func bounds(_ member: Int) -> Range<Int> {
        let size = ((graph.parameterCount + workerCount - 1) / workerCount + 15) & ~15
        return min(member * size, graph.parameterCount)..<min((member + 1) * size, graph.parameterCount)
    }

    /// The trained parts of a worker's part; those of all workers together are the trained parts.
    private func parts(_ member: Int) -> some Sequence<TrainedPart> {
        let own = bounds(member)
        return graph.trainedParts.lazy
            .map { TrainedPart(range: $0.range.clamped(to: own), rateFactor: $0.rateFactor) }
            .filter { !$0.range.isEmpty }
    }
}
