// SPDX-License-Identifier: Apache-2.0
// Whether state survives a power cut.

/// What a completed write promises.
package enum Durability: Hashable, Sendable {
    /// Whatever was reported as stored is on the device: every commit and every finished file is synced.
    case powerLossSafe
    /// Nothing is synced. Survives the end of the process, not of the machine.
    case lostOnPowerCutForSimulationOnly
}
