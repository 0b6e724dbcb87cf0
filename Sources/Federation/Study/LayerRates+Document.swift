// SPDX-License-Identifier: Apache-2.0
// Frozen layers and layers with a rate of their own, in studies and training files.

package import NeuralNetworks

extension LayerRates {
    /// The keys beside each other in `training`.
    package static let keys = ["freeze", "layerRates"]

    /// The entries of the section `training`: none where no layer is named, so that older studies keep their bytes. A frozen
    /// layer is one with the rate 0.
    package var canonicalFields: [String: CanonicalValue] {
        factors.isEmpty ? [:] : ["layerRates": .object(factors.mapValues { .decimal($0) })]
    }

    /// Reads `freeze`, a list of names, and `layerRates`, a mapping of names to factors.
    ///
    /// - Parameter graph: The model they must fit.
    /// - Throws: ``DocumentError``, at a name that stands for no layer with parameters (with those there are), one given
    ///   twice, or when no layer is left to train.
    package init(_ fields: DocumentFields, graph: Graph) throws(DocumentError) {
        var factors: [String: Double] = [:]
        func add(_ name: String, _ factor: Double, _ reader: DocumentReader) throws(DocumentError) {
            guard Self.name(name, isIn: graph) else {
                throw reader.error("names no layer with parameters", hint: Self.hint(graph))
            }
            guard factors.updateValue(factor, forKey: name) == nil else {
                throw reader.error("names a layer twice", hint: "one rate for each name; frozen layers have none")
            }
            guard factors.count <= Self.largestCount else {
                throw reader.error(
                    "names too many layers", hint: "at most \(Self.largestCount); `name*` stands for many")
            }
        }
        for reader in try fields[optional: "freeze"]?.elements() ?? [] { try add(reader.string(), 0, reader) }
        for (name, reader) in try fields[optional: "layerRates"]?.entries() ?? [] {
            try add(name, reader.decimal(Self.factorRange), reader)
        }
        self.init(factors)
        guard factors.isEmpty || !graph.applying(self).trainedRanges.isEmpty else {
            throw fields.reader.error("freezes every layer", hint: "leave one to train: \(Self.hint(graph))")
        }
    }

    /// The layers there are, the first of many.
    private static func hint(_ graph: Graph) -> String {
        let names = names(graph)
        return "layers: \(names.prefix(24).joined(separator: ", "))\(names.count > 24 ? ", …" : "")"
    }
}
