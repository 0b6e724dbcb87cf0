// SPDX-License-Identifier: Apache-2.0
// The size of a patient's weight gradient in a layer that multiplies rows by a matrix, without the gradient itself.

import Tensors

/// ‖dZᵀ·X‖² (+ ‖Σ_rows dZ‖² for a bias) over the rows of one patient, by whichever way multiplies least.
///
/// One row: ‖x‖²·‖dz‖². Few rows: Σᵣₛ (xᵣ·xₛ)(dzᵣ·dzₛ), the two Gram matrices. Many rows: the gradient, made and dropped.
/// Source: Goodfellow 2015 (arXiv:1510.01799); Li et al. 2022, section 4 (arXiv:2110.05679).
final class OuterProductNorm {
    private let inputWidth: Int
    private let outputWidth: Int
    private let hasBias: Bool
    private let inputGram: ProductFamily
    private let outputGram: ProductFamily
    private let gradient: ProductFamily
    private var memory = FloatBuffer(count: 0)

    init(inputWidth: Int, outputWidth: Int, hasBias: Bool, scratch: Scratch, kernels: KernelSet) {
        self.inputWidth = inputWidth
        self.outputWidth = outputWidth
        self.hasBias = hasBias
        func gram(_ width: Int) -> ProductFamily {
            ProductFamily(scratch: scratch, kernels: kernels) { rows in
                var shape = ProductShape(m: rows, k: width, n: rows)
                shape.transposesB = true
                return shape
            }
        }
        inputGram = gram(inputWidth)
        outputGram = gram(outputWidth)
        gradient = ProductFamily(scratch: scratch, kernels: kernels) { rows in
            var shape = ProductShape(m: outputWidth, k: rows, n: inputWidth)
            shape.transposesA = true
            return shape
        }
    }

    var implementations: [String] {
        inputGram.implementations + outputGram.implementations + gradient.implementations
    }

    /// Shapes: x `[rows, inputWidth]`, dz `[rows, outputWidth]`.
    func callAsFunction(_ x: Floats, _ dz: Floats, rows: Int) -> Double {
        guard rows > 1 else { return (sumOfSquares(x) + (hasBias ? 1 : 0)) * sumOfSquares(dz) }
        if rows * (inputWidth + outputWidth) < inputWidth * outputWidth {
            let (first, second) = (temporary(0, rows * rows, of: 2), temporary(1, rows * rows, of: 2))
            inputGram(rows).run(x, x, into: first)
            outputGram(rows).run(dz, dz, into: second)
            // Adding one to every xᵣ·xₛ adds the bias, the input that is always one.
            return dot(first, second) + (hasBias ? sum(second) : 0)
        }
        let product = temporary(0, inputWidth * outputWidth, of: 1)
        gradient(rows).run(dz, x, into: product)
        guard hasBias else { return sumOfSquares(product) }
        let square = sumOfSquares(product)
        let sums = product[0..<outputWidth]
        sums.fill(with: 0)
        addColumnSums(of: dz, to: sums)
        return square + sumOfSquares(sums)
    }

    private func temporary(_ place: Int, _ count: Int, of places: Int) -> Floats {
        if memory.count < places * count { memory = FloatBuffer(count: places * count) }
        return memory.floats[place * count..<(place + 1) * count]
    }
}
