// SPDX-License-Identifier: Apache-2.0
// Archives as NumPy writes them, and every form of header and member that is read.

import ClinicalData
import Foundation
import Testing

@Suite struct NumpyArchiveTests {
    /// `numpy.savez_compressed` of NumPy 2.4.6: flags = [True, False, True]; pixels = arange(12, uint8) as (3, 4);
    /// small = int8 [-1, 2]; short = int16 [-300, 300]; labels = int32 [[0], [1], [70000]]; big = int64 [-2**40, 7];
    /// single = float32 [0.5, -1.25, inf]; double = 2.5; none = zeros((0, 3), float32).
    static let written = """
        UEsDBC0AAAAIAAAAIQAWk4y7//////////8JABQAZmxhZ3MubnB5AQAQAIMAAAAAAAAARwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBe
        k2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuRgZGAFBLAwQtAAAACAAAACEAOHVbWv//////////CgAUAHBp
        eGVscy5ucHkBABAAjAAAAAAAAABSAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQW
        pAL5GsY6CiaaOgq1CmQDLgZGJmYWVjZ2Dk4ubgBQSwMELQAAAAgAAAAhAP3pxyz//////////wkAFABzbWFsbC5ucHkBABAAggAAAAAAAABG
        AAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF6Taaiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAK7/TABQSwME
        LQAAAAgAAAAhAFYcVej//////////wkAFABzaG9ydC5ucHkBABAAhAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaSu
        o6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAK4r/3QYAVBLAwQtAAAACAAAACEA51iZ2P//////////CgAUAGxhYmVs
        cy5ucHkBABAAjAAAAAAAAABPAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5
        GsY6CoaaOgq1CmQDLgYgYATiAkFGBgBQSwMELQAAAAgAAAAhAAwrp73//////////wcAFABiaWcubnB5AQAQAJAAAAAAAAAATgAAAAAAAACb
        7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFAAuBhD4//8/OwMEAABQSwME
        LQAAAAgAAAAhAGeDoZn//////////woAFABzaW5nbGUubnB5AQAQAIwAAAAAAAAAUAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2ai
        rqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuBgYGewaGBfsZGBrqAVBLAwQtAAAACAAAACEANbQ6k///////////
        CgAUAGRvdWJsZS5ucHkBABAAiAAAAAAAAABHAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59flJIKEndLzClO
        BYoXZyQWpAL5Gpo6CrUKFAEuBjBgcQAAUEsDBC0AAAAIAAAAIQCjaFJ3//////////8IABQAbm9uZS5ucHkBABAAgAAAAAAAAABGAAAAAAAA
        AJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GgY6CsaaOgq1CmQDLgBQSwECLQMtAAAA
        CAAAACEAFpOMu0cAAACDAAAACQAAAAAAAAAAAAAAgAEAAAAAZmxhZ3MubnB5UEsBAi0DLQAAAAgAAAAhADh1W1pSAAAAjAAAAAoAAAAAAAAA
        AAAAAIABggAAAHBpeGVscy5ucHlQSwECLQMtAAAACAAAACEA/enHLEYAAACCAAAACQAAAAAAAAAAAAAAgAEQAQAAc21hbGwubnB5UEsBAi0D
        LQAAAAgAAAAhAFYcVehIAAAAhAAAAAkAAAAAAAAAAAAAAIABkQEAAHNob3J0Lm5weVBLAQItAy0AAAAIAAAAIQDnWJnYTwAAAIwAAAAKAAAA
        AAAAAAAAAACAARQCAABsYWJlbHMubnB5UEsBAi0DLQAAAAgAAAAhAAwrp71OAAAAkAAAAAcAAAAAAAAAAAAAAIABnwIAAGJpZy5ucHlQSwEC
        LQMtAAAACAAAACEAZ4OhmVAAAACMAAAACgAAAAAAAAAAAAAAgAEmAwAAc2luZ2xlLm5weVBLAQItAy0AAAAIAAAAIQA1tDqTRwAAAIgAAAAK
        AAAAAAAAAAAAAACAAbIDAABkb3VibGUubnB5UEsBAi0DLQAAAAgAAAAhAKNoUndGAAAAgAAAAAgAAAAAAAAAAAAAAIABNQQAAG5vbmUubnB5
        UEsFBgAAAAAJAAkA8AEAALUEAAAAAA==
        """

