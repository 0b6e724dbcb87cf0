// SPDX-License-Identifier: Apache-2.0
// Archives that lie about sizes, places and contents: each is refused, with a code, and none is believed.

import ClinicalData
import Testing

@Suite struct HostileArchiveTests {
    private let good = ArchiveBuilder.Member("x.npy", npy("|u1", "(3,)", [1, 2, 3]))

    /// The error of opening an archive and reading `x`.
    private func failure(
        _ bytes: [UInt8], _ limits: NumpyArchive.Limits = NumpyArchive.Limits(), _ name: String = "x"
    ) -> DataError? {
        dataError { () throws(DataError) in try NumpyArchiveTests.archive(bytes, limits).array(name) }
    }

    private func failure(_ change: (inout ArchiveBuilder.Member) -> Void) -> DataError? {
        var member = good
        change(&member)
        return failure(ArchiveBuilder(member).bytes)
    }

    private func headerFailure(_ file: [UInt8]) -> DataError? { failure(ArchiveBuilder(.init("x.npy", file)).bytes) }

    @Test func theMemberThatIsChangedBelowIsGood() {
        #expect(failure { _ in } == nil)
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try NumpyArchiveTests.bytes()
        for length in 0..<bytes.count {
            let error = failure(Array(bytes[..<length]))
            #expect(error?.code == .damagedArchive, "\(length) bytes")
        }
    }

    @Test func aChangedByteIsRefusedOrChangesNothing() throws {
        let bytes = try NumpyArchiveTests.bytes()
        let archive = try NumpyArchiveTests.archive(bytes)
        let expected = try archive.names.map { try archive.array($0).doubles }
        for place in bytes.indices {
            for change in [0x01, 0x80, 0xFF] as [UInt8] {
                var changed = bytes
                changed[place] ^= change
                do throws(DataError) {
                    let archive = try NumpyArchiveTests.archive(changed)
                    var arrays: [[Double]] = []
                    for name in archive.names { arrays.append(try archive.array(name).doubles) }
                    // A name in both places of a member could change; one byte cannot do that.
                    #expect(arrays == expected, "byte \(place)")
                } catch {
                    #expect([.damagedArchive, .unsupportedArchive, .archiveTooLarge].contains(error.code))
                }
            }
        }
    }

    @Test func lengthsThatAreNotTrueAreRefused() {
        #expect(failure { $0.unpackedCount -= 1 }?.code == .damagedArchive)
        #expect(failure { $0.unpackedCount += 1 }?.code == .damagedArchive)
        #expect(failure { $0.packedCount -= 1 }?.code == .damagedArchive)
        #expect(failure { $0.packedCount += 1 }?.code == .damagedArchive, "runs into the directory")
        #expect(failure { $0.unpackedCount = 0 }?.code == .damagedArchive)
        let stored = ArchiveBuilder.Member("x.npy", npy("|u1", "(1,)", [1]), isStored: true)
        for difference in [-1, 1] {
            var member = stored
            member.unpackedCount += difference
            #expect(failure(ArchiveBuilder(member).bytes)?.code == .damagedArchive)
        }
    }

