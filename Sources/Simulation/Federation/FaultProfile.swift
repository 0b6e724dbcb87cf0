// SPDX-License-Identifier: Apache-2.0
// How bad the simulated network is.

import PeerTransport

/// The kinds of network a simulation offers.
package enum FaultProfile: String, CaseIterable, Hashable, Sendable {
    /// Nothing goes wrong.
    case none
    /// A connection is cut now and then; a site is away for a moment.
    case light
    /// Every site is cut off again and again, in the middle of its messages, and each message is late.
    case heavy

    /// What happens on the network; nil when nothing does.
    func plan(seed: UInt64) -> FaultPlan? {
        var plan = FaultPlan(seed: seed)
        switch self {
        case .none: return nil
        case .light:
            plan.cutProbability = 0.005
            plan.outage = .milliseconds(10)
        case .heavy:
            plan.cutProbability = 0.05
            plan.outage = .milliseconds(30)
            plan.delay = .zero ... .milliseconds(2)
        }
        return plan
    }
}
