// SPDX-License-Identifier: Apache-2.0
// A model compiled for one worker: its operations, the order of its chunks, and one block of memory.

package import Tensors

/// A graph compiled for one worker and up to `capacity` examples.
///
/// Neighbouring operations on images form a *stage* that runs a few examples at a time, so that full-size maps stay in
/// the cache and only what the backward direction reads is kept for all examples; the other stages take the whole share.
/// After the first step with a number of examples nothing is allocated.
package final class Plan {
    package let graph: Graph
    package let capacity: Int
    /// Slots of the model's inputs, to be filled before ``forward(examples:step:)``.
    package let inputs: [Slot]
    /// Slots of the model's outputs.
    package let outputs: [Slot]
    /// Slots of ∂loss/∂output, to be filled before ``backward(examples:)``; empty in inference.
    package private(set) var outputGradients: [Slot] = []
    /// Slots of ∂loss/∂input, for the inputs whose gradient was asked for.
    package private(set) var inputGradients: [Slot?] = []
    /// The tables of whose gradient a step touches some rows only, in the order of the flat vector.
    private(set) var touchedTables: [TouchedTable] = []
    private var operations: [Operation] = []
    private var stages: [Stage] = []
    /// What to add after each operation's backward: a second consumer's part of a gradient.
    private var additions: [[(part: Slot, total: Slot)]] = []
    private var memory = FloatBuffer(count: 0)
    private let scratch = Scratch()
    let isPrivate: Bool
    private let largestPatient: Int
    private let chunkFloats: Int

    private struct Stage {
        var operations: Range<Int>
        var chunk: Int
    }

    /// What a plan is compiled for.
    package struct Options {
        package var capacity: Int
        package var isTraining: Bool
        package var kernels: KernelSet = .fastest
        package var precision = Precision.float32
        /// Whether the gradients of the inputs are wanted too.
        package var wantsInputGradients = false
        /// Whether gradients are clipped by patient: ``Plan/backwardPrivately(examples:patients:)``.
        package var isPrivate = false
        /// The most examples one patient has; only private plans ask.
        package var largestPatient = 1
        /// The batch's other workers, for layers that mix examples; nil: this worker has the whole batch.
        package var exchange: WorkerExchange?
        package var worker = 0
        /// What a chunk's input and output may take of the second-level caches, in floats: two megabytes.
        package var chunkFloats = 512 * 1024
        /// See ``MultiHeadAttention/mostKeptSteps``; another number is for tests.
        package var mostKeptSteps = MultiHeadAttention.mostKeptSteps

        package init(capacity: Int, isTraining: Bool) {
            self.capacity = capacity
            self.isTraining = isTraining
        }
    }

    /// - Parameters:
    ///   - parameters: `[graph.parameterCount]`, read at every step.
    ///   - gradients: `[graph.parameterCount]`, to which a step adds; nil in inference.
    package init(_ graph: Graph, _ options: Options, parameters: Floats, gradients: Floats?) {
        precondition(options.capacity >= 1 && (gradients != nil) == options.isTraining, "options disagree")
        self.graph = graph
        capacity = options.capacity
        let inputs = graph.inputShapes.map { shape in
            Slot(shape, lengths: shape.sizes.count <= 2 ? SequenceLengths(capacity: options.capacity) : nil)
        }
        self.inputs = inputs
        var operations: [Operation] = []
        let scratch = scratch
        let exchange = options.exchange ?? WorkerExchange(team: nil)
        isPrivate = options.isPrivate
        largestPatient = options.isPrivate ? options.largestPatient : 1
        chunkFloats = options.chunkFloats
        var edges = inputs
        let wanted = Self.wantedGradients(graph, options)
        for (index, node) in graph.nodes.enumerated() {
            let nodeInputs = node.inputs.map { edges[$0] }
            let blockedLayer = node.layer as? any BlockedLayer
            let isOneLayout = nodeInputs.allSatisfy { $0.layout == nodeInputs[0].layout }
            let prepared = nodeInputs.map { slot -> Slot in
                let wanted =
                    isOneLayout
                    ? blockedLayer?.wantedLayout(of: slot.shape, in: slot.layout, kernels: options.kernels) : nil
                guard slot.layout != wanted ?? .plain else { return slot }
                let copy = LayoutChange(slot, to: wanted ?? .plain, scratch: scratch)
                operations.append(copy)
                return copy.output
            }
            let slices = graph.slicesOfNode[index].map { graph.slices[$0] }
            let (masked, masks) = Self.poolFusion(graph, index)
            let operation = node.layer.makeOperation(
                OperationContext(
                    inputs: prepared, outputShape: graph.shapes[inputs.count + index],
                    parameters: slices.map { parameters[$0.offset..<$0.offset + $0.count] },
                    gradients: gradients.map { all in slices.map { all[$0.offset..<$0.offset + $0.count] } } ?? [],
                    isFrozen: slices.map(\.isFrozen), capacity: options.capacity, isTraining: options.isTraining,
                    wantsInputGradient: node.inputs.map { wanted[$0] }, scratch: scratch, kernels: options.kernels,
                    precision: options.precision, node: index, poolMasksReLU: masked, masksReLU: masks,
                    isPrivate: options.isPrivate, mostKeptSteps: options.mostKeptSteps,
                    exchange: exchange, worker: options.worker))
            operation.isFrozen = !slices.isEmpty && slices.allSatisfy(\.isFrozen)
            if let collector = operation.collector { operations.append(collector) }
            operations.append(operation)
            if let rows = operation.touchedRows {
                touchedTables.append(
                    TouchedTable(offset: slices[0].offset, width: slices[0].count / rows.rows, marks: rows))
            }
            edges.append(operation.output)
        }
        outputs = graph.outputs.map { edge in
            guard edges[edge].layout == .blocked else { return edges[edge] }
            let copy = LayoutChange(edges[edge], to: .plain, scratch: scratch)
            operations.append(copy)
            return copy.output
        }
        self.operations = operations
        makeStages()
        additions = .init(repeating: [], count: operations.count)
        if options.isTraining { makeGradients(wanted: wanted, edges: edges) }
        placeMemory()
    }

    /// The names of the library's implementations; complete after the first step.
    package var implementations: [String] { operations.flatMap(\.implementations) }
    /// Bytes of the plan's own memory: activations, gradients of activations, and scratch.
    package var byteCount: Int { memory.count * MemoryLayout<Float>.stride + scratch.byteCount }

    /// Runs the model over the first `examples` examples of the input slots.
    package func forward(examples: Int, step: Step) {
        precondition(examples <= capacity, "\(examples) examples in a plan for \(capacity)")
        for operation in operations { operation.begin(step) }
        for stage in stages {
            operations[stage.operations.lowerBound].enter()
            for start in stride(from: 0, to: examples, by: stage.chunk) {
                let chunk = start..<min(start + stage.chunk, examples)
                for index in stage.operations { operations[index].forward(chunk) }
            }
        }
    }

    /// Adds ∂loss/∂parameters to the gradients, from the output gradients.
    package func backward(examples: Int) {
        for stage in stages.reversed() {
            for start in stride(from: 0, to: examples, by: stage.chunk) {
                let chunk = start..<min(start + stage.chunk, examples)
                backward(stage, chunk) { $0.backward(chunk) }
            }
            operations[stage.operations.lowerBound].leave()
        }
        for operation in operations { operation.end() }
    }

    /// Gathers the patients' squared gradient norms, from the output gradients of the unscaled losses.
    ///
    /// - Precondition: The plan is private and its graph mixes no examples; no patient has more than `largestPatient`.
    package func backwardPrivately(examples: Int, patients: Patients) {
        for stage in stages.reversed() {
            var first = 0
            while first < patients.examples.count {
                let start = patients.examples[first].lowerBound
                var end = patients.examples[first].upperBound
                first += 1
                while first < patients.examples.count, patients.examples[first].upperBound - start <= stage.chunk {
                    end = patients.examples[first].upperBound
                    first += 1
                }
                precondition(end - start <= stage.chunk, "a patient with \(end - start) examples")
                backward(stage, start..<end) { operation in
                    // A frozen layer passes gradients on, but its own are no part of a patient's.
                    patients.isCounting = !operation.isFrozen
                    operation.backwardPrivately(start..<end, patients)
                }
                patients.isCounting = true
            }
        }
    }

    /// After ``backwardPrivately(examples:patients:)`` and ``Patients/clip(to:)``: adds the sum of the patients' clipped
    /// gradients to the gradients.
    package func addClipped(examples: Int, patients: Patients) {
        if examples > 0 {
            for operation in operations where operation.outputGradient != nil && !operation.isFrozen {
                operation.addClipped(0..<examples, patients)
            }
        }
        for operation in operations { operation.end() }
    }

    /// Runs the operations of a stage backward over one chunk.
    private func backward(_ stage: Stage, _ chunk: Range<Int>, _ run: (Operation) -> Void) {
        for index in stage.operations.reversed() where operations[index].outputGradient != nil {
            run(operations[index])
            for (part, total) in additions[index] { add(part.floats(chunk), to: total.floats(chunk)) }
        }
    }
}

