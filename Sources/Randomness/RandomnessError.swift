// SPDX-License-Identifier: Apache-2.0
// What can go wrong when random numbers are drawn.

/// The failures of the module Randomness.
package enum RandomnessError: Error, Equatable, Sendable {
    /// libcrypto refused AES-256-CTR: no memory, or a provider configuration without the cipher.
    case cipherUnavailable
}
