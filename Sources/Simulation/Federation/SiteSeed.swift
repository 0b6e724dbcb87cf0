// SPDX-License-Identifier: Apache-2.0
// The seed of each party of a repeatable run.

package import Federation
import Randomness

/// One seed for the whole run, one for each site.
package enum SiteSeed {
    /// The same everywhere; different sites get unrelated seeds.
    package static func value(_ seed: UInt64, of site: SiteID) -> UInt64 {
        var generator = SeededGenerator(seed: seed, stream: "site/\(site)")
        return generator.next()
    }
}
