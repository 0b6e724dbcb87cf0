// SPDX-License-Identifier: Apache-2.0
// Why a received message was refused, without any byte of it.

import Federation

/// A message that cannot be accepted. The connection that carried it is closed.
package enum WireError: Error, Equatable, Sendable {
    /// The bytes are not a message of this protocol.
    case malformed
    /// The message has no body, or one of a newer version.
    case unknownBody
    /// The named field is missing, of the wrong length or not a known word.
    case invalidField(String)
}

/// What one message may cost.
package enum WireLimits {
    /// The protocol versions this program speaks, best first.
    package static let versions: [UInt32] = [1]
    /// The largest study that may be offered, in bytes of its canonical form.
    package static let studyBytes = 512 * 1_024
    /// The largest blob or upload, in bytes.
    package static let blobBytes = BlobReference.largestByteCount
    /// Control messages a peer may send in one second, beside one for every chunk.
    package static let controlMessagesPerSecond = 500
    /// The largest request or reply of a renewal, in bytes.
    package static let renewalBytes = 32 * 1_024
    /// The largest roster with its deny list, in bytes.
    package static let rosterBytes = 32 << 20
    /// The largest piece of it in one message, in bytes: with its frame it fits into one TLS record.
    package static let rosterPartBytes = 12 << 10
    /// The longest text field, in bytes.
    package static let textBytes = 200
}
