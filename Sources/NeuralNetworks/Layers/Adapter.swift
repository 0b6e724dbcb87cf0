// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters as data: which maps of a layer have one, and of what size.

/// A trained change of low rank beside a frozen linear map: y = W·x + bias + (alpha/rank)·up·(down·x).
///
/// Shapes: W `[outputs, inputs]`, `adapter.down` `[rank, inputs]`, `adapter.up` `[outputs, rank]`. W and bias keep their
/// values; `up` starts from zero, so that the model starts as it is without the adapter.
/// Source: Hu et al. 2021, section 4.1, equation 3: A is `down`, B is `up` (arXiv:2106.09685).
package struct Adapter: Hashable, Sendable {
    package var rank: Int
    /// The strength α; the change is divided by the rank, so that one learning rate suits several ranks.
    package var alpha: Double

    package init(rank: Int, alpha: Double) {
        self.rank = rank
        self.alpha = alpha
    }

    /// alpha/rank.
    var scale: Float { Float(alpha / Double(rank)) }

    /// Refuses a rank that the map cannot have, or a strength that trains nothing.
    ///
    /// - Throws: ``ShapeError`` that says which ranks are possible.
    func check(inputs: Int, outputs: Int) throws(ShapeError) {
        // A product of matrices has no more rank than their smaller side.
        guard (1...min(inputs, outputs)).contains(rank) else {
            throw ShapeError(
                "the adapter has the rank \(rank): 1 to \(min(inputs, outputs)) are possible for \(inputs) inputs and "
                    + "\(outputs) outputs")
        }
        guard alpha > 0, alpha.isFinite else {
            throw ShapeError("the adapter has the alpha \(alpha): above 0 is possible")
        }
    }

    /// The adapter's tensors. `down` is uniform in ±1/√inputs.
    ///
    /// The paper draws it from a normal distribution and leaves its width open; this is what the authors' code does,
    /// Kaiming's uniform distribution with a = √5 (He et al. 2015, section 2.2, arXiv:1502.01852; github.com/microsoft/LoRA),
    /// so that values of alpha found elsewhere mean the same here.
    func declarations(_ prefix: String = "", inputs: Int, outputs: Int) -> [ParameterDeclaration] {
        [
            ParameterDeclaration(
                prefix + "adapter.down", [rank, inputs], .uniform(bound: 1 / Float(inputs).squareRoot())),
            ParameterDeclaration(prefix + "adapter.up", [outputs, rank], .zeros),
        ]
    }

    /// Multiplications and additions for so many rows.
    func operations(rows: Int, inputs: Int, outputs: Int) -> Int { 2 * rows * rank * (inputs + outputs) }
}

/// The linear maps of attention.
package enum AttentionProjection: String, CaseIterable, Hashable, Sendable {
    case query
    case key
    case value
    case output
}

/// Adapters of one size beside some of the four maps of attention. All of the layer's own tensors are frozen.
///
/// Source: Hu et al. 2021, section 4.2, which adapts attention alone, and section 7.1, which finds query and value the
/// best choice (arXiv:2106.09685).
package struct AttentionAdapter: Hashable, Sendable {
    package var adapter: Adapter
    package var projections: Set<AttentionProjection>

    package init(rank: Int, alpha: Double, projections: Set<AttentionProjection> = [.query, .value]) {
        adapter = Adapter(rank: rank, alpha: alpha)
        self.projections = projections
    }

    /// The projections in the order of their tensors.
    var ordered: [AttentionProjection] { AttentionProjection.allCases.filter(projections.contains) }
}

/// Where an adapter of a layer lies: the numbers are places among the layer's parameters.
package struct AdapterPlace: Hashable, Sendable {
    /// The weight that the adapter stands beside, and which of its rows.
    package let weight: Int
    package let rows: Range<Int>
    package let down: Int
    package let up: Int
    /// alpha/rank.
    package let scale: Float
}

/// A layer of linear maps that may have adapters.
package protocol AdaptedLayer: Layer {
    /// The adapters, in the order of their tensors; empty: the layer has none.
    func adapters(_ inputs: [Shape]) -> [AdapterPlace]
    /// The same layer with none.
    var withoutAdapters: Self { get }
}

extension ParameterSlice {
    /// Whether the tensor is one of an adapter's, which a file of the plain model does not have.
    package var isAdapter: Bool { name.hasSuffix(".adapter.down") || name.hasSuffix(".adapter.up") }
}
