// SPDX-License-Identifier: Apache-2.0
// Where the members of a ZIP file lie; every claim of the file is checked against the others before it is used.

/// One member of a ZIP file.
struct ZipMember {
    let name: String
    let isDeflated: Bool
    /// CRC-32 of the unpacked bytes.
    let checksum: UInt32
    /// Where the packed bytes lie in the file.
    let place: Range<Int>
    /// The length of the unpacked bytes; for a member that is only stored, that of its place.
    let byteCount: Int
}

/// The members of a ZIP file.
///
/// Sizes and checksums are those of the central directory, at the file's end; a local header in front of a member must
/// agree on its name and method, and members may not overlap. Encrypted members, archives of several parts and ZIP64
/// (more than 4 GiB or 65,534 members) are refused.
/// Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).
struct ZipDirectory {
    /// The longest central directory that is read.
    static let byteLimit = 16 << 20
    /// A deflated byte unpacks to 1,032 at most: 258 for each two bits (RFC 1951, section 3.2.5).
    static let largestRatio = 1_032
    private static let endByteCount = 22
    private static let entryByteCount = 46
    private static let headerByteCount = 30
    private static let largest16 = 0xFFFF
    private static let largest32 = 0xFFFF_FFFF

    /// In the order of the directory.
    let members: [ZipMember]

    init(_ file: PlacedBytes, memberLimit: Int) throws(DataError) {
        let (place, count) = try Self.findDirectory(file, memberLimit: memberLimit)
        let bytes = try file.bytes(place)
        var members: [ZipMember] = []
        var names: Set<String> = []
        var taken: [Range<Int>] = []
        var offset = 0
        for index in 0..<count {
            let number = index + 1
            guard bytes.count - offset >= Self.entryByteCount, bytes.number32(at: offset) == 0x0201_4B50 else {
                throw file.damaged("its list of members ends before member \(number) of \(count)")
            }
            let entry = Entry(bytes, at: offset)
            guard bytes.count - offset >= entry.byteCount else {
                throw file.damaged("its list of members ends within member \(number) of \(count)")
            }
            let nameStart = offset + Self.entryByteCount
            let nameBytes = Array(bytes[nameStart..<nameStart + entry.nameByteCount])
            let (member, whole) = try Self.member(entry, number, nameBytes, file, directoryStart: place.lowerBound)
            guard names.insert(member.name).inserted else {
                throw file.damaged("two members have the name \(member.name)")
            }
            members.append(member)
            taken.append(whole)
            offset += entry.byteCount
        }
        guard offset == bytes.count else { throw file.damaged("its list of members is longer than its members") }
        taken.sort { $0.lowerBound < $1.lowerBound }
        for (range, next) in zip(taken, taken.dropFirst()) where next.lowerBound < range.upperBound {
            throw file.damaged("two members overlap")
        }
        self.members = members
    }

    /// Where the central directory lies, and how many members it lists.
    private static func findDirectory(
        _ file: PlacedBytes, memberLimit: Int
    ) throws(DataError) -> (place: Range<Int>, count: Int) {
        // After the end record follows nothing but a comment of at most 65,535 bytes.
        let tail = try file.bytes(max(0, file.byteCount - endByteCount - largest16)..<file.byteCount)
        let candidates = stride(from: tail.count - endByteCount, through: 0, by: -1)
        let found = candidates.first { start in
            tail.number32(at: start) == 0x0605_4B50
                && tail.number16(at: start + 20) == tail.count - start - endByteCount
        }
        guard let start = found else { throw file.damaged("it is not a ZIP file, or its end is missing") }
        let count = tail.number16(at: start + 10)
        let (length, offset) = (tail.number32(at: start + 12), tail.number32(at: start + 16))
        guard count < largest16, length < largest32, offset < largest32 else { throw zip64(file) }
        guard tail.number16(at: start + 4) == 0, tail.number16(at: start + 6) == 0,
            tail.number16(at: start + 8) == count
        else {
            throw file.unsupported(
                "it is one part of several", hint: "join the parts, or save it again with numpy.savez")
        }
        guard count <= memberLimit else { throw file.tooLarge("\(count) members, \(memberLimit) are allowed") }
        guard length <= byteLimit else {
            throw file.tooLarge("its list of members takes \(length) bytes, \(byteLimit) are allowed")
        }
        guard offset + length == file.byteCount - tail.count + start else {
            throw file.damaged("its list of members is not where its end says")
        }
        return (offset..<offset + length, count)
    }

