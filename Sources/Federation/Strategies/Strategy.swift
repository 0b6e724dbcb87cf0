// SPDX-License-Identifier: Apache-2.0
// The federated algorithms a study may name; all of them need nothing but sums over the sites.

/// How local results become the next global model.
///
/// Sources: FedAvg, McMahan et al. 2017, Algorithm 1. FedProx, Li et al. 2020, Algorithm 2. FedAvgM, Hsu et al. 2019,
/// §4.3. FedAdagrad, FedAdam and FedYogi, Reddi et al. 2021, Algorithm 2. SCAFFOLD, Karimireddy et al. 2020,
/// Algorithm 1. FedNova, Wang et al. 2020, equation 7.
package enum Strategy: Hashable, Sendable {
    case fedAvg
    /// FedAvg with the term `mu / 2 * |w - w_global|²` in every local loss.
    case fedProx(mu: Double)
    /// A step of size `learningRate` along the momentum of averaged updates.
    case fedAvgM(learningRate: Double, momentum: Double)
    case fedAdam(AdaptiveTerms)
    case fedYogi(AdaptiveTerms)
    case fedAdagrad(learningRate: Double, tau: Double)
    /// Control variates of option II: the site's control follows its own average gradient.
    case scaffold(learningRate: Double)
    /// Averages updates per effective local step, so that sites with more rows do not pull harder.
    case fedNova

    /// The parameters of FedAdam and FedYogi.
    package struct AdaptiveTerms: Hashable, Sendable {
        package var learningRate: Double
        package var beta1: Double
        package var beta2: Double
        /// Added to the root of the second moment: the degree of adaptivity.
        package var tau: Double

        package init(learningRate: Double, beta1: Double, beta2: Double, tau: Double) {
            self.learningRate = learningRate
            self.beta1 = beta1
            self.beta2 = beta2
            self.tau = tau
        }
    }

    /// The weight of the proximal term in local training; 0 for all but FedProx.
    package var proximalWeight: Double {
        if case .fedProx(let mu) = self { mu } else { 0 }
    }

    package var usesControls: Bool {
        if case .scaffold = self { true } else { false }
    }
}
