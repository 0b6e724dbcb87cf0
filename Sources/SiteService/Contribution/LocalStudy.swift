// SPDX-License-Identifier: Apache-2.0
// A study joined with a site's own table: what the local half of every round works on.

package import ClinicalData
package import Federation
import ModelFiles
package import NeuralNetworks

/// An accepted study and the site's encoded rows for it.
package struct LocalStudy: Sendable {
    package let study: Study
    package let hash: Digest
    package let table: EncodedTable
    package let network: Network
    package let trainingRows: [Int32]
    package let testRows: [Int32]

    /// Errors: ``ModelError`` cannot occur for a study that was read from a document.
    package init(study: Study, table: EncodedTable) throws(ModelError) {
        self.study = study
        hash = study.hash
        self.table = table
        network = try Network(
            study.model, inputs: study.data.features.count, head: study.task.head,
            layerRates: study.training.layerRates)
        trainingRows = table.rows(in: .train)
        testRows = table.rows(in: .test)
    }

    /// The plausible range of the label, for errors in spans of it.
    package var labelRange: (minimum: Double, maximum: Double) {
        if case .number(_, let minimum, let maximum)? = study.data.label?.kind { (minimum, maximum) } else { (0, 1) }
    }

    /// Whether a file of this size can be what it is said to be, so that a site fetches no endless one.
    func admits(_ blob: BlobReference) -> Bool {
        let parameterBytes = 4 * network.parameterCount
        guard blob.name == "model" else { return blob.byteCount == parameterBytes }
        return (parameterBytes...parameterBytes + SafetensorsHeader.largestHeaderBytes + 8).contains(blob.byteCount)
    }

    func labels(of rows: [Int32]) -> [Float] { rows.map { table.labels[Int($0)] } }
}
