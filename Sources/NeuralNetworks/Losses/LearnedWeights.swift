// SPDX-License-Identifier: Apache-2.0
// Weights of losses that are trained with the model.

import Glibc

/// A term with a learned weight counts weight·(c·exp(−s)·L + s/2), where s = ln σ² is a parameter that starts at 0, L is the
/// term's loss and c its ``Loss/likelihoodFactor``: ½ for values, 1 for classes.
///
/// σ² is the noise of the task's targets: a task that the model explains badly counts less, and ln σ keeps it from counting
/// nothing. At the best s, c·exp(−s)·L is ½.
///
/// The term of one example's loss depends on no other example, so that private training has a gradient of s for each
/// patient. Weight decay, where there is any, pulls s to 0 as it does every parameter.
/// Source: Kendall, Gal & Cipolla 2018, equations 7 and 10 (arXiv:1705.07115), with s as in their section 3.2.
extension Objective {
    /// The tensor with the s of every term that learns its weight, in the order of the terms.
    package static let logVarianceName = "loss.logVariances"

    /// The graph with the parameters that the objective brings along.
    package func completing(_ graph: Graph) -> Graph {
        let count = terms.count { $0.learnsWeight }
        guard count > 0 else { return graph }
        return Graph(graph, adding: ParameterDeclaration(Self.logVarianceName, [count], .zeros))
    }

    /// Where each term's s lies in the flat vector; nil where the weight is fixed.
    ///
    /// - Throws: ``ShapeError`` when the graph is not one of ``completing(_:)``.
    func logVariancePlaces(_ graph: Graph) throws(ShapeError) -> [Int?] {
        let count = terms.count { $0.learnsWeight }
        guard count > 0 else { return terms.map { _ in nil } }
        guard let slice = graph.slices.last, slice.name == Self.logVarianceName, slice.count == count else {
            throw ShapeError("loss", "the graph lacks the parameters of learned weights")
        }
        var next = slice.offset
        return terms.map { term in
            guard term.learnsWeight else { return nil }
            next += 1
            return next - 1
        }
    }
}

extension Objective.Term {
    /// What the term's loss is multiplied by: weight·c·exp(−s), or the fixed weight.
    func factor(logVariance: Float?) -> Double {
        guard let logVariance else { return weight }
        // Rounded to a Float, so that the C library's last bits, which depend on the machine, do not show.
        return weight * loss.likelihoodFactor * Double(Float(exp(-Double(logVariance))))
    }

    /// What is added to the term's loss: weight·s/2.
    func penalty(logVariance: Float?) -> Double { logVariance.map { weight * Double($0) / 2 } ?? 0 }
}
