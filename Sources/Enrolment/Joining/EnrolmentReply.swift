// SPDX-License-Identifier: Apache-2.0
// What the enrolment port answers.

import Federation

/// An answer to a request to join or to come back.
///
/// Bytes: `fl/enrol/v1 reply` LF || u8 state (1 waiting, 2 issued, 3 refused); then for 1 LP(descriptor); for 2
/// LP(descriptor) || LP(leaf, DER) || LP(issuing certificate, DER); for 3 u8 code.
package enum EnrolmentReply: Hashable, Sendable {
    /// A person has yet to approve.
    case waiting(FederationDescriptor)
    case issued(FederationDescriptor, leaf: [UInt8], issuer: [UInt8])
    case refused(EnrolmentError)

    private static let label = "fl/enrol/v1 reply\n"

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        switch self {
        case .waiting(let descriptor):
            writer.byte(1)
            writer.prefixed(descriptor.bytes)
        case .issued(let descriptor, let leaf, let issuer):
            writer.byte(2)
            writer.prefixed(descriptor.bytes)
            writer.prefixed(leaf)
            writer.prefixed(issuer)
        case .refused(let error):
            writer.byte(3)
            writer.byte(error.code)
        }
        return writer.bytes
    }

    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        switch try reader.byte() {
        case 1: self = .waiting(try FederationDescriptor(bytes: try reader.prefixed()))
        case 2:
            self = .issued(
                try FederationDescriptor(bytes: try reader.prefixed()), leaf: try reader.prefixed(),
                issuer: try reader.prefixed())
        case 3:
            guard let error = EnrolmentError(code: try reader.byte()) else { throw .malformed }
            self = .refused(error)
        default: throw .malformed
        }
        try reader.end()
    }
}