    static func bytes() throws -> [UInt8] {
        let text = written.filter { !$0.isWhitespace }
        return Array(try #require(Data(base64Encoded: text)))
    }

    static func archive(
        _ bytes: [UInt8], _ limits: NumpyArchive.Limits = NumpyArchive.Limits()
    ) throws(DataError) -> NumpyArchive {
        try NumpyArchive(.memory(bytes, blockBytes: 1 << 20), limits: limits)
    }

    @Test func everyTypeThatNumPyWroteIsRead() throws {
        let archive = try Self.archive(Self.bytes())
        #expect(
            archive.names == ["flags", "pixels", "small", "short", "labels", "big", "single", "double", "none"])
        func array(_ name: String) throws -> NumpyArray { try archive.array(name) }
        #expect(try array("flags").integers == [1, 0, 1])
        #expect(try array("flags").floats == [1, 0, 1])
        #expect(try array("pixels").shape == [3, 4])
        #expect(try array("pixels").floats == (0..<12).map { Float($0) })
        #expect(try array("pixels").integers == Array(0..<12))
        #expect(try array("small").integers == [-1, 2])
        #expect(try array("small").doubles == [-1, 2])
        #expect(try array("short").integers == [-300, 300])
        #expect(try array("labels").shape == [3, 1])
        #expect(try array("labels").integers == [0, 1, 70_000])
        #expect(try array("labels").doubles == [0, 1, 70_000])
        #expect(try array("big").integers == [-(1 << 40), 7])
        #expect(try array("big").doubles == [-0x1p40, 7])
        #expect(try array("single").floats == [0.5, -1.25, .infinity])
        #expect(try array("single").integers == nil)
        #expect(try array("double").shape == [])
        #expect(try array("double").doubles == [2.5])
        #expect(try array("double").floats == [2.5])
        #expect(try array("none").shape == [0, 3])
        #expect(try array("none").count == 0)
        let types = try archive.names.dropLast().map { try archive.array($0).type }
        #expect(Set(types) == Set(NumpyArray.ElementType.allCases), "every type is in the file")
    }

    @Test func filesAreReadAsBytesAre() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "arrays-\(UUID().uuidString).npz")
        try Data(Self.bytes()).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        let archive = try NumpyArchive(.file(path: url.path()))
        #expect(try archive.array("labels").integers == [0, 1, 70_000])
        let error = dataError { () throws(DataError) in try archive.array("label") }
        #expect(error?.code == .missingArray)
        #expect(error?.message.contains(url.path()) == true)
        #expect(error?.hint.contains("labels") == true)
    }

    @Test func storedMembersAndEveryVersionAreRead() throws {
        let data = [1.5, -2].flatMap { (value: Float) in little(Int(value.bitPattern), bytes: 4) }
        for version in [1, 2, 3] as [UInt8] {
            for isStored in [false, true] {
                let member = ArchiveBuilder.Member(
                    "x.npy", npy("<f4", "(2,)", data, version: version), isStored: isStored)
                let array = try Self.archive(ArchiveBuilder(member).bytes).array("x")
                #expect(array.floats == [1.5, -2], "version \(version), stored \(isStored)")
            }
        }
    }

    @Test func otherSpellingsOfAHeaderAreRead() throws {
        let texts = [
            "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}",
            "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(2,)}",
            "  { 'descr' : '|u1' , 'fortran_order' : True , 'shape' : ( 2 , ) , }  ",
        ]
        for text in texts {
            let bytes = ArchiveBuilder(.init("x.npy", npy("", "", [7, 8], text: text))).bytes
            #expect(try Self.archive(bytes).array("x").integers == [7, 8], "\(text)")
        }
    }

    @Test func otherMembersGapsAndCommentsArePassedOver() throws {
        var first = ArchiveBuilder.Member("x.npy", npy("|u1", "(1,)", [9]))
        first.gap = [1, 2, 3, 4]
        var builder = ArchiveBuilder(
            first, .init("README.txt", Array("no array".utf8)), .init("folder/y.npy", npy("|u1", "()", [8])))
        builder.comment = Array("a comment".utf8)
        let archive = try Self.archive(builder.bytes)
        #expect(archive.names == ["x", "folder/y"])
        #expect(try archive.array("x").integers == [9])
        #expect(try archive.array("folder/y").integers == [8])
    }

    @Test func anArchiveWithoutMembersHasNoNames() throws {
        #expect(try Self.archive(ArchiveBuilder().bytes).names == [])
    }
}