// Compiling: gradients, stages, memory.
extension Plan {
    /// Whether ∂loss/∂edge is wanted, for every edge: where a parameter that is not frozen, or an input that asks, lies
    /// at or before it.
    private static func wantedGradients(_ graph: Graph, _ options: Options) -> [Bool] {
        var wanted = graph.inputShapes.map { options.wantsInputGradients && !$0.holdsTokens }
        for (index, node) in graph.nodes.enumerated() {
            let hasParameters = graph.slices[graph.slicesOfNode[index]].contains { !$0.isFrozen }
            wanted.append(hasParameters || node.inputs.contains { wanted[$0] })
        }
        return options.isTraining ? wanted : wanted.map { _ in false }
    }

    /// Whether a convolution's ReLU is masked by the max pooling that alone follows it, and whether a pooling does that.
    /// Max and ReLU commute, and the pooled map is a quarter of the size or less.
    private static func poolFusion(_ graph: Graph, _ index: Int) -> (masked: Bool, masks: Bool) {
        let first = graph.inputShapes.count
        func isFused(convolution: Int) -> Bool {
            guard let layer = graph.nodes[convolution].layer as? any ConvolutionLayer, layer.activation == .relu,
                !graph.outputs.contains(first + convolution)
            else { return false }
            let consumers = graph.nodes.filter { $0.inputs.contains(first + convolution) }
            guard consumers.count == 1, let pool = consumers[0].layer as? any PoolingLayer else { return false }
            return pool.poolingKind == .maximum
        }
        let source = graph.nodes[index].inputs[0] - first
        return (
            isFused(convolution: index),
            source >= 0 && graph.nodes[index].layer is any PoolingLayer && isFused(convolution: source)
        )
    }

