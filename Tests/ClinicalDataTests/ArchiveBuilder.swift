// SPDX-License-Identifier: Apache-2.0
// Makes NPY files and ZIP archives of them, right or wrong, for the tests of their reader.

import CZlib

/// One NPY file. The header's text is padded as NumPy pads it.
func npy(
    _ type: String, _ shape: String, _ data: [UInt8], version: UInt8 = 1, fortran: String = "False",
    text: String? = nil
) -> [UInt8] {
    var header = Array((text ?? "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }").utf8)
    let start = version == 1 ? 10 : 12
    header += Array(repeating: 0x20, count: (64 - (start + header.count + 1) % 64) % 64) + [0x0A]
    let length = version == 1 ? little(header.count, bytes: 2) : little(header.count, bytes: 4)
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + data
}

/// A number of so many bytes, the lowest first.
func little(_ number: Int, bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

/// `bytes` deflated without any wrapping.
func deflated(_ bytes: [UInt8]) -> [UInt8] {
    // gzip's header of 10 bytes, the deflated bytes, checksum and length.
    Array(gzip(bytes).dropFirst(10).dropLast(8))
}

/// A ZIP file whose fields can be changed before it is written.
struct ArchiveBuilder {
    struct Member {
        var name: String
        var packed: [UInt8]
        var method = 8
        var flags = 0
        var checksum: Int
        var packedCount: Int
        var unpackedCount: Int
        /// The name in the local header, when it is another one.
        var localName: String?
        /// Where the directory says that the member begins, when not where it does.
        var offset: Int?
        /// Bytes between this member and the next.
        var gap: [UInt8] = []

        init(_ name: String, _ bytes: [UInt8], isStored: Bool = false) {
            self.name = name
            packed = isStored ? bytes : deflated(bytes)
            method = isStored ? 0 : 8
            checksum = Int(bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) })
            packedCount = packed.count
            unpackedCount = bytes.count
        }
    }

    var members: [Member] = []
    /// The number of members that the end record claims.
    var claimedCount: Int?
    var claimedOffset: Int?
    var claimedLength: Int?
    var comment: [UInt8] = []
    var disk = 0

    init(_ members: Member...) { self.members = members }

    var bytes: [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let (start, name) = (file.count, Array(member.name.utf8))
            let localName = Array((member.localName ?? member.name).utf8)
            let common = little(member.flags, bytes: 2) + little(member.method, bytes: 2) + little(0, bytes: 4)
            let sizes =
                little(member.checksum, bytes: 4) + little(member.packedCount, bytes: 4)
                + little(member.unpackedCount, bytes: 4)
            file += little(0x0403_4B50, bytes: 4) + little(20, bytes: 2) + common + sizes
            file += little(localName.count, bytes: 2) + little(0, bytes: 2) + localName + member.packed + member.gap
            directory += little(0x0201_4B50, bytes: 4) + little(20, bytes: 2) + little(20, bytes: 2) + common + sizes
            directory += little(name.count, bytes: 2) + Array(repeating: 0, count: 12)
            directory += little(member.offset ?? start, bytes: 4) + name
        }
        let count = claimedCount ?? members.count
        let end =
            little(0x0605_4B50, bytes: 4) + little(disk, bytes: 2) + little(disk, bytes: 2) + little(count, bytes: 2)
            + little(count, bytes: 2) + little(claimedLength ?? directory.count, bytes: 4)
            + little(claimedOffset ?? file.count, bytes: 4) + little(comment.count, bytes: 2)
        return file + directory + end + comment
    }
}
