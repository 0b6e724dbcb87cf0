// SPDX-License-Identifier: Apache-2.0
// Where a site's tables come from: files in production, values in simulations and measurements.

package import ClinicalData
package import Federation

/// Gives the encoded table of a registered data set under a study's contract.
package protocol DatasetProviding: Sendable {
    /// - Throws: ``DatasetError``; the underlying report is for the site's own log.
    func table(named name: String, for contract: DataContract) throws -> EncodedTable

    /// A cheap value that changes when the source may have changed; nil when the source cannot change.
    func fingerprint(of name: String) -> SourceFingerprint?

    /// Whether the source is registered and there, without reading it; nil when no such data set is registered.
    func isPresent(_ name: String) -> Bool?
}

extension DatasetProviding {
    /// Tables in memory are always there.
    package func isPresent(_ name: String) -> Bool? { true }
}

/// File times and sizes: equal fingerprints mean an unchanged source.
package struct SourceFingerprint: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64
    package var byteCount: Int64
    package var modifiedNanoseconds: Int64

    package init(device: UInt64, inode: UInt64, byteCount: Int64, modifiedNanoseconds: Int64) {
        self.device = device
        self.inode = inode
        self.byteCount = byteCount
        self.modifiedNanoseconds = modifiedNanoseconds
    }
}

/// Why a data set cannot be used for a study.
package struct DatasetError: Error, Sendable {
    package var reason: DeclineReason
    /// For the site's own log and screen.
    package var message: String

    package init(_ reason: DeclineReason, message: String) {
        self.reason = reason
        self.message = message
    }
}
