// SPDX-License-Identifier: Apache-2.0
// The version that programs print and tell their peers.

/// The version of all programs of this package.
package let programVersion = "0.1.0"
