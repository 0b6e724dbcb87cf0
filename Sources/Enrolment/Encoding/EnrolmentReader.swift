// SPDX-License-Identifier: Apache-2.0
// Reads the byte layouts of protocol/enrolment.md.

import Federation

/// A reader whose every complaint is ``EnrolmentError/malformed``.
typealias EnrolmentReader = ByteReader<EnrolmentError>

extension EnrolmentReader {
    init(_ bytes: [UInt8], label: String) throws(EnrolmentError) {
        try self.init(bytes, label: label, malformed: .malformed)
    }

    init(unlabelled bytes: [UInt8]) { self.init(unlabelled: bytes, malformed: .malformed) }

    /// A prefixed string that is a party's or a federation's name.
    mutating func name() throws(EnrolmentError) -> String {
        let text = String(decoding: try prefixed(), as: UTF8.self)
        guard PartyName.isName(text) else { throw .malformed }
        return text
    }
}
