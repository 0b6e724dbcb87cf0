// SPDX-License-Identifier: Apache-2.0
// One direction of one level of a recurrent layer, over all steps of time, forward and backward.

import Tensors

/// z[t] = w_ih·x[t] + b_ih + w_hh·h[t−1] + b_hh and the cell's gates, from the first step to the last or back.
///
/// Values lie time-major, so that what one step reads and writes is dense: x `[steps, examples, inputs]`, z and dz
/// `[steps, examples, gates·hidden]`, h `[steps + 1, examples, hidden]` with the zero state before the first step at
/// the end where the direction starts. The inputs of all steps are one product; each step is one product with packed
/// weights and one pass over the gates; the weights' gradients are again single products over all steps.
final class RecurrentDirection {
    private let cell: any RecurrentCell
    private let steps: Int
    private let hidden: Int
    /// The width of z: gates·hidden.
    private let gateWidth: Int
    private let isReverse: Bool
    private let inputWeight: Floats
    private let hiddenWeight: Floats
    private let inputBias: Floats
    private let hiddenBias: Floats
    /// The gradients of the four, in this order; empty in inference.
    private let gradients: [Floats]
    /// z, then the gates; backward writes dz in their place.
    private let gates: Slot
    /// w_hh·h + b_hh and its gradient, for a cell that keeps them apart; else nil.
    private let products: Slot?
    private let states: Slot
    /// ∂loss/∂h of the step that backward has reached, `[examples, hidden]`.
    private let dh: Slot
    /// b_ih + b_hh, the bias of a cell that adds the products; and in backward the sums that are the gradient of both.
    private var biases: FloatBuffer
    private let multiply: RecurrentProducts
    /// x, w_ih and dz of all steps as bfloat16, each read by two products or three.
    private let (xCopy, inputWeightCopy, dzCopy) = (Bfloat16Copy(), Bfloat16Copy(), Bfloat16Copy())
    private let inputNorm: OuterProductNorm
    private let hiddenNorm: OuterProductNorm

    /// - Parameters:
    ///   - parameters: w_ih, w_hh, b_ih, b_hh.
    ///   - isReverse: Whether it runs from the last step to the first; its input gradient is then added to the other
    ///     direction's, which comes first.
    init(
        _ cell: any RecurrentCell, steps: Int, inputs: Int, hidden: Int, gates: Int, isReverse: Bool,
        parameters: [Floats], gradients: [Floats], _ context: OperationContext
    ) {
        self.cell = cell
        self.steps = steps
        self.hidden = hidden
        self.isReverse = isReverse
        (inputWeight, hiddenWeight) = (parameters[0], parameters[1])
        (inputBias, hiddenBias) = (parameters[2], parameters[3])
        self.gradients = gradients
        let (rows, keepsProductsApart) = (gates * hidden, cell.keepsProductsApart)
        gateWidth = rows
        self.gates = Slot(Shape([steps, rows]))
        products = keepsProductsApart ? Slot(Shape([steps, rows])) : nil
        states = Slot(Shape([steps + 1, hidden]))
        dh = Slot(Shape([hidden]))
        biases = FloatBuffer(count: rows)
        multiply = RecurrentProducts(
            inputs: inputs, hidden: hidden, gateWidth: rows, keepsProductsApart: keepsProductsApart,
            addsInputGradient: isReverse, context)
        let (scratch, kernels) = (context.scratch, context.kernels)
        inputNorm = OuterProductNorm(
            inputWidth: inputs, outputWidth: rows, hasBias: true, scratch: scratch, kernels: kernels)
        hiddenNorm = OuterProductNorm(
            inputWidth: hidden, outputWidth: rows, hasBias: true, scratch: scratch, kernels: kernels)
    }

    /// What forward leaves for backward; also what the clipped sums read, besides x.
    var saved: [Slot] { [gates, states] + (products.map { [$0] } ?? []) + cell.saved }
    var readByClipping: [Slot] { [gates, states] + (products.map { [$0] } ?? []) }
    var backwardTemporaries: [Slot] { [dh] + cell.backwardTemporaries }
    var implementations: [String] {
        multiply.implementations + inputNorm.implementations + hiddenNorm.implementations
    }

    /// Reads the parameters of a new step of training.
    func begin() {
        inputWeightCopy.expire()
        guard products == nil else { return }
        add(inputBias, hiddenBias, into: biases.floats)
    }

