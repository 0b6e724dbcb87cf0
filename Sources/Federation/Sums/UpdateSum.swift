// SPDX-License-Identifier: Apache-2.0
// The training round's vector: the weighted, quantised model update and the few sums the operator may see.

package import RingArithmetic

/// The layout and the meaning of the vector that a training round sums.
///
/// Sections: `update`, one ring element for each parameter: q times the quantised local change; `totals`, 64-bit;
/// and, for SCAFFOLD, `controls`, one element for each parameter: the quantised change of the site's control.
/// q is the site's weight of ``NumberTerms/weight(rows:)``. Only sums over the survivors exist at the server.
/// Source: `privacy.md` of the protocol folder's references, §1.6; FedAvg as the sum of (qΔ, q).
package struct UpdateSum: Sendable {
    /// Elements of the section `totals`, in order. Fixed-point ones are in units of 2⁻²⁰.
    package enum Total: Int, CaseIterable, Sendable {
        /// Σq.
        case weight
        /// Σ(q · mean local loss), fixed point.
        case weightedLoss
        /// Σ(q · normalising weight ‖a‖₁ of FedNova), fixed point.
        case weightedSteps
        /// Examples processed.
        case examples
        /// Parameters that were clamped to the clip.
        case clipped
    }

    package static let unitsPerOne = 1_048_576.0  // 2²⁰
    /// FedNova sends the change of one local step; this factor keeps it as well resolved as a whole round's change.
    package static let stepScale = 64.0

    package let terms: FederationTerms
    package let parameterCount: Int
    package let layout: RingLayout
    package let fixedPoint: FixedPoint

    /// - Parameter sites: the largest number of sites that the sum may cover; sets the ring width.
    package init(terms: FederationTerms, parameterCount: Int, sites: Int) throws(SumError) {
        let numbers = terms.numbers
        let bits = RingWidth.bits(
            sites: sites, maximumWeight: numbers.maximumWeight, valueBits: numbers.valueBits)
        guard bits <= 32 else { throw .tooManySites(limit: numbers.siteCapacity) }
        self.terms = terms
        self.parameterCount = parameterCount
        var sections = [
            RingSection(name: "update", count: parameterCount, elementBits: .bits32(ringBits: bits)),
            RingSection(name: "totals", count: Total.allCases.count, elementBits: .bits64),
        ]
        if terms.strategy.usesControls {
            sections.append(
                RingSection(name: "controls", count: parameterCount, elementBits: .bits32(ringBits: bits)))
        }
        layout = try ringLayout(sections)
        do { fixedPoint = try FixedPoint(valueBits: numbers.valueBits, clip: numbers.clip) } catch {
            throw .layout(error)
        }
    }

    /// The factor by which a local change is multiplied before quantising: 1, or for FedNova `stepScale` ÷ ‖a‖₁.
    package func changeScale(normalizingWeight: Double) -> Double {
        if case .fedNova = terms.strategy { Self.stepScale / normalizingWeight } else { 1 }
    }

    /// A real number as 64-bit fixed point, held to ±10⁹, so that a sum over 8,000 sites does not wrap; NaN is 0.
    package static func fixed(_ value: Double) -> Int64 {
        value.isNaN ? 0 : Int64((min(max(value, -1e9), 1e9) * unitsPerOne).rounded())
    }

    /// What the sums say, apart from the update itself.
    package struct Summary: Hashable, Sendable {
        package var weight: Int
        package var loss: Double
        package var examples: Int
        /// The share of parameters that were clamped, in 0...1.
        package var clipRate: Double
        /// The factor that turns a summed ring element into the averaged update.
        package var updateFactor: Double
        /// The factor that turns a summed element of `controls` into the mean over the surviving sites.
        package var controlFactor: Double
    }

    /// Reads the section `totals` of a sum over `survivors` sites.
    ///
    /// Errors: ``SumError/weightless``; ``SumError/implausible`` for totals that no sites following the rules can give.
    package func summary(totals: [Int64], survivors: Int) throws(SumError) -> Summary {
        guard totals.count == Total.allCases.count, survivors > 0 else { throw .implausible }
        func total(_ element: Total) -> Int64 { totals[element.rawValue] }
        let weight = total(.weight)
        guard weight > 0 else { throw .weightless }
        // Every site has a weight of at least 1.
        let weights = Int64(survivors)...Int64(survivors) * Int64(terms.numbers.maximumWeight)
        guard weights.contains(weight), total(.examples) >= 0, total(.weightedSteps) >= 0, total(.clipped) >= 0,
            total(.clipped) <= Int64(parameterCount) * Int64(survivors)
        else { throw .implausible }
        var factor = 1 / (fixedPoint.scale * Double(weight))
        if case .fedNova = terms.strategy {
            // τ_eff = Σ(q‖a‖₁) ÷ Σq;  w ← w + τ_eff Σ(q Δ/‖a‖₁) ÷ Σq
            factor *= Double(total(.weightedSteps)) / Self.unitsPerOne / Double(weight) / Self.stepScale
        }
        return Summary(
            weight: Int(weight), loss: Double(total(.weightedLoss)) / Self.unitsPerOne / Double(weight),
            examples: Int(total(.examples)),
            clipRate: Double(total(.clipped)) / Double(max(1, parameterCount) * survivors),
            updateFactor: factor, controlFactor: 1 / (fixedPoint.scale * Double(survivors)))
    }
}

extension NumberTerms {
    /// The most sites whose weighted sum a ring of 32 bits holds: the largest n with n·w·(2ᵛ⁻¹ − 1) ≤ 2³¹ − 1.
    ///
    /// Legend: w = ``maximumWeight``, v = ``valueBits``.
    package var siteCapacity: Int { Int(Int32.max) / (maximumWeight * ((1 << (valueBits - 1)) - 1)) }
}