    @Test func aStreamThatGoesOnAfterItsEndIsRefused() throws {
        let error = try #require(
            failure {
                $0.packed += [0]
                $0.packedCount += 1
            })
        #expect(error.code == .damagedArchive)
        #expect(error.message.contains("x.npy"))
    }

    @Test func wrongChecksumsAreRefused() {
        let error = failure { $0.checksum ^= 1 }
        #expect(error?.message == "the archive in memory is damaged: the checksum of x.npy is wrong")
    }

    @Test func bombsAreRefusedBeforeTheyAreUnpacked() {
        // 64 MiB of zeros in 64 KiB, within the ratio of deflate.
        let size = 64 << 20
        let bomb = ArchiveBuilder.Member("x.npy", npy("|u1", "(\(size),)", Array(repeating: 0, count: size)))
        let error = failure(ArchiveBuilder(bomb).bytes, NumpyArchive.Limits(arrayBytes: 1 << 20))
        #expect(error?.code == .archiveTooLarge)
        #expect(error?.message.contains("x.npy claims 67108992 bytes") == true)
        // The same stream that claims to be small stops at what it claims.
        var liar = bomb
        liar.unpackedCount = 1_000
        #expect(failure(ArchiveBuilder(liar).bytes)?.code == .damagedArchive)
        // A short stream that claims gigabytes: deflate cannot hold them.
        #expect(failure { $0.unpackedCount = 0x7FFF_FFFF }?.code == .damagedArchive)
    }

    @Test func tooManyMembersAreRefused() {
        let bytes = ArchiveBuilder(good, .init("y.npy", []), .init("z.npy", [])).bytes
        #expect(failure(bytes, NumpyArchive.Limits(members: 3)) == nil)
        #expect(failure(bytes, NumpyArchive.Limits(members: 2))?.code == .archiveTooLarge)
    }

    @Test func placesOutsideTheFileAreRefused() {
        for offset in [1, 40, 1_000, 0x7FFF_FFFF, 0xFFFF_FFFE] {
            #expect(failure { $0.offset = offset }?.code == .damagedArchive, "\(offset)")
        }
        var builder = ArchiveBuilder(good)
        for offset in [0, 1, 1_000, 0x7FFF_FFFF] {
            builder.claimedOffset = offset
            #expect(failure(builder.bytes)?.code == .damagedArchive, "\(offset)")
        }
        builder = ArchiveBuilder(good)
        for length in [0, 1, 1_000, 0xFF_FFFF] {
            builder.claimedLength = length
            #expect(failure(builder.bytes)?.code == .damagedArchive, "\(length)")
        }
        builder.claimedLength = 0x7FFF_FFFF
        #expect(failure(builder.bytes)?.code == .archiveTooLarge)
        builder = ArchiveBuilder(good)
        for count in [0, 2, 1_000] {
            builder.claimedCount = count
            #expect(failure(builder.bytes)?.code == .damagedArchive, "\(count)")
        }
    }

    @Test func overlappingMembersAreRefused() {
        // Two entries, one place: a quine of this kind unpacks to many times its size.
        var second = good
        second.name = "y.npy"
        second.offset = 0
        #expect(failure(ArchiveBuilder(good, second).bytes)?.code == .damagedArchive, "the header has another name")
        second.localName = nil
        second.name = "x.npy"
        #expect(failure(ArchiveBuilder(good, second).bytes)?.message.contains("the name x.npy") == true)
        // A member that holds another one within its stored bytes.
        let inner = ArchiveBuilder(.init("y.npy", npy("|u1", "(1,)", [1]), isStored: true))
        let innerLength = inner.members[0].packed.count
        let outer = ArchiveBuilder.Member("x.npy", Array(inner.bytes[..<(35 + innerLength)]), isStored: true)
        var pointer = inner.members[0]
        pointer.offset = 30 + 5
        let error = failure(ArchiveBuilder(outer, pointer).bytes)
        #expect(error?.message == "the archive in memory is damaged: two members overlap")
    }

    @Test func headersThatDisagreeAreRefused() {
        #expect(failure { $0.localName = "y.npy" }?.code == .damagedArchive)
        #expect(failure { $0.localName = "longer.npy" }?.code == .damagedArchive)
    }

    @Test func formsThatAreNotReadAreNamed() {
        #expect(failure { $0.flags = 1 }?.message.contains("encrypted") == true)
        #expect(failure { $0.method = 12 }?.message.contains("method 12") == true)
        #expect(failure { $0.offset = 0xFFFF_FFFF }?.message.contains("ZIP64") == true)
        #expect(failure { $0.packedCount = 0xFFFF_FFFF }?.message.contains("ZIP64") == true)
        var builder = ArchiveBuilder(good)
        builder.claimedCount = 0xFFFF
        #expect(failure(builder.bytes)?.message.contains("ZIP64") == true)
        builder = ArchiveBuilder(good)
        builder.disk = 1
        #expect(failure(builder.bytes)?.code == .unsupportedArchive)
    }

    @Test func namesThatMayNotStandInAnErrorAreRefused() {
        for name in ["", "a\u{1B}[2J.npy", "a\n.npy", String(repeating: "a", count: 252) + ".npy"] {
            let error = failure(ArchiveBuilder(.init(name, [])).bytes)
            #expect(error?.code == .unsupportedArchive)
            #expect(error?.message.contains("member 1") == true)
        }
    }

    @Test func arraysThatAreNotReadSayWhatToDo() throws {
        let cases: [(file: [UInt8], word: String)] = [
            (npy("|O", "(1,)", [0]), "pickled"), (npy(">f4", "(1,)", [0, 0, 0, 0]), "big-endian"),
            (npy("<f2", "(1,)", [0, 0]), "type"), (npy("<u2", "(1,)", [0, 0]), "type"),
            (npy("<U3", "(0,)", []), "type"),
            (npy("<f4", "(2, 2)", Array(repeating: 0, count: 16), fortran: "True"), "column by column"),
            (npy("|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", [0]), "9 dimensions"),
            (npy("|u1", "(1,)", [0], version: 4), "version 4.0"),
            (
                npy(
                    "", "", [], text: "{'descr': [('a', '<i4'), ('b', '<f4')], 'fortran_order': False, 'shape': (0,), }"
                ),
                "several fields"
            ), (npy("|u1", "(1,)", [0], text: String(repeating: " ", count: 11_000)), "header of"),
        ]
        for (file, word) in cases {
            let error = try #require(headerFailure(file), "\(word)")
            #expect(error.code == .unsupportedArchive, "\(word)")
            #expect(error.message.contains("x.npy"))
            #expect(error.message.contains(word), "\(error.message)")
            #expect(!error.hint.isEmpty)
        }
    }

    @Test func headersThatMakeNoSenseAreRefused() {
        let texts = [
            "", "{", "}", "{}", "[]", "{'descr': '|u1'}", "{'descr': '|u1', 'fortran_order': False}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1.0,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1 1)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296)}",
            "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x",
            "{'descr': '|u1' 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1, 'fortran_order': False, 'shape': (1,)}",
            "{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (0,)}",
        ]
        for text in texts {
            #expect(headerFailure(npy("", "", [0], text: text))?.code == .damagedArchive, "\(text)")
        }
        for length in 0..<12 {
            let file = Array(npy("|u1", "(1,)", [0]).prefix(length))
            #expect(headerFailure(file)?.code == .damagedArchive, "\(length) bytes")
        }
    }

    @Test func foldersAndMissingFilesAreNamed() {
        for path in ["/nonexistent/x.npz", "/"] {
            let error = dataError { () throws(DataError) in try NumpyArchive(.file(path: path)) }
            #expect(error?.code == .unreadableFile)
            #expect(error?.message.contains(path) == true)
        }
    }
}