    /// Computes ``outputs(_:)`` from x.
    func forward(_ x: Floats, _ examples: Range<Int>, _ live: LiveSteps) {
        xCopy.begin(examples)
        // z[t] = w_ih·x[t] + b_ih, and + b_hh where the cell adds
        multiply.input(steps * examples.count).run(
            x, inputWeight, copies: (xCopy, inputWeightCopy), bias: products == nil ? biases.floats : inputBias,
            into: gates.floats(examples))
        let product = multiply.step(examples.count)
        product.pack(hiddenWeight)
        let initialPlace = isReverse ? steps : 0
        states.floats(examples).rows(places(initialPlace, examples), width: hidden).fill(with: 0)
        cell.begin(examples, initialPlace: initialPlace)
        for number in 0..<steps {
            let step = step(number, examples, live)
            // z[t] += w_hh·h[t−1], or apart from z: w_hh·h[t−1] + b_hh
            product.run(
                step.before, hiddenWeight, bias: products == nil ? nil : hiddenBias, into: step.products)
            cell.forward(step)
        }
    }

    /// Writes dz of all steps, from ∂loss/∂h as the layer's consumers see it, `[steps, examples, hidden]`.
    func backward(_ outputGradients: Floats, _ examples: Range<Int>, _ live: LiveSteps) {
        let product = multiply.stepGradient(examples.count)
        product.pack(hiddenWeight)
        let dh = dh.floats(examples)
        dh.fill(with: 0)
        cell.beginBackward(examples)
        for number in (0..<steps).reversed() {
            let step = step(number, examples, live)
            add(step.now(outputGradients, width: hidden), to: dh)
            cell.backward(step, dh: dh)
            // z[t] = … + w_hh·h[t−1]: dh[t−1] += w_hhᵀ·dz[t]; the zero state before the first step has no gradient
            if number > 0 { product.run(step.products, hiddenWeight, into: dh) }
        }
        dzCopy.expire()
    }

    /// dx = Σ over the directions of w_ihᵀ·dz; the first direction overwrites.
    func inputGradient(_ examples: Range<Int>, into dx: Floats) {
        multiply.inputGradient(steps * examples.count).run(
            gates.floats(examples), inputWeight, copies: (dzCopy, inputWeightCopy), into: dx)
    }

    /// Adds the gradients of the parameters, from dz.
    func addGradients(_ x: Floats, _ examples: Range<Int>) {
        let (rows, dz) = (steps * examples.count, gates.floats(examples))
        let dproducts = products?.floats(examples) ?? dz
        // z[t] = w_ih·x[t] + b_ih + w_hh·h[t−1] + b_hh: dw_ih += Σₜ dz[t]·x[t]ᵀ, dw_hh += Σₜ dz[t]·h[t−1]ᵀ
        xCopy.resume(examples)
        multiply.inputWeight(rows).run(dz, x, copies: (dzCopy, xCopy), into: gradients[0])
        multiply.hiddenWeight(rows).run(
            dproducts, statesBefore(examples), copies: (products == nil ? dzCopy : nil, nil), into: gradients[1])
        // db_ih += Σₜ dz[t], db_hh the same where the products are not apart
        if products == nil {
            biases.floats.fill(with: 0)
            addColumnSums(of: dz, to: biases.floats)
            add(biases.floats, to: gradients[2])
            add(biases.floats, to: gradients[3])
        } else {
            addColumnSums(of: dz, to: gradients[2])
            addColumnSums(of: dproducts, to: gradients[3])
        }
    }

    /// Times each patient's factor, dz becomes that of the clipped gradients.
    func scale(_ examples: Range<Int>, _ patients: Patients) {
        dzCopy.expire()
        for step in 0..<steps {
            let rows = places(step, examples)
            patients.scale(
                gates.floats(examples).rows(rows, width: gateWidth), rowsPerExample: 1, width: gateWidth, of: examples)
            guard let products else { continue }
            patients.scale(
                products.floats(examples).rows(rows, width: gateWidth), rowsPerExample: 1, width: gateWidth,
                of: examples)
        }
    }