    private func makeStages() {
        func isSpatial(_ operation: Operation) -> Bool {
            !operation.isView && (operation.output.shape.isSpatial || operation.inputs[0].shape.isSpatial)
        }
        var start = 0
        while start < operations.count {
            let spatial = isSpatial(operations[start])
            var end = start + 1
            while end < operations.count, operations[end].collector == nil, isSpatial(operations[end]) == spatial {
                end += 1
            }
            let largest = operations[start..<end].map { $0.inputs[0].count + $0.output.count }.max() ?? 1
            let chunk = spatial ? evenChunk(atMost: max(chunkFloats / largest, largestPatient)) : capacity
            stages.append(Stage(operations: start..<end, chunk: chunk))
            start = end
        }
    }

    /// The size of equal chunks of the whole share: every further size costs a set of primitives and packed weights.
    private func evenChunk(atMost largest: Int) -> Int {
        guard largest > 0 else { return 1 }
        let chunks = (capacity + largest - 1) / largest
        return max((capacity + chunks - 1) / chunks, largestPatient)
    }

    /// Gives every edge that wants one a gradient slot. The consumer that runs first in the backward direction
    /// overwrites it; each further one writes a part of its own, which is then added.
    private func makeGradients(wanted: [Bool], edges: [Slot]) {
        var gradients: [ObjectIdentifier: Slot] = [:]
        let wantedSlots = Set(zip(edges, wanted).filter(\.1).map { ObjectIdentifier($0.0) })
        // What the plan put in between is no edge of the graph; it hands on a gradient that somebody before it wants.
        let collectors = Set(operations.compactMap(\.collector).map { ObjectIdentifier($0) })
        var between: Set<ObjectIdentifier> = []
        for operation in operations where operation is LayoutChange || collectors.contains(ObjectIdentifier(operation))
        {
            let source = ObjectIdentifier(operation.inputs[0])
            if wantedSlots.contains(source) || between.contains(source) {
                between.insert(ObjectIdentifier(operation.output))
            }
        }
        // Every output has a gradient, so that a loss can write it; that of one without parameters goes nowhere.
        outputGradients = outputs.map { Slot($0.shape) }
        for (output, gradient) in zip(outputs, outputGradients) {
            let key = ObjectIdentifier(output)
            if wantedSlots.contains(key) || between.contains(key) { gradients[key] = gradient }
        }
        for index in operations.indices.reversed() {
            let operation = operations[index]
            guard let gradient = gradients[ObjectIdentifier(operation.output)] else {
                operation.inputGradients = operation.inputs.map { _ in nil }
                continue
            }
            operation.outputGradient = gradient
            operation.inputGradients = operation.inputs.map { input in
                let key = ObjectIdentifier(input)
                guard wantedSlots.contains(key) || between.contains(key) else { return nil }
                if let total = gradients[key] {
                    let part = Slot(input.shape, layout: input.layout)
                    additions[index].append((part, total))
                    return part
                }
                let slot =
                    operation.passesGradient
                    ? Slot(viewOf: gradient, as: input.shape) : Slot(input.shape, layout: input.layout)
                gradients[key] = slot
                return slot
            }
        }
        inputGradients = inputs.map { gradients[ObjectIdentifier($0)] }
    }

