// SPDX-License-Identifier: Apache-2.0
// What a model costs, layer by layer, before anybody trains it: parameters, operations and memory.

/// The size of a model, for people who decide whether to run it.
package struct ModelSummary: Hashable, Sendable, Codable {
    /// One input of the model.
    package struct Input: Hashable, Sendable, Codable {
        package let name: String
        package let shape: [Int]
        package let holdsTokens: Bool
    }

    /// One entry of the model's list; a block counts as one.
    package struct Row: Hashable, Sendable, Codable {
        package let name: String
        package let kind: String
        /// The sizes of one example's output.
        package let shape: [Int]
        package let parameters: Int
        /// Those of adapters among them.
        package let adapterParameters: Int
        /// Those that an optimiser moves among them.
        package let trainedParameters: Int
        /// Multiplications and additions of one example, forward, those of large products.
        package let operations: Int
    }

    package let inputs: [Input]
    package let rows: [Row]
    package let parameters: Int
    /// Those that an optimiser moves; running statistics and frozen ones are not.
    package let trainedParameters: Int
    /// Those of adapters.
    package let adapterParameters: Int
    /// Multiplications and additions of one example, forward.
    package let operations: Int
    package let batchSize: Int
    /// The parameters, their gradient and the optimiser's state, in float32.
    package let stateBytes: Int
    /// All layers' outputs for a batch. Training keeps about as much: it reuses memory where it can, and keeps the gates
    /// of recurrent layers and the probabilities of attention over up to 512 steps besides.
    package let activationBytes: Int

    /// One step of training on one example: forward, and twice as much backward.
    package var trainingOperations: Int { 3 * operations }

    /// - Parameters:
    ///   - features: The features of the study's table, when there is one.
    ///   - layerRates: Which layers are frozen.
    ///   - stateVectors: Vectors of the size of the parameters that the optimiser keeps.
    /// - Throws: ``ModelError``, for a model that does not fit.
    package init(
        _ specification: ModelSpecification, features: Int?, layerRates: LayerRates = .none, stateVectors: Int = 0,
        batchSize: Int = 1
    ) throws(ModelError) {
        let assembly = try specification.assembly(features: features)
        let graph = assembly.graph.applying(layerRates)
        let first = graph.inputShapes.count
        let names = specification.inputs.isEmpty ? [ModelInput.defaultName] : specification.inputs.map(\.name)
        inputs = zip(names, graph.inputShapes).map { name, shape in
            Input(name: name, shape: shape.sizes, holdsTokens: shape.holdsTokens)
        }
        rows = specification.elements.indices.map { index in
            let nodes = assembly.nodes[index]
            let operations = nodes.map { node in
                graph.nodes[node].layer.operations(graph.nodes[node].inputs.map { graph.shapes[$0] })
            }
            let places = nodes.flatMap { graph.slicesOfNode[$0] }
            func count(_ isCounted: (Int) -> Bool) -> Int {
                places.filter(isCounted).reduce(0) { $0 + graph.slices[$1].count }
            }
            return Row(
                name: specification.name(ofElement: index), kind: specification.elements[index].content.studyKind,
                shape: graph.shapes[first + nodes.upperBound - 1].sizes,
                parameters: count { _ in true }, adapterParameters: count { graph.slices[$0].isAdapter },
                trainedParameters: count { graph.isTrained(graph.slices[$0]) },
                operations: operations.reduce(0, +))
        }
        parameters = graph.parameterCount
        trainedParameters = graph.trainedRanges.reduce(0) { $0 + $1.count }
        adapterParameters = rows.reduce(0) { $0 + $1.adapterParameters }
        operations = graph.operations
        self.batchSize = batchSize
        let floatBytes = MemoryLayout<Float>.stride
        stateBytes = floatBytes * (2 + stateVectors) * graph.parameterCount
        let values = graph.shapes.reduce(0) { $0 + $1.count }
        let (bytes, overflows) = (floatBytes * values).multipliedReportingOverflow(by: batchSize)
        activationBytes = overflows ? .max : bytes
    }

    /// The rows as a table for people, with the totals below.
    package var table: String {
        // Where every layer is trained, saying so would only widen the table.
        let showsTrained = adapterParameters > 0
        let header = ["layer", "kind", "output", "parameters"] + (showsTrained ? ["trained"] : []) + ["operations"]
        let cells = rows.map { row in
            [row.name, row.kind, Shape(row.shape).description, Self.grouped(row.parameters)]
                + (showsTrained ? [Self.grouped(row.trainedParameters)] : []) + [Self.grouped(row.operations)]
        }
        let widths = header.indices.map { column in
            ([header] + cells).map { $0[column].count }.max() ?? 0
        }
        let lines = ([header] + cells).map { line in
            let padded = line.enumerated().map { column, cell in
                let blanks = String(repeating: " ", count: widths[column] - cell.count)
                return column < 3 ? cell + blanks : blanks + cell
            }
            return padded.joined(separator: "  ")
        }
        return lines.joined(separator: "\n") + "\n" + totals
    }

    private var totals: String {
        """

        \(Self.grouped(parameters)) parameters, \(Self.grouped(trainedParameters)) of them trained\(adapters)
        \(Self.grouped(operations)) operations for one example, \(Self.grouped(trainingOperations)) in training
        \(Self.grouped(stateBytes)) bytes of parameters, gradient and optimiser state
        about \(Self.grouped(activationBytes)) bytes of activations for a batch of \(batchSize)

        """
    }

    private var adapters: String {
        adapterParameters > 0 ? ", \(Self.grouped(adapterParameters)) in adapters" : ""
    }

    /// 11,689,512.
    private static func grouped(_ number: Int) -> String {
        var text = ""
        let digits = String(number)
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}
