// SPDX-License-Identifier: Apache-2.0
// Tensors of every type that is read.

import ModelFiles
import Testing

@Suite struct SafetensorsFileTests {
    private static func bytes<Bits: FixedWidthInteger>(_ bits: Bits) -> [UInt8] {
        withUnsafeBytes(of: bits.littleEndian) { Array($0) }
    }

    @Test func everyTypeIsRead() throws {
        // The header's length is odd on purpose: the data lies on no boundary.
        var header =
            #"{"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"l":{"dtype":"I64","shape":[1],"#
            + #""data_offsets":[16,24]},"f":{"dtype":"F32","shape":[1,1],"data_offsets":[24,28]},"#
            + #""i":{"dtype":"I32","shape":[],"data_offsets":[28,32]}}"#
        if header.utf8.count % 2 == 0 { header += " " }
        let data =
            Self.bytes(Double(0.1).bitPattern) + Self.bytes((-Double.infinity).bitPattern) + Self.bytes(Int64(-5))
            + Self.bytes(Float(0.1).bitPattern) + Self.bytes(Int32(-7))
        let file = try SafetensorsFile(
            bytes: [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + data)
        #expect(try file.values("d") == [0.1, -.infinity])
        #expect(try file.values("l") == [-5])
        #expect(try file.values("f") == [Double(Float(0.1))])
        #expect(try file.floats("f") == [0.1])
        #expect(try file.floats("i") == [-7])
        #expect(try file.tensor("f").shape == [1, 1])
        #expect(throws: ModelFileError.self) { try file.values("absent") }
    }
}
