// SPDX-License-Identifier: Apache-2.0
// O6: which dealers a site accepts.

package import Federation

/// A site's word on the deals it received (O6). A later one by the same site may accept more.
///
/// Bytes: `fl/secagg/v1 ack` LF || context || u32 site || bitmap of the dealers accepted || u16 count || count ×
/// (u32 dealer, u8 code, SHA-256 of the header), ascending by dealer || signature. A site is not among its own dealers.
package struct DealAcknowledgement: SignedObject {
    private static let label = "fl/secagg/v1 ack\n"

    /// A dealer that is not accepted, and why.
    package struct Complaint: Hashable, Sendable {
        /// What is wrong with a deal, in the order in which it is looked for.
        package enum Code: UInt8, CaseIterable, Hashable, Sendable {
            /// The header is not signed by the dealer's statement key of the roster.
            case signature = 1
            /// The header is of another context: another roster, model or task.
            case context
            /// Its lists are not as long as the graph asks, or the envelope is not.
            case counts
            /// The envelope is not the one the header names.
            case envelopeHash
            /// The envelope does not open.
            case unopened
            /// A share has an element that is not below 2⁶¹ − 1.
            case share
            /// The shares are not those of the header's root.
            case shareRoot
            /// The pair's seed is not the one committed to.
            case commitment
        }

        package var dealer: Position
        package var code: Code
        /// SHA-256 of the header that the complaint is about, with its signature.
        package var header: Digest

        package init(dealer: Position, code: Code, header: Digest) {
            self.dealer = dealer
            self.code = code
            self.header = header
        }
    }

    package var context: Digest
    package var site: Position
    package var accepted: PositionSet
    /// Ascending by dealer.
    package var complaints: [Complaint]
    package var signature: [UInt8]

    package init(
        context: Digest, site: Position, accepted: PositionSet, complaints: [Complaint], signedBy key: StatementKey
    ) throws(SecureSumError) {
        self.context = context
        self.site = site
        self.accepted = accepted
        self.complaints = complaints
        signature = []
        self = try signed(by: key)
    }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.position(site)
        writer.raw(accepted.bitmap)
        writer.integer(UInt16(complaints.count))
        for complaint in complaints {
            writer.position(complaint.dealer)
            writer.byte(complaint.code.rawValue)
            writer.digest(complaint.header)
        }
        return writer.bytes
    }

    /// - Throws: `.malformed`; also where a dealer is both accepted and complained of.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        let site = try reader.position(in: rosterCount)
        let accepted = try reader.positionSet(rosterCount: rosterCount)
        guard !accepted.contains(site) else { throw .malformed }
        let count = Int(try reader.integer(UInt16.self))
        guard count < rosterCount else { throw .malformed }
        var last = 0
        complaints = try reader.readEach(0..<count) { (reader, _) throws(SecureSumError) in
            let dealer = try reader.position(in: rosterCount)
            guard dealer > last, dealer != site, !accepted.contains(dealer),
                let code = Complaint.Code(rawValue: try reader.byte())
            else { throw .malformed }
            last = dealer
            return Complaint(dealer: dealer, code: code, header: try reader.digest())
        }
        self.site = site
        self.accepted = accepted
        signature = try reader.signature()
        try reader.end()
    }
}