    /// Checks one entry against its local header; `whole` is what header and packed bytes take of the file.
    private static func member(
        _ entry: Entry, _ number: Int, _ nameBytes: [UInt8], _ file: PlacedBytes, directoryStart: Int
    ) throws(DataError) -> (ZipMember, whole: Range<Int>) {
        // Only a name without control characters may stand in an error.
        guard (1...255).contains(nameBytes.count), let name = String(validating: nameBytes, as: UTF8.self),
            !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else {
            throw file.unsupported(
                "the name of member \(number) is empty, too long or not plain UTF-8",
                hint: "save the arrays again under short names")
        }
        try entry.requireReadable(name, file)
        let headerEnd = entry.headerOffset + headerByteCount
        guard headerEnd <= directoryStart else { throw file.damaged("\(name) begins outside the file's members") }
        let header = try file.bytes(entry.headerOffset..<headerEnd)
        let dataStart = headerEnd + header.number16(at: 26) + header.number16(at: 28)
        guard header.number32(at: 0) == 0x0403_4B50, header.number16(at: 26) == nameBytes.count,
            header.number16(at: 8) == entry.method, dataStart <= directoryStart,
            try file.bytes(headerEnd..<headerEnd + nameBytes.count) == nameBytes
        else { throw file.damaged("the header of \(name) differs from the list of members") }
        guard entry.packedByteCount <= directoryStart - dataStart else {
            throw file.damaged("\(name) ends outside the file's members")
        }
        let place = dataStart..<dataStart + entry.packedByteCount
        let member = ZipMember(
            name: name, isDeflated: entry.method == 8, checksum: entry.checksum, place: place,
            byteCount: entry.unpackedByteCount)
        return (member, entry.headerOffset..<place.upperBound)
    }

    fileprivate static func zip64(_ file: PlacedBytes) -> DataError {
        file.unsupported("it is a ZIP64 file", hint: "save the arrays in several files of less than 4 GiB")
    }

    /// The fixed fields of an entry of the central directory.
    private struct Entry {
        let flags: Int
        let method: Int
        let checksum: UInt32
        let packedByteCount: Int
        let unpackedByteCount: Int
        let nameByteCount: Int
        /// Of the entry itself, with its name, extra fields and comment.
        let byteCount: Int
        let headerOffset: Int

        init(_ bytes: [UInt8], at offset: Int) {
            flags = bytes.number16(at: offset + 8)
            method = bytes.number16(at: offset + 10)
            checksum = UInt32(bytes.number32(at: offset + 16))
            packedByteCount = bytes.number32(at: offset + 20)
            unpackedByteCount = bytes.number32(at: offset + 24)
            nameByteCount = bytes.number16(at: offset + 28)
            byteCount =
                entryByteCount + nameByteCount + bytes.number16(at: offset + 30) + bytes.number16(at: offset + 32)
            headerOffset = bytes.number32(at: offset + 42)
        }

        func requireReadable(_ name: String, _ file: PlacedBytes) throws(DataError) {
            guard packedByteCount < largest32, unpackedByteCount < largest32, headerOffset < largest32 else {
                throw zip64(file)
            }
            // Bits 0, 6 and 13: encrypted members and directories.
            guard flags & 0x2041 == 0 else {
                throw file.unsupported("\(name) is encrypted", hint: "decrypt the archive before it is read")
            }
            guard method == 0 || method == 8 else {
                throw file.unsupported(
                    "\(name) is packed by method \(method)",
                    hint: "save it with numpy.savez or numpy.savez_compressed, which deflate at most")
            }
            guard method == 8 || packedByteCount == unpackedByteCount,
                unpackedByteCount <= packedByteCount * largestRatio
            else { throw file.damaged("\(name) claims another length than it can have") }
        }
    }
}
