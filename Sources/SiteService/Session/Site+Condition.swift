// SPDX-License-Identifier: Apache-2.0
// Whether this site is able to compute at all: what the aggregator's operator needs to know, in words without detail.

import Federation
import Store

extension Site {
    /// What keeps this site from taking part in anything, looked at now: a small file and the state of the disk.
    var obstacles: [SiteObstacle] {
        var obstacles: [SiteObstacle] = []
        if let policy = try? settings.policy() {
            if let asker, !policy.federations.contains(asker) { obstacles.append(.policyRefuses) }
            // nil is a data set that is not registered.
            let present = policy.datasets.compactMap { datasets.isPresent($0.name) }
            if present.isEmpty { obstacles.append(.noDataset) }
            if present.contains(false) { obstacles.append(.dataMissing) }
        } else {
            obstacles.append(.noPolicy)
        }
        if !vault.isWritable { obstacles.append(.diskFull) }
        return obstacles
    }
}
