// SPDX-License-Identifier: Apache-2.0
// Parameters from a safetensors file of another program, by PyTorch's names.

import Foundation
import ModelFiles
package import NeuralNetworks

/// Fills a model's parameters from named tensors.
package enum WeightImport {
    /// Reads a safetensors file whose tensors are named as the model's: `state_dict()` of PyTorch.
    ///
    /// Float64 is rounded. BatchNorm's `num_batches_tracked`, which nothing here needs, is passed over. Adapters of the
    /// model start as in a new one where the file has none at all: it is of the plain model.
    ///
    /// - Parameter seed: What such adapters are drawn from.
    /// - Throws: ``ModelFileError`` for a file that is not read; ``LocalModelError`` `.unfitWeights` that lists missing
    ///   and unknown names and wrong shapes.
    package static func parameters(from path: String, for graph: Graph, seed: UInt64 = 0) throws -> [Float] {
        let file = try open(path)
        var (problems, parameters) = (WeightProblems(), graph.initialParameters(seed: seed))
        let entries = Dictionary(file.header.tensors.map { ($0.name, $0) }) { first, _ in first }
        let isPlain = !graph.slices.contains { $0.isAdapter && entries[$0.name] != nil }
        // Learned weights of losses are no part of the model: they start anew where the file has none.
        func startsAnew(_ slice: ParameterSlice) -> Bool {
            isPlain && slice.isAdapter || slice.name == Objective.logVarianceName && entries[slice.name] == nil
        }
        for slice in graph.slices where !startsAnew(slice) {
            guard let entry = entries[slice.name] else {
                problems.missing.append(slice.name)
                continue
            }
            guard entry.shape == slice.shape else {
                problems.wrong.append("\(slice.name) is \(entry.shape), the model needs \(slice.shape)")
                continue
            }
            let values = try file.floats(slice.name)
            guard values.allSatisfy(\.isFinite) else {
                problems.wrong.append("\(slice.name) has values that are not finite")
                continue
            }
            parameters.replaceSubrange(slice.offset..<slice.offset + slice.count, with: values)
        }
        let known = Set(graph.slices.map(\.name))
        problems.extra = file.header.tensors.map(\.name)
            .filter { !known.contains($0) && !$0.hasSuffix(".num_batches_tracked") }
        try problems.check()
        return parameters
    }

    static func open(_ path: String) throws -> SafetensorsFile {
        do {
            return try SafetensorsFile(bytes: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        } catch let error as CocoaError {
            throw ModelFileError(
                .inputOutput, "the file of weights cannot be read: code \(error.code.rawValue)",
                hint: "check that it exists and that this user may read it")
        }
    }
}

/// What does not fit between a file of tensors and a model.
struct WeightProblems {
    private static let most = 20

    /// Names of the model.
    var missing: [String] = []
    var wrong: [String] = []
    /// Names of the file, which may be anything.
    var extra: [String] = []

    func check() throws(LocalModelError) {
        let lines = [
            Self.line("missing", missing), Self.line("unknown", extra.map(Self.shown)), Self.line("wrong", wrong),
        ].compactMap(\.self)
        guard !lines.isEmpty else { return }
        throw LocalModelError(
            .unfitWeights, "the weights do not fit the model" + lines.map { "\n  \($0)" }.joined(),
            hint: "`consilium model summary` lists the model's layers; rename or reshape the tensors")
    }

    private static func line(_ word: String, _ names: [String]) -> String? {
        guard !names.isEmpty else { return nil }
        let more = names.count > most ? " and \(names.count - most) more" : ""
        return "\(word): \(names.prefix(most).joined(separator: ", "))\(more)"
    }

    /// A name from a file, if it is harmless.
    private static func shown(_ name: String) -> String {
        let isPlain =
            name.utf8.count <= 100
            && name.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789._/:-".unicodeScalars.contains($0))
            }
        return isPlain ? name : "(a name that is not shown)"
    }
}
