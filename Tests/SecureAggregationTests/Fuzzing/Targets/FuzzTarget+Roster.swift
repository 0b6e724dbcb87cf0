// SPDX-License-Identifier: Apache-2.0
// Rosters as an aggregator sends them.

import Federation
import SecureAggregation

extension FuzzTarget {
    static func runRoster(_ bytes: [UInt8]) {
        guard let roster = try? SecureRoster(bytes: bytes) else { return }
        precondition(roster.bytes == bytes, "a roster has one spelling")
        _ = try? roster.check()
        precondition(roster.unexplainedSites(after: roster).isEmpty, "nobody's keys changed")
        for entry in roster.entries {
            precondition(roster.entry(at: roster.position(of: entry.site) ?? 0) == entry, "names are distinct")
        }
        if roster.isSparse {
            let reveals = [UInt8](repeating: 0, count: 32 * roster.count)
            if let read = try? RosterReveals(bytes: reveals, of: roster) { _ = read.rosterHash(of: roster) }
        }
    }
}