    /// Times of a step: the inputs are filled at 0, operation i runs forward at i + 1, the loss is taken at n + 1,
    /// operation i runs backward at 2n + 1 − i, and clipped sums are taken at 2n + 2.
    private func placeMemory() {
        let count = operations.count
        var storages: [ObjectIdentifier: SlotStorage] = [:]
        func use(_ slot: Slot?, at time: Int) {
            guard let storage = slot?.storage else { return }
            storages[ObjectIdentifier(storage)] = storage
            storage.uses.append(time)
        }
        for slot in inputs { use(slot, at: 0) }
        for (index, operation) in operations.enumerated() {
            let (forward, backward) = (index + 1, 2 * count + 1 - index)
            for slot in operation.inputs + [operation.output] + operation.saved { use(slot, at: forward) }
            guard operation.outputGradient != nil else { continue }
            for slot in operation.saved + operation.backwardTemporaries { use(slot, at: backward) }
            if operation.readsInputs { for slot in operation.inputs { use(slot, at: backward) } }
            if operation.readsOutput { use(operation.output, at: backward) }
            use(operation.outputGradient, at: backward)
            if isPrivate, !operation.isFrozen { for slot in operation.readByClipping { use(slot, at: 2 * count + 2) } }
            for slot in operation.inputGradients { use(slot, at: backward) }
            for (part, total) in additions[index] {
                use(part, at: backward)
                use(total, at: backward)
            }
        }
        for slot in outputs + outputGradients { use(slot, at: count + 1) }
        for slot in inputGradients { use(slot, at: 2 * count + 2) }
        let phases = phasesOfTimes()
        var requests: [MemoryRequest] = []
        for storage in storages.values.sorted(by: { ($0.uses[0], $0.count) < ($1.uses[0], $1.count) }) {
            let used = Set(storage.uses.map { phases[$0].number })
            storage.isKept = used.count > 1
            let (first, last) = (storage.uses.min() ?? 0, storage.uses.max() ?? 0)
            let times = storage.isKept ? phases[first].times.lowerBound...phases[last].times.upperBound : first...last
            let examples = storage.isKept ? capacity : phases[first].chunk
            requests.append(MemoryRequest(storage: storage, floats: storage.count * examples, times: times))
        }
        let total = MemoryRequest.place(&requests)
        memory = FloatBuffer(count: total)
        for request in requests {
            request.storage.memory = memory.floats[request.offset..<request.offset + request.floats]
        }
    }

    /// The stage and direction that each time belongs to, with the times it covers.
    private func phasesOfTimes() -> [(number: Int, times: ClosedRange<Int>, chunk: Int)] {
        let count = operations.count
        var phases = [(number: Int, times: ClosedRange<Int>, chunk: Int)](
            repeating: (-1, 0...0, capacity), count: 2 * count + 3)
        for time in [0, count + 1, 2 * count + 2] { phases[time] = (-1 - time, time...time, capacity) }
        for (number, stage) in stages.enumerated() {
            let forward = stage.operations.lowerBound + 1...stage.operations.upperBound
            let backward = 2 * count + 2 - stage.operations.upperBound...2 * count + 1 - stage.operations.lowerBound
            for time in forward { phases[time] = (2 * number, forward, stage.chunk) }
            for time in backward { phases[time] = (2 * number + 1, backward, stage.chunk) }
        }
        return phases
    }
}

/// A block of memory with the times at which it must be its owner's alone.
private struct MemoryRequest {
    let storage: SlotStorage
    let floats: Int
    let times: ClosedRange<Int>
    var offset = 0

    /// Gives every request the lowest place that no request of an overlapping time has, the largest first; returns the
    /// floats needed in all. Places lie on 64-byte boundaries.
    static func place(_ requests: inout [MemoryRequest]) -> Int {
        let order = requests.indices.sorted {
            (requests[$1].floats, requests[$0].times.lowerBound, $0)
                < (requests[$0].floats, requests[$1].times.lowerBound, $1)
        }
        var placed: [Int] = []
        var total = 0
        for index in order {
            let neighbours = placed.filter { requests[$0].times.overlaps(requests[index].times) }
                .sorted { requests[$0].offset < requests[$1].offset }
            var offset = 0
            for neighbour in neighbours where requests[neighbour].offset < offset + requests[index].floats {
                offset = max(offset, (requests[neighbour].offset + requests[neighbour].floats + 15) & ~15)
            }
            requests[index].offset = offset
            total = max(total, offset + requests[index].floats)
            placed.append(index)
        }
        return (total + 15) & ~15
    }
}
