// SPDX-License-Identifier: Apache-2.0
// Reads NumPy's archives of arrays (NPZ): how image sets such as MedMNIST are published.

import CZlib

/// The arrays in an NPZ file.
///
/// An NPZ file is a ZIP file whose members, stored or deflated, are NPY files; member `x.npy` is the array `x`. Members
/// of other names are passed over. Nothing in the file is run, and pickled objects are refused.
/// Complexity: memory is that of the directory, and of one array while it is read.
/// Source: NumPy 2.4 reference, `numpy.lib.format` and `numpy.savez`.
package struct NumpyArchive {
    /// How much a file may claim; more is refused before memory is taken for it.
    package struct Limits: Hashable, Sendable {
        /// Members of the archive.
        package var members: Int
        /// The unpacked bytes of one array with its header.
        package var arrayBytes: Int

        package init(members: Int = 1_024, arrayBytes: Int = 1 << 30) {
            self.members = members
            self.arrayBytes = arrayBytes
        }
    }

    private static let suffix = ".npy"

    private let file: PlacedBytes
    private let limits: Limits
    private let members: [(name: String, member: ZipMember)]

    /// Reads the archive's directory.
    ///
    /// - Throws: ``DataError`` `.unreadableFile`, `.damagedArchive`, `.unsupportedArchive` or `.archiveTooLarge`.
    package init(_ input: TableInput, limits: Limits = Limits()) throws(DataError) {
        file = try PlacedBytes(input)
        self.limits = limits
        members = try ZipDirectory(file, memberLimit: limits.members).members
            .filter { $0.name.hasSuffix(Self.suffix) }
            .map { (String($0.name.dropLast(Self.suffix.count)), $0) }
    }

    /// The arrays in the order of the file.
    package var names: [String] { members.map(\.name) }

    /// Reads the array called `name`, whose checksum must be right.
    ///
    /// - Throws: ``DataError`` as ``init(_:limits:)``, and `.missingArray`.
    package func array(_ name: String) throws(DataError) -> NumpyArray {
        guard let member = members.first(where: { $0.name == name })?.member else {
            throw DataError(
                .missingArray, "the archive \(file.name) has no array `\(name)`",
                hint: "arrays in it: \(names.prefix(20).joined(separator: ", "))")
        }
        guard member.byteCount <= limits.arrayBytes else {
            throw file.tooLarge("\(member.name) claims \(member.byteCount) bytes, \(limits.arrayBytes) are allowed")
        }
        let bytes = try unpack(member)
        do throws(NumpyHeader.Problem) {
            let header = try NumpyHeader(bytes)
            return NumpyArray(type: header.type, shape: header.shape, bytes: bytes, dataStart: header.dataStart)
        } catch {
            switch error {
            case .damaged(let reason): throw file.damaged("\(member.name): \(reason)")
            case .unsupported(let reason, let hint): throw file.unsupported("\(member.name) \(reason)", hint: hint)
            }
        }
    }

    /// The bytes of a member: as many as its directory says, no more and no fewer.
    private func unpack(_ member: ZipMember) throws(DataError) -> [UInt8] {
        let packed = PlacedSource(file, member.place)
        let source: any ByteSource =
            member.isDeflated
            ? try InflatingSource(packed, form: .bare(subject: "\(member.name) in the archive \(file.name)")) : packed
        let bytes = try [UInt8].filled(member.byteCount) { buffer throws(DataError) in
            guard try source.fill(buffer) == buffer.count else {
                throw file.damaged("\(member.name) is shorter than its directory says")
            }
        }
        guard try source.prefix(1).isEmpty else {
            throw file.damaged("\(member.name) is longer than its directory says")
        }
        let checksum = bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) }
        guard checksum == UInt(member.checksum) else { throw file.damaged("the checksum of \(member.name) is wrong") }
        return bytes
    }
}
