// SPDX-License-Identifier: Apache-2.0
// A model's graph: every name resolved, every layer checked, before any memory is reserved for it.

import Tensors

extension ModelSpecification {
    /// The model's graph and which of its nodes belong to which element.
    struct Assembly {
        let graph: Graph
        let nodes: [Range<Int>]
    }

    /// The model as a graph whose shapes are known to fit.
    ///
    /// - Parameter features: The features of the study's table, when there is one.
    /// - Throws: ``ModelError``, at the first input, layer or output that does not fit.
    package func graph(features: Int?) throws(ModelError) -> Graph { try assembly(features: features).graph }

    /// The same, for a model that a study trains on a table: its only input takes the table's features, and its only output
    /// is what `head` expects.
    package func graph(inputs features: Int, head: Head) throws(ModelError) -> Graph {
        let graph = try graph(features: features)
        guard graph.inputShapes.count == 1 else { throw .input(1, .tooMany(largest: 1)) }
        guard !graph.inputShapes[0].holdsTokens else { throw .input(0, .tokensOfTable) }
        guard graph.inputShapes[0].count == features else {
            throw .input(0, .features(expected: graph.inputShapes[0].count, actual: features))
        }
        guard graph.outputs.count == 1 else { throw .output(outputs[1], .tooMany(largest: 1)) }
        try checkOutput(of: graph, head: head)
        return graph
    }

    /// Checks every input and layer, and the output against the head.
    ///
    /// - Throws: ``ModelError``, at the first one that does not fit.
    package func check(features: Int, head: Head) throws(ModelError) {
        _ = try graph(inputs: features, head: head)
    }

    func assembly(features: Int?) throws(ModelError) -> Assembly {
        guard !elements.isEmpty else { throw .noLayers }
        guard elements.count <= Self.largestElementCount else {
            throw .tooManyElements(elements.count, largest: Self.largestElementCount)
        }
        var (builder, edges) = (GraphBuilder(), NamedEdges())
        for (index, input) in try checkedInputs(features: features).enumerated() {
            guard edges.add(input.name, builder.input(Shape(input.sizes, holdsTokens: input.holdsTokens))) else {
                throw .input(index, .nameTwice)
            }
        }
        let inputCount = edges.names.count
        var nodes: [Range<Int>] = []
        for index in elements.indices { nodes.append(try add(index, to: &builder, &edges)) }
        let outputEdges = try outputs(edges, inputCount: inputCount)
        try checkReaders(edges, outputEdges, inputCount: inputCount)
        do {
            return Assembly(graph: try builder.graph(outputs: outputEdges), nodes: nodes)
        } catch {
            preconditionFailure("layers that fitted one by one: \(error)")
        }
    }

    /// The edges that have names, and which of them somebody reads.
    private struct NamedEdges {
        var names: [String] = []
        var edges: [String: Int] = [:]
        var areRead: Set<String> = []

        /// Whether the name was free.
        mutating func add(_ name: String, _ edge: Int) -> Bool {
            names.append(name)
            return edges.updateValue(edge, forKey: name) == nil
        }
    }

    // MARK: Inputs

    private func checkedInputs(features: Int?) throws(ModelError) -> [ModelInput] {
        guard !inputs.isEmpty else {
            guard let features else { throw .input(0, .noTable) }
            guard (1...Self.largestWidth).contains(features) else { throw .input(0, .sizes) }
            return [.table(features: features)]
        }
        guard inputs.count <= Self.largestEdgeCount else {
            throw .input(Self.largestEdgeCount, .tooMany(largest: Self.largestEdgeCount))
        }
        for (index, input) in inputs.enumerated() {
            guard ModelElement.isName(input.name) else { throw .input(index, .name) }
            guard (1...4).contains(input.sizes.count), input.sizes.allSatisfy({ $0 >= 1 }),
                !input.holdsTokens || input.sizes.count == 1,
                let count = Shape.count(of: input.sizes), count <= GraphBuilder.largestValueCount
            else { throw .input(index, .sizes) }
        }
        // Which input the table feeds is plain only where one input can be a table.
        let tables = inputs.indices.filter { !inputs[$0].holdsTokens && inputs[$0].sizes.count == 1 }
        if let features, tables.count == 1, inputs[tables[0]].sizes[0] != features {
            throw .input(tables[0], .features(expected: inputs[tables[0]].sizes[0], actual: features))
        }
        return inputs
    }

