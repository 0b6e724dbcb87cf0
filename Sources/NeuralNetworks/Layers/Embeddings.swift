// SPDX-License-Identifier: Apache-2.0
// Rows of a table for tokens, and learned positions, forward and backward.

import Tensors

/// y[t] = table[token[t]], zero for the padding token.
///
/// Shapes: tokens `[time]`, table `[vocabulary, width]`, y `[time, width]`. A token outside the vocabulary is refused where
/// the examples are checked, before any pass.
package struct Embedding: Layer {
    package static let kind = "embedding"
    package var vocabulary: Int
    package var width: Int
    /// The token whose row is zero and is not trained; nil: none.
    package var padding: Int?

    package init(_ vocabulary: Int, width: Int, padding: Int? = nil) {
        self.vocabulary = vocabulary
        self.width = width
        self.padding = padding
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.holdsTokens, input.sizes.count == 1 else {
            throw ShapeError("embedding takes tokens [time], not \(input)")
        }
        guard vocabulary >= 1, width >= 1, padding.map({ (0..<vocabulary).contains($0) }) ?? true else {
            throw ShapeError(
                "embedding needs a vocabulary and a width of at least 1, and padding within the vocabulary")
        }
        return Shape([input.sizes[0], width])
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        [ParameterDeclaration("weight", [vocabulary, width], .normal(deviation: 1 / Float(width).squareRoot()))]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { EmbeddingOperation(self, context) }
}

private final class EmbeddingOperation: Operation {
    private let width: Int
    private let padding: Int
    private let table: Floats
    private let tableGradient: Floats?
    private let marks: RowMarks?
    /// Private mode: the sums of one patient's rows of equal tokens, and the place of each token's sum with the mark of the
    /// patient that it belongs to.
    private let sums: Slot
    private var placeOfToken: [Int]
    private var markOfToken: [Int]
    private var mark = 0

    init(_ layer: Embedding, _ context: OperationContext) {
        width = layer.width
        padding = layer.padding ?? -1
        table = context.parameters[0]
        tableGradient = context.gradient(0)
        marks = tableGradient == nil ? nil : RowMarks(rows: layer.vocabulary)
        sums = Slot(context.outputShape)
        placeOfToken = .init(repeating: 0, count: context.isPrivate ? layer.vocabulary : 0)
        markOfToken = placeOfToken
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsInputs: Bool { true }
    override var touchedRows: RowMarks? { marks }
    override var backwardTemporaries: [Slot] { placeOfToken.isEmpty ? [] : [sums] }
    override var readByClipping: [Slot] { [inputs[0], outputGradient].compactMap(\.self) }

    override func begin(_ step: Step) { if step.isFirstPass { marks?.removeAll() } }

    override func forward(_ examples: Range<Int>) {
        // y[t] = table[token[t]]
        TokenTable.gather(
            inputs[0].integers(examples), padding: padding, table: table, width: width, into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let tableGradient else { return }
        // dtable[token[t]] += dy[t]
        let tokens = inputs[0].integers(examples)
        marks?.insert(tokens, padding: padding)
        TokenTable.scatter(
            tokens, padding: padding, factor: 1, gradient: outputGradient.floats(examples),
            width: width, into: tableGradient)
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        guard let outputGradient else { return }
        let (tokens, dy, sums) = (inputs[0].integers(examples), outputGradient.floats(examples), sums.floats(examples))
        let length = inputs[0].count
        for patient in patients.within(examples) {
            let own = patients.examples[patient]
            mark += 1
            var distinct = 0
            // A token's row has the gradient Σ dy over the places of the token: add first, then square.
            for place in (own.lowerBound - examples.lowerBound) * length..<(own.upperBound - examples.lowerBound)
                * length
            {
                let token = Int(tokens[place])
                guard token != padding else { continue }
                let row = dy.rows(place..<place + 1, width: width)
                if markOfToken[token] == mark {
                    add(row, to: sums.rows(placeOfToken[token]..<placeOfToken[token] + 1, width: width))
                } else {
                    (markOfToken[token], placeOfToken[token]) = (mark, distinct)
                    sums.rows(distinct..<distinct + 1, width: width).copy(from: row)
                    distinct += 1
                }
            }
            patients.add(sumOfSquares(sums.rows(0..<distinct, width: width)), to: patient)
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard let outputGradient, let tableGradient else { return }
        for patient in patients.within(examples) where patients.factors[patient] != 0 {
            let own = patients.examples[patient]
            let tokens = inputs[0].integers(own)
            marks?.insert(tokens, padding: padding)
            TokenTable.scatter(
                tokens, padding: padding, factor: patients.factors[patient],
                gradient: outputGradient.floats(own), width: width, into: tableGradient)
        }
    }
}

/// y[t] = x[t] + p[t] with one trained row for each place.
///
/// Shapes: x and y `[time, width]`, p `[time, width]`.
package struct LearnedPositions: Layer {
    package static let kind = "learnedPositions"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count == 2, !input.holdsTokens else {
            throw ShapeError("learnedPositions takes [time, features], not \(input)")
        }
        return input
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        [ParameterDeclaration("weight", inputs[0].sizes, .normal(deviation: 0.02))]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { LearnedPositionsOperation(context) }
}

private final class LearnedPositionsOperation: Operation {
    private let positions: Floats
    private let positionsGradient: Floats?
    /// Private mode: the gradient of one patient.
    private let patientSum: FloatBuffer

    init(_ context: OperationContext) {
        positions = context.parameters[0]
        positionsGradient = context.gradient(0)
        patientSum = FloatBuffer(count: context.isPrivate ? context.outputShape.count : 0)
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readByClipping: [Slot] { [outputGradient].compactMap(\.self) }

    override func forward(_ examples: Range<Int>) {
        let y = output.floats(examples)
        // y[b,t] = x[b,t] + p[t]: the table of positions is a bias of time·width values
        y.copy(from: inputs[0].floats(examples))
        addRows(positions, to: y)
    }

    override func backward(_ examples: Range<Int>) {
        guard let dy = outputGradient?.floats(examples) else { return }
        // dp[t] += Σ_b dy[b,t]; dx = dy
        if let positionsGradient { addColumnSums(of: dy, to: positionsGradient) }
        inputGradients[0]?.floats(examples).copy(from: dy)
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        guard let dy = outputGradient?.floats(examples) else { return }
        let sum = patientSum.floats
        for patient in patients.within(examples) {
            let own = patients.examples[patient]
            let rows = own.lowerBound - examples.lowerBound..<own.upperBound - examples.lowerBound
            sum.fill(with: 0)
            addColumnSums(of: dy.rows(rows, width: sum.count), to: sum)
            patients.add(sumOfSquares(sum), to: patient)
        }
        inputGradients[0]?.floats(examples).copy(from: dy)
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard let dy = outputGradient?.floats(examples), let positionsGradient else { return }
        patients.scale(dy, rowsPerExample: 1, width: positionsGradient.count, of: examples)
        addColumnSums(of: dy, to: positionsGradient)
    }
}
