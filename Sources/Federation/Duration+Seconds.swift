// SPDX-License-Identifier: Apache-2.0
// Durations as plain numbers, for records and screens.

extension Duration {
    /// The duration as a number of seconds.
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
