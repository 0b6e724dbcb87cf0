// SPDX-License-Identifier: Apache-2.0
// Examples from the arrays of an NPZ file.

import ClinicalData
import NeuralNetworks

/// Reads arrays as inputs and targets of a model.
struct ArrayReader {
    private let file: TrainingFile
    private let source: ArraySource
    private let readsTargets: Bool

    init(_ file: TrainingFile, _ source: ArraySource, readsTargets: Bool) {
        self.file = file
        self.source = source
        self.readsTargets = readsTargets
    }

    func read(_ path: String, _ place: ArrayPlace) throws -> RawExamples {
        let archive = try NumpyArchive(.file(path: path))
        var inputs: [Examples.Values] = []
        var lengths: [[Int32]?] = []
        var count: Int?
        func rows(_ array: NumpyArray, _ name: String) throws -> Int {
            guard let rows = array.shape.first, rows > 0 else {
                throw LocalModelError(
                    .unfitData, "the array `\(name)` has no examples", hint: "its first size counts them")
            }
            if let count, count != rows {
                throw LocalModelError(
                    .unfitData, "the array `\(name)` has \(rows) examples, another one \(count)",
                    hint: "arrays of one part have one first size")
            }
            count = rows
            return rows
        }
        for (index, name) in place.inputs.enumerated() {
            let array = try archive.array(name)
            inputs.append(try values(array, name, rows: rows(array, name), input: index))
            let lengthsName = place.lengths.isEmpty ? "" : place.lengths[index]
            lengths.append(try lengthsName.isEmpty ? nil : integers(archive.array(lengthsName), lengthsName))
        }
        var targets: [[Float]] = []
        for names in readsTargets ? place.targets : [] {
            let arrays = try names.map { name in
                let array = try archive.array(name)
                return (values: array.floats, width: array.count / (try rows(array, name)))
            }
            targets.append(
                arrays.count == 1
                    ? arrays[0].values
                    : (0..<(count ?? 0)).flatMap { row in
                        arrays.flatMap { $0.values[row * $0.width..<(row + 1) * $0.width] }
                    })
        }
        let examples = Examples(count: count ?? 0, inputs: inputs, lengths: lengths)
        return RawExamples(content: .ready(examples), count: examples.count, targets: targets)
    }

    private func values(_ array: NumpyArray, _ name: String, rows: Int, input: Int) throws -> Examples.Values {
        let (shape, conversion) = (file.graph.inputShapes[input], source.conversions[input])
        guard array.count / rows == shape.count else {
            throw LocalModelError(
                .unfitData,
                "an example of the array `\(name)` has \(array.count / rows) values, the model reads \(shape)",
                hint: "compare the array's shape with the model's input")
        }
        guard !shape.holdsTokens else { return .tokens(try integers(array, name)) }
        var values = array.floats
        if conversion.isChannelsLast { values = KerasLayout.images(values, count: rows, channels: shape.sizes[0]) }
        guard !conversion.isIdentity else { return .floats(values) }
        let positions = shape.count / shape.sizes[0]
        for place in values.indices {
            let channel = place / positions % shape.sizes[0]
            let mean = conversion.mean[conversion.mean.count == 1 ? 0 : channel]
            let deviation = conversion.deviation[conversion.deviation.count == 1 ? 0 : channel]
            values[place] = Float((Double(values[place]) / conversion.divisor - mean) / deviation)
        }
        return .floats(values)
    }

    private func integers(_ array: NumpyArray, _ name: String) throws -> [Int32] {
        guard let integers = array.integers, integers.allSatisfy({ Int32(exactly: $0) != nil }) else {
            throw LocalModelError(
                .unfitData, "the array `\(name)` must hold 32-bit whole numbers", hint: "save it as int32")
        }
        return integers.map { Int32(truncatingIfNeeded: $0) }
    }
}