    // MARK: Layers

    private func place(_ index: Int) -> ModelError.Place {
        ModelError.Place(index: index, name: name(ofElement: index), kind: elements[index].content.studyKind)
    }

    /// Adds an element and its name; returns its nodes.
    private func add(
        _ index: Int, to builder: inout GraphBuilder, _ edges: inout NamedEdges
    ) throws(ModelError) -> Range<Int> {
        let element = elements[index]
        let (place, first) = (place(index), builder.nodeCount)
        if let name = element.name, !ModelElement.isName(name) { throw .layer(place, .name) }
        guard Self.kinds.contains(place.kind) else { throw .layer(place, .kind) }
        var check = RangeCheck()
        var content = element.content
        content.visit(&check)
        if let (field, range) = check.problem { throw .layer(place, .field(field, range: range)) }
        var sources: [Int] = []
        for name in try sourceNames(index, edges) {
            guard let edge = edges.edges[name] else {
                let isLater = elements.indices.contains { self.name(ofElement: $0) == name }
                throw .layer(place, isLater ? .sourceIsLater(name) : .sourceIsUnknown(name, known: edges.names))
            }
            edges.areRead.insert(name)
            sources.append(edge)
        }
        let edge: Int
        do {
            edge = try content.add(to: &builder, name: place.name, inputs: sources)
        } catch {
            let inner = error.layer == place.name ? "" : "\(error.layer): "
            throw .layer(place, .shape(inner + error.problem))
        }
        guard edges.add(place.name, edge) else { throw .layer(place, .nameTwice) }
        return first..<builder.nodeCount
    }

    private func sourceNames(_ index: Int, _ edges: NamedEdges) throws(ModelError) -> [String] {
        if let from = elements[index].from, !from.isEmpty { return from }
        guard index > 0 || edges.names.count == 1, elements[index].from == nil, let last = edges.names.last else {
            throw .layer(place(index), .needsSource(known: edges.names))
        }
        return [last]
    }

    // MARK: Outputs

    private func outputs(_ edges: NamedEdges, inputCount: Int) throws(ModelError) -> [Int] {
        let layers = edges.names.dropFirst(inputCount)
        guard outputs.count <= Self.largestEdgeCount else {
            throw .output(outputs[Self.largestEdgeCount], .tooMany(largest: Self.largestEdgeCount))
        }
        var result: [Int] = []
        for name in outputs.isEmpty ? Array(layers.suffix(1)) : outputs {
            guard layers.contains(name), let edge = edges.edges[name] else {
                throw .output(name, .isUnknown(known: Array(layers)))
            }
            guard !result.contains(edge) else { throw .output(name, .isTwice) }
            result.append(edge)
        }
        return result
    }

    private func checkReaders(_ edges: NamedEdges, _ outputs: [Int], inputCount: Int) throws(ModelError) {
        for (index, name) in edges.names.enumerated() {
            guard !edges.areRead.contains(name), let edge = edges.edges[name], !outputs.contains(edge) else { continue }
            if index < inputCount { throw .input(index, .isNotRead) }
            throw .layer(place(index - inputCount), .isNotRead)
        }
    }

    private func checkOutput(of graph: Graph, head: Head) throws(ModelError) {
        if case .softmax(let classes) = head, !(2...Self.largestWidth).contains(classes) {
            throw .classesOutOfRange(classes, largest: Self.largestWidth)
        }
        guard let edge = graph.outputs.last,
            let index = outputs.last.map({ name in elements.indices.first { self.name(ofElement: $0) == name } })
                ?? elements.indices.last
        else { throw .noLayers }
        guard let last = elements[index].content as? Dense else {
            throw .layer(place(index), .lastKind(expectedUnits: head.outputs))
        }
        guard last.units == head.outputs else {
            throw .layer(place(index), .lastUnits(last.units, expected: head.outputs))
        }
        guard graph.shapes[edge].count == head.outputs else {
            throw .layer(place(index), .lastValues(graph.shapes[edge].sizes, expected: head.outputs))
        }
        guard last.activation == .linear else {
            throw .layer(place(index), .lastActivation(last.activation.word))
        }
    }
}
