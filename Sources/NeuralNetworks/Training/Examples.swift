// SPDX-License-Identifier: Apache-2.0
// A site's encoded examples in memory: what every input and every loss of a model reads, row by row.

/// Encoded examples, checked once before they are trained on.
///
/// Privacy: holds patients' data; it stays in memory and is never written.
package struct Examples: Sendable {
    /// The values of one model input for all examples, row-major.
    package enum Values: Sendable {
        case floats([Float])
        /// Token numbers, with the length of each example's sequence; without lengths all are full.
        case tokens([Int32])

        var count: Int {
            switch self {
            case .floats(let values): values.count
            case .tokens(let values): values.count
            }
        }
    }

    package let count: Int
    /// One for each input of the model.
    package var inputs: [Values]
    /// For each input the lengths of its sequences, `[count]`; nil: as long as the shape says.
    package var lengths: [[Int32]?]
    /// For each term of the objective its targets, `[count, targetCount]`.
    package var targets: [[Float]]

    package init(count: Int, inputs: [Values], lengths: [[Int32]?]? = nil, targets: [[Float]] = []) {
        self.count = count
        self.inputs = inputs
        self.lengths = lengths ?? inputs.map { _ in nil }
        self.targets = targets
    }
}

extension Examples {
    /// Some of the examples, in the order of `rows`; a row may be there twice.
    package func selecting(_ rows: [Int32]) -> Examples {
        func select<Value>(_ values: [Value]) -> [Value] {
            let width = count == 0 ? 0 : values.count / count
            return rows.flatMap { values[Int($0) * width..<(Int($0) + 1) * width] }
        }
        return Examples(
            count: rows.count,
            inputs: inputs.map { input in
                switch input {
                case .floats(let values): .floats(select(values))
                case .tokens(let tokens): .tokens(select(tokens))
                }
            }, lengths: lengths.map { $0.map(select) }, targets: targets.map(select))
    }
}

/// Why examples do not fit a model. Examples and inputs count from zero; never holds a value.
package enum ExampleError: Error, Equatable, Sendable, CustomStringConvertible {
    case none
    case inputs(expected: Int, actual: Int)
    case targets(expected: Int, actual: Int)
    case wrongCount(input: Int, expected: Int, actual: Int)
    case wrongTargetCount(term: Int, expected: Int, actual: Int)
    case wrongKind(input: Int, wantsTokens: Bool)
    case notFinite(input: Int, example: Int)
    case tokenOutOfRange(input: Int, example: Int, vocabulary: Int)
    case lengthOutOfRange(input: Int, example: Int, longest: Int)
    case targetOutOfRange(term: Int, example: Int)

    /// One sentence: what is wrong and what would fit.
    package var description: String {
        switch self {
        case .none: "there is no example to train on"
        case .inputs(let expected, let actual): "the model has \(expected) inputs, the examples have \(actual)"
        case .targets(let expected, let actual):
            "the objective has \(expected) losses, the examples have \(actual) targets"
        case .wrongCount(let input, let expected, let actual):
            "input \(input) has \(actual) values; the examples need \(expected)"
        case .wrongTargetCount(let term, let expected, let actual):
            "loss \(term) got \(actual) target values; the examples need \(expected)"
        case .wrongKind(let input, let wantsTokens):
            "input \(input) must be \(wantsTokens ? "token numbers" : "values, not tokens")"
        case .notFinite(let input, let example): "input \(input) of example \(example) has a value that is not a number"
        case .tokenOutOfRange(let input, let example, let vocabulary):
            "input \(input) of example \(example) has a token outside the vocabulary of \(vocabulary)"
        case .lengthOutOfRange(let input, let example, let longest):
            "input \(input) of example \(example) has a length outside 0…\(longest)"
        case .targetOutOfRange(let term, let example):
            "the target of example \(example) is one that loss \(term) cannot learn"
        }
    }
}

extension Examples {
    /// Checks counts, kinds, numbers, tokens and lengths against a model.
    ///
    /// - Throws: ``ExampleError`` with the first problem.
    package func check(_ graph: Graph) throws(ExampleError) {
        guard count > 0 else { throw .none }
        guard inputs.count == graph.inputShapes.count else {
            throw .inputs(expected: graph.inputShapes.count, actual: inputs.count)
        }
        for (input, shape) in graph.inputShapes.enumerated() {
            let width = shape.count
            guard inputs[input].count == count * width else {
                throw .wrongCount(input: input, expected: count * width, actual: inputs[input].count)
            }
            switch inputs[input] {
            case .floats(let values):
                guard !shape.holdsTokens else { throw .wrongKind(input: input, wantsTokens: true) }
                if let place = values.firstIndex(where: { !$0.isFinite }) {
                    throw .notFinite(input: input, example: place / width)
                }
            case .tokens(let tokens):
                guard shape.holdsTokens else { throw .wrongKind(input: input, wantsTokens: false) }
                guard let vocabulary = graph.vocabulary(ofInput: input) else { break }
                if let place = tokens.firstIndex(where: { $0 < 0 || $0 >= vocabulary }) {
                    throw .tokenOutOfRange(input: input, example: place / width, vocabulary: vocabulary)
                }
            }
            try checkLengths(input, shape)
        }
    }

    private func checkLengths(_ input: Int, _ shape: Shape) throws(ExampleError) {
        guard let lengths = lengths[input] else { return }
        guard lengths.count == count else {
            throw .wrongCount(input: input, expected: count, actual: lengths.count)
        }
        if let example = lengths.firstIndex(where: { $0 < 0 || $0 > shape.sizes[0] }) {
            throw .lengthOutOfRange(input: input, example: example, longest: shape.sizes[0])
        }
    }
}

extension Graph {
    /// The smallest vocabulary of the embeddings that read an input; nil: none does.
    func vocabulary(ofInput input: Int) -> Int? {
        nodes.filter { $0.inputs.contains(input) }.compactMap { ($0.layer as? Embedding)?.vocabulary }.min()
    }
}
