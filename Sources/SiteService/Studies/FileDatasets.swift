// SPDX-License-Identifier: Apache-2.0
// A site's registered tables as files on its disk.

package import ClinicalData
package import Federation
import Glibc

/// Tables read through their mappings each time a study asks for one.
package struct FileDatasets: DatasetProviding {
    private let mappings: [String: TableMapping]

    package init(_ mappings: [String: TableMapping]) { self.mappings = mappings }

    package func table(named name: String, for contract: DataContract) throws -> EncodedTable {
        guard let mapping = mappings[name] else {
            throw DatasetError(.noDataset, message: "no data set `\(name)` is registered at this site")
        }
        do {
            return try TableLoader(contract: contract, mapping: mapping).load().table
        } catch {
            throw DatasetError(.dataRefused, message: "\(error)")
        }
    }

    package func isPresent(_ name: String) -> Bool? {
        mappings[name].map { access($0.path, R_OK) == 0 }
    }

    package func fingerprint(of name: String) -> SourceFingerprint? {
        guard let mapping = mappings[name] else { return nil }
        var status = stat()
        guard stat(mapping.path, &status) == 0 else {
            return SourceFingerprint(device: 0, inode: 0, byteCount: -1, modifiedNanoseconds: 0)
        }
        return SourceFingerprint(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), byteCount: Int64(status.st_size),
            modifiedNanoseconds: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    }
}
