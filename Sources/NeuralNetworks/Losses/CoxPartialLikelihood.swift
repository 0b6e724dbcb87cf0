// SPDX-License-Identifier: Apache-2.0
// The loss of proportional hazards: who had the event, among those who could have had it then.

import Glibc
package import Tensors

/// The negative log partial likelihood of Cox's model, a mean over the events of the batch.
///
/// Shapes: output `[1]`, the log risk z; targets `[2]`: time, and whether the event came then (1) or the observation
/// ended (0). At each event time, R = Σ e^z over those observed until then or longer, D = Σ e^z over the d who have the
/// event then.
/// Source: Cox 1972; ties by Breslow 1974, Σ z − d·log R, or Efron 1977, Σ z − Σ over l < d of log(R − l/d·D).
/// A batch without events has loss 0 and gradient 0. Each example's loss depends on the others of the batch.
package struct CoxPartialLikelihood: Loss {
    package static let kind = "coxPartialLikelihood"

    /// How events at the same time share a risk set.
    package enum Ties: String, Hashable, Sendable {
        case breslow
        case efron
    }
    package var ties: Ties

    package init(ties: Ties = .efron) { self.ties = ties }

    package var mixesExamples: Bool { true }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard output.count == 1 else { throw ShapeError("Cox's model has one output, the log risk, not \(output)") }
        return 2
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        (0..<targets.count / 2).first { example in
            let event = targets[2 * example + 1]
            return !targets[2 * example].isFinite || !(event == 0 || event == 1)
        }
    }

    /// The events.
    package func weight(targets: Floats, output: Shape) -> Double {
        var events = 0.0
        for example in 0..<targets.count / 2 { events += Double(targets[2 * example + 1]) }
        return events
    }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        precondition(targets.count == 2 * z.count && dz.count == z.count, "cox: shapes disagree")
        dz.fill(with: 0)
        guard weight(targets: targets, output: output) > 0 else { return 0 }
        let order = (0..<z.count).sorted { (targets[2 * $0], $0) < (targets[2 * $1], $1) }
        let groups = riskSets(z, targets, order)
        var sum = 0.0
        // g = Σ over event times so far of ∂ log-terms/∂R, times the R of the present group.
        var (g, logRisk) = (0.0, groups[groups.count - 1].logRisk)
        for group in groups.reversed() {
            // Earliest time first: the risk set only shrinks, so every exponent here is at most 0.
            g *= exp(group.logRisk - logRisk)
            logRisk = group.logRisk
            let terms = tieTerms(group)
            sum += terms.loss
            g += terms.slope
            for place in group.members {
                let example = order[place]
                let share = exp(Double(z[example]) - logRisk)
                let isEvent = targets[2 * example + 1] > 0
                if isEvent { sum -= Double(z[example]) }
                let slope = share * (isEvent ? g - terms.eventRelief : g) - (isEvent ? 1 : 0)
                dz[example] = scale * Float(slope)
            }
        }
        return sum
    }

    /// Those with one time.
    private struct RiskSet {
        /// Places in the order of times.
        var members: Range<Int>
        var events: Int
        /// log R.
        var logRisk: Double
        /// D/R.
        var eventShare: Double
    }

    /// The groups of equal times, the latest first.
    private func riskSets(_ z: Floats, _ targets: Floats, _ order: [Int]) -> [RiskSet] {
        var groups: [RiskSet] = []
        // R = risk·e^shift, the shift being the largest z so far.
        var (risk, shift) = (0.0, -Double.infinity)
        var end = order.count
        while end > 0 {
            let time = targets[2 * order[end - 1]]
            var start = end
            while start > 0, targets[2 * order[start - 1]] == time { start -= 1 }
            let largest = order[start..<end].reduce(shift) { max($0, Double(z[$1])) }
            if largest > shift { (risk, shift) = (risk * exp(shift - largest), largest) }
            var (events, eventRisk) = (0, 0.0)
            for example in order[start..<end] {
                let own = exp(Double(z[example]) - shift)
                risk += own
                guard targets[2 * example + 1] > 0 else { continue }
                events += 1
                eventRisk += own
            }
            groups.append(
                RiskSet(
                    members: start..<end, events: events, logRisk: shift + log(risk), eventShare: eventRisk / risk))
            end = start
        }
        return groups
    }

    /// The log terms of one event time, their slope R·∂/∂R, and what of it does not concern those with the event.
    private func tieTerms(_ group: RiskSet) -> (loss: Double, slope: Double, eventRelief: Double) {
        let count = Double(group.events)
        guard ties == .efron, group.events > 1 else { return (count * group.logRisk, count, 0) }
        var (loss, slope, relief) = (0.0, 0.0, 0.0)
        for number in 0..<group.events {
            let share = Double(number) / count
            // log(R − l/d·D) = log R + log(1 − l/d·D/R)
            let rest = 1 - share * group.eventShare
            loss += group.logRisk + log(rest)
            slope += 1 / rest
            relief += share / rest
        }
        return (loss, slope, relief)
    }

    /// The risks e^z, as ratios to the risk at z = 0.
    package func predict(_ z: Floats, output: Shape) { applyExponential(z) }
}
