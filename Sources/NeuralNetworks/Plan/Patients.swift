// SPDX-License-Identifier: Apache-2.0
// Which examples of a worker's share belong together, and how large their gradients are: private training.

package import Tensors

/// The patients of one worker's share in private training: each has a run of neighbouring examples, and one gradient, the
/// sum over them, which is clipped as a whole.
///
/// Source: Abadi et al. 2016, Algorithm 1 (arXiv:1607.00133), with the patient as the unit of privacy.
package final class Patients {
    /// Each patient's examples, in the order of the share and without gaps.
    package private(set) var examples: [Range<Int>] = []
    /// ‖gradient‖² of each patient, complete when every operation has run backward.
    package private(set) var squaredNorms: [Double] = []
    /// What each patient's gradient is multiplied by.
    package private(set) var factors: [Float] = []

    /// Whether norms count; not while a frozen layer runs backward.
    var isCounting = true

    package init() {}

    /// Starts a step. Allocates only when there are more patients than ever before.
    ///
    /// - Precondition: The runs follow each other from 0.
    package func begin(_ examples: some Sequence<Range<Int>>) {
        removeAll()
        self.examples.append(contentsOf: examples)
        for _ in self.examples {
            squaredNorms.append(0)
            factors.append(0)
        }
    }

    /// Starts a step with those runs of a batch that begin in this share of it.
    func begin(_ batch: [Range<Int>], within share: Range<Int>) {
        removeAll()
        for run in batch where share.contains(run.lowerBound) {
            examples.append(run.lowerBound - share.lowerBound..<run.upperBound - share.lowerBound)
            squaredNorms.append(0)
            factors.append(0)
        }
    }

    private func removeAll() {
        examples.removeAll(keepingCapacity: true)
        squaredNorms.removeAll(keepingCapacity: true)
        factors.removeAll(keepingCapacity: true)
    }

    /// The numbers of the patients whose examples lie in this part of the share, which holds whole patients only.
    package func within(_ part: Range<Int>) -> Range<Int> {
        let first = place(startingAt: part.lowerBound)
        let end = part.upperBound == examples.last?.upperBound ? examples.count : place(startingAt: part.upperBound)
        return first..<end
    }

    private func place(startingAt example: Int) -> Int {
        var (low, high) = (0, examples.count)
        while low < high {
            let middle = (low + high) / 2
            if examples[middle].lowerBound < example { low = middle + 1 } else { high = middle }
        }
        precondition(low < examples.count && examples[low].lowerBound == example, "a part that cuts a patient")
        return low
    }

    /// Counts one tensor's squared gradient norm of a patient.
    package func add(_ square: Double, to patient: Int) {
        if isCounting { squaredNorms[patient] += square }
    }

    /// factor = min(1, bound/‖gradient‖); a gradient that is not finite counts zero.
    package func clip(to bound: Double) {
        for patient in examples.indices {
            let norm = squaredNorms[patient].squareRoot()
            factors[patient] = norm.isFinite ? Float(norm > bound ? bound / norm : 1) : 0
        }
    }

    /// rows of `values`, `rowsPerExample` of `width` for each example, times their patients' factors, in place.
    package func scale(_ values: Floats, rowsPerExample: Int, width: Int, of part: Range<Int>) {
        for patient in within(part) where factors[patient] != 1 {
            let range = examples[patient]
            let first = (range.lowerBound - part.lowerBound) * rowsPerExample
            let rows = values.rows(first..<first + range.count * rowsPerExample, width: width)
            // Zero, not 0·NaN, where a gradient was not finite.
            if factors[patient] == 0 { rows.fill(with: 0) } else { rows.scale(by: factors[patient]) }
        }
    }
}