    /// ‖gradient of the four parameters‖² over the examples `one` of the part `examples`.
    func squaredNorm(
        of one: Range<Int>, _ x: Floats, _ examples: Range<Int>, _ inputRows: PatientRows, _ gradientRows: PatientRows
    ) -> Double {
        let count = steps * one.count
        var dz = gradientRows.gather(gates.floats(examples), width: gateWidth, one, of: examples)
        let inputSquare = inputNorm(
            inputRows.gather(x, width: x.count / (steps * examples.count), one, of: examples), dz, rows: count)
        if let products { dz = gradientRows.gather(products.floats(examples), width: gateWidth, one, of: examples) }
        let hiddenSquare = hiddenNorm(
            inputRows.gather(statesBefore(examples), width: hidden, one, of: examples), dz, rows: count)
        return inputSquare + hiddenSquare
    }

    /// h[t] of all steps, `[steps, examples, hidden]`; of a step that a sequence does not have, the state it keeps.
    func outputs(_ examples: Range<Int>) -> Floats {
        states.floats(examples).rows(places(isReverse ? 0 : 1, examples, count: steps), width: hidden)
    }

    /// h[t−1] of all steps, `[steps, examples, hidden]`.
    private func statesBefore(_ examples: Range<Int>) -> Floats {
        states.floats(examples).rows(places(isReverse ? 1 : 0, examples, count: steps), width: hidden)
    }

    /// The step that the direction takes as number `number`.
    private func step(_ number: Int, _ examples: Range<Int>, _ live: LiveSteps) -> RecurrentStep {
        let time = isReverse ? steps - 1 - number : number
        let (before, after) = isReverse ? (time + 1, time) : (time, time + 1)
        let states = states.floats(examples)
        let rows = places(time, examples)
        let gates = gates.floats(examples).rows(rows, width: gateWidth)
        return RecurrentStep(
            time: time, examples: examples, live: live, placeBefore: before, placeAfter: after, gates: gates,
            products: products?.floats(examples).rows(rows, width: gateWidth) ?? gates,
            before: states.rows(places(before, examples), width: hidden),
            after: states.rows(places(after, examples), width: hidden))
    }

    /// The rows of `count` places of time from `place` on.
    private func places(_ place: Int, _ examples: Range<Int>, count: Int = 1) -> Range<Int> {
        place * examples.count..<(place + count) * examples.count
    }
}

/// The products of one direction, each for any number of rows.
private struct RecurrentProducts {
    /// z = x·w_ihᵀ + bias over all steps.
    let input: ProductFamily
    /// w_hh·h of one step, added to z or apart with its bias.
    let step: ProductFamily
    /// dh += dz·w_hh of one step.
    let stepGradient: ProductFamily
    /// dx = dz·w_ih over all steps.
    let inputGradient: ProductFamily
    /// dw_ih += dzᵀ·x over all steps.
    let inputWeight: ProductFamily
    /// dw_hh += dzᵀ·h over all steps.
    let hiddenWeight: ProductFamily

    init(
        inputs: Int, hidden: Int, gateWidth: Int, keepsProductsApart: Bool, addsInputGradient: Bool,
        _ context: OperationContext
    ) {
        func family(
            _ precision: Precision = context.precision, _ shape: @escaping (Int) -> ProductShape
        ) -> ProductFamily {
            ProductFamily(scratch: context.scratch, kernels: context.kernels, precision: precision, shape: shape)
        }
        func weightProduct(_ width: Int) -> ProductFamily {
            family(context.gradientPrecision) { rows in
                var shape = ProductShape(m: gateWidth, k: rows, n: width)
                (shape.transposesA, shape.accumulates) = (true, true)
                return shape
            }
        }
        input = family { rows in
            var shape = ProductShape(m: rows, k: inputs, n: gateWidth)
            (shape.transposesB, shape.hasBias) = (true, true)
            return shape
        }
        step = family { examples in
            var shape = ProductShape(m: examples, k: hidden, n: gateWidth)
            (shape.transposesB, shape.packsB) = (true, true)
            (shape.hasBias, shape.accumulates) = (keepsProductsApart, !keepsProductsApart)
            return shape
        }
        stepGradient = family { examples in
            var shape = ProductShape(m: examples, k: gateWidth, n: hidden)
            (shape.packsB, shape.accumulates) = (true, true)
            return shape
        }
        inputGradient = family { rows in
            var shape = ProductShape(m: rows, k: gateWidth, n: inputs)
            shape.accumulates = addsInputGradient
            return shape
        }
        (inputWeight, hiddenWeight) = (weightProduct(inputs), weightProduct(hidden))
    }

    var implementations: [String] {
        [input, step, stepGradient, inputGradient, inputWeight, hiddenWeight].flatMap(\.implementations)
    }
}
