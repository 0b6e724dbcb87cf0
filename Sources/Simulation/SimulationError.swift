// SPDX-License-Identifier: Apache-2.0
// Why a federation on one machine did not come about.

/// An error of a simulated or demonstrated federation.
package struct SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, CaseIterable, Hashable, Sendable {
        /// Every site has decided, and fewer than the study's minimum accepted.
        case tooFewSites
        /// The aggregator refused the study.
        case refused
        /// The aggregator or a site ended before the study did.
        case partyEnded
    }

    package var code: Code
    package var message: String
    package var hint: String

    package init(_ code: Code, _ message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String { "\(message) (\(hint))" }
}
