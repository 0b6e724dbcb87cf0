// SPDX-License-Identifier: Apache-2.0
// What the server does with the averaged update: the optimisers of federated learning, one block of floats at a time.

/// The server's optimiser for one strategy.
///
/// It works on any slice of the parameters, so that a model larger than memory passes through in blocks; the moments
/// are slices of the same extent, kept by the caller.
package struct ServerOptimizer: Sendable {
    package let strategy: Strategy

    package init(_ strategy: Strategy) { self.strategy = strategy }

    /// How many moment arrays, each as long as the parameters, must be carried from round to round.
    package var momentCount: Int {
        switch strategy {
        case .fedAvg, .fedProx, .scaffold, .fedNova: 0
        case .fedAvgM, .fedAdagrad: 1
        case .fedAdam, .fedYogi: 2
        }
    }

    /// Moves `parameters` by one server step, in place.
    ///
    /// Shapes: all arrays have the same count; `moments.count == momentCount`.
    /// Source: Reddi et al. 2021, Algorithm 2; moments start at zero, for FedAdagrad too. FedAdam scales its rate by
    /// `√(1 − β₂^(t+1)) / (1 − β₁^(t+1))` with t = `round`, as the widest used implementation does; FedYogi does not.
    /// - Parameters:
    ///   - round: the training round, counted from 1.
    ///   - update: the averaged model update (after − before), the Δ of the paper.
    ///   - moments: first and second moment, or whatever the strategy keeps.
    package func step(round: Int, parameters: inout [Float], update: [Float], moments: inout [[Float]]) {
        precondition(parameters.count == update.count, "one update for each parameter")
        precondition(moments.count == momentCount && moments.allSatisfy { $0.count == parameters.count })
        switch strategy {
        case .fedAvg, .fedProx, .fedNova:
            for index in parameters.indices { parameters[index] += update[index] }
        case .scaffold(let learningRate):
            let rate = Float(learningRate)
            for index in parameters.indices { parameters[index] += rate * update[index] }
        case .fedAvgM(let learningRate, let momentum):
            // v ← βv + Δ;  w ← w + ηv
            let rate = Float(learningRate)
            let beta = Float(momentum)
            for index in parameters.indices {
                moments[0][index] = beta * moments[0][index] + update[index]
                parameters[index] += rate * moments[0][index]
            }
        case .fedAdagrad(let learningRate, let tau):
            // v ← v + Δ²;  w ← w + ηΔ / (√v + τ)
            let rate = Float(learningRate)
            let floor = Float(tau)
            for index in parameters.indices {
                let delta = update[index]
                moments[0][index] += delta * delta
                parameters[index] += rate * delta / (moments[0][index].squareRoot() + floor)
            }
        case .fedAdam(let terms):
            // v ← β₂v + (1 − β₂)Δ²
            let correction =
                (1 - power(terms.beta2, round + 1)).squareRoot() / (1 - power(terms.beta1, round + 1))
            let rate = terms.learningRate * correction
            adaptiveStep(terms, rate: rate, parameters: &parameters, update: update, moments: &moments) {
                second, squared, beta in
                beta * second + (1 - beta) * squared
            }
        case .fedYogi(let terms):
            // v ← v − (1 − β₂)Δ² sign(v − Δ²)
            adaptiveStep(terms, rate: terms.learningRate, parameters: &parameters, update: update, moments: &moments) {
                second, squared, beta in
                let difference = second - squared
                let sign: Float = difference > 0 ? 1 : (difference < 0 ? -1 : 0)
                return second - (1 - beta) * squared * sign
            }
        }
    }

    /// m ← β₁m + (1 − β₁)Δ;  v ← `secondMoment`(v, Δ², β₂);  w ← w + ηm / (√v + τ)
    private func adaptiveStep(
        _ terms: Strategy.AdaptiveTerms, rate: Double, parameters: inout [Float], update: [Float],
        moments: inout [[Float]],
        secondMoment: (_ second: Float, _ squared: Float, _ beta: Float) -> Float
    ) {
        let rate = Float(rate)
        let beta1 = Float(terms.beta1)
        let beta2 = Float(terms.beta2)
        let floor = Float(terms.tau)
        for index in parameters.indices {
            let delta = update[index]
            let first = beta1 * moments[0][index] + (1 - beta1) * delta
            let second = secondMoment(moments[1][index], delta * delta, beta2)
            moments[0][index] = first
            moments[1][index] = second
            parameters[index] += rate * first / (second.squareRoot() + floor)
        }
    }

    private func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= base }
        return result
    }
}
