// SPDX-License-Identifier: Apache-2.0
// Why a sum cannot be planned or was refused.

package import RingArithmetic

/// Why a sum was refused.
package enum SumError: Error, Equatable, Sendable {
    /// The numbers cannot come from any data.
    case implausible
    /// More sites than the ring of the task can sum without wrapping.
    case tooManySites(limit: Int)
    /// The study asks for a vector that the ring arithmetic does not allow.
    case layout(RingError)
    /// The sum has no weight: no site counted any row.
    case weightless
}

/// A layout, with the ring's own error wrapped.
func ringLayout(_ sections: [RingSection]) throws(SumError) -> RingLayout {
    do { return try RingLayout(sections) } catch { throw .layout(error) }
}
