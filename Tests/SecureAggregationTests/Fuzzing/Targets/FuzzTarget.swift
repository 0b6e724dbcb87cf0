// SPDX-License-Identifier: Apache-2.0
// What the fuzzers run, and what must hold for whatever bytes they come up with.

/// A family of parsers. Broken promises stop the program: libFuzzer keeps the input, and a test replays it for good.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// O2 to O12.
    case objects
    /// What stands sealed in an envelope, and envelopes that nobody sealed.
    case envelope
    /// Packed vectors, cut anywhere.
    case vector
    /// O1, with the reveals of a large one.
    case roster

    package func run(_ bytes: [UInt8]) {
        switch self {
        case .objects: Self.runObjects(bytes)
        case .envelope: Self.runEnvelope(bytes)
        case .vector: Self.runVector(bytes)
        case .roster: Self.runRoster(bytes)
        }
    }
}
