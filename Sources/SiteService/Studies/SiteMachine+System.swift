// SPDX-License-Identifier: Apache-2.0
// What this machine gives to a site's training, and what of it is free.

import Execution
package import Federation
import Foundation
package import StudyFiles

extension SiteMachine {
    /// This machine with all its processors, or with `threads` of them.
    package static func system(threads: Int? = nil) -> SiteMachine {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        return SiteMachine(
            threads: min(threads ?? processors, processors),
            memoryBytes: MachineMemory.system.totalBytes ?? memoryWhereNobodySays)
    }

    /// What is expected of a machine whose kernel does not say.
    private static let memoryWhereNobodySays = 1 << 30
}

extension SiteConfiguration {
    /// What this machine gives to the site's training.
    package var machine: SiteMachine { .system(threads: threads) }
}
