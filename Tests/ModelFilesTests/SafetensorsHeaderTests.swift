// SPDX-License-Identifier: Apache-2.0
// Hostile and damaged headers, each with the failure it must cause.

import ModelFiles
import Testing

@Suite struct SafetensorsHeaderTests {
    /// A file with this header and `data` bytes of zeros.
    private static func file(_ header: String, data: Int) -> [UInt8] {
        let length = header.utf8.count
        return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8)
            + [UInt8](repeating: 0, count: data)
    }

    private static func code(_ bytes: [UInt8]) -> ModelFileError.Code? {
        do {
            _ = try SafetensorsFile(bytes: bytes)
            return nil
        } catch {
            return (error as? ModelFileError)?.code
        }
    }

    private static let tensor = #""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

    private static let damage: [(header: String, expected: ModelFileError.Code)] = [
        // The JSON itself.
        ("", .malformedHeader), ("null", .malformedHeader), (" {}", .malformedHeader),
        ("{", .malformedHeader), ("{}{}", .malformedHeader), ("{}x", .malformedHeader),
        ("{\(tensor),}", .malformedHeader),
        ("{\(tensor)", .malformedHeader), (#"{"w":1}"#, .malformedHeader), (#"{"w":null}"#, .malformedHeader),
        (#"{w:{}}"#, .malformedHeader), (#"{"w":{}}"#, .malformedHeader), ("{\"\u{1}\":{}}", .malformedHeader),
        (#"{"\x":{}}"#, .malformedHeader), (#"{"\ud800":{}}"#, .malformedHeader),
        (#"{"\ud800\u0041":{}}"#, .malformedHeader),
        (#"{"\u12":{}}"#, .malformedHeader), (#"{"\u"#, .malformedHeader), (#"{"\"#, .malformedHeader),
        (#"{"__metadata__":{"k":1}}"#, .malformedHeader), (#"{"__metadata__":{"k":{}}}"#, .malformedHeader),
        (#"{"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":[1]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#, .malformedHeader),
        (#"{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#, .malformedHeader),
        // Names.
        (#"{\#(tensor),\#(tensor)}"#, .duplicateName), (#"{\#(tensor),"\u0077":{}}"#, .duplicateName),
        (#"{"__metadata__":{},"__metadata__":{},\#(tensor)}"#, .duplicateName),
        (#"{"__metadata__":{"a":"1","a":"2"},\#(tensor)}"#, .duplicateName),
        (#"{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, .duplicateName),
        // Types and sizes.
        (#"{"w":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, .unsupportedType),
        (#"{"w":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}"#, .unsupportedType),
        (#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, .wrongShape),
        (#"{"w":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}"#, .wrongShape),
        (#"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, .wrongShape),
        (#"{"w":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,0]}}"#, .wrongShape),
        // Places.
        (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, .wrongOffsets),
        (#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#, .wrongOffsets),
        (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .wrongOffsets),
        (#"{\#(tensor),"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .wrongOffsets),
        (#"{\#(tensor),"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, .wrongOffsets),
        (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, .wrongLength), ("{}", .wrongLength),
    ]

    @Test func validHeadersAreRead() throws {
        for header in [
            "{\(Self.tensor)}", "{\(Self.tensor)}      ", "{ \(Self.tensor) \n}",
            #"{"__metadata__":{},\#(Self.tensor)}"#, #"{\#(Self.tensor),"__metadata__":{"k":"v"}}"#,
            #"{"w":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}"#,
        ] {
            #expect(Self.code(Self.file(header, data: 8)) == nil, "\(header)")
        }
        #expect(Self.code(Self.file("{}", data: 0)) == nil)
        let escaped = #"{"\u00e9\ud83d\ude00\n":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#
        let file = try SafetensorsFile(bytes: Self.file(escaped, data: 4))
        #expect(file.header.tensors.map(\.name) == ["é😀\n"])
    }

    @Test func tensorsComeInTheOrderOfTheirPlaces() throws {
        let header =
            #"{"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"I64","shape":[1],"#
            + #""data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#
        let file = try SafetensorsFile(bytes: Self.file(header, data: 12))
        #expect(file.header.tensors.map(\.name) == ["a", "e", "b"])
    }

    @Test(arguments: damage) func damageIsNamed(header: String, expected: ModelFileError.Code) {
        #expect(Self.code(Self.file(header, data: 8)) == expected)
    }

    @Test func lengthsAreCheckedBeforeAnythingIsRead() {
        #expect(Self.code([]) == .truncated)
        #expect(Self.code([1, 0, 0, 0, 0, 0, 0]) == .truncated)
        #expect(Self.code([3, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)) == .truncated)
        #expect(Self.code([UInt8](repeating: 255, count: 16)) == .headerTooLarge)
        #expect(Self.code([1, 0, 0, 1, 0, 0, 0, 0] + Array("{}".utf8)) == .headerTooLarge)
        #expect(Self.code([0, 0, 0, 1, 0, 0, 0, 0] + Array("{}".utf8)) == .truncated)
    }

    @Test func everyPrefixOfAFileIsRefused() {
        let bytes = Self.file(#"{"__metadata__":{"k":"v"},\#(Self.tensor)}"#, data: 8)
        for length in bytes.indices { #expect(Self.code(Array(bytes[..<length])) != nil, "\(length) bytes") }
        #expect(Self.code(bytes) == nil)
        #expect(Self.code(bytes + [0]) == .wrongLength)
    }

    @Test func everyChangedByteIsRefusedOrRead() {
        // No byte of a header, whatever it becomes, may stop the program; 8 bits of every byte are tried.
        let bytes = Self.file(#"{"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: 8)
        var refused = 0
        for index in bytes.indices.dropLast(8) {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                if Self.code(changed) != nil { refused += 1 }
            }
        }
        #expect(refused > 300)
    }

    @Test func errorsHoldNoTextOfTheFile() {
        let secret = "Jane-Doe-1961"
        for header in [
            #"{"\#(secret)":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            #"{"w":{"dtype":"\#(secret)","shape":[2],"data_offsets":[0,8]}}"#,
            #"{"\#(secret)":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\#(secret)":{}}"#,
        ] {
            do {
                _ = try SafetensorsFile(bytes: Self.file(header, data: 8))
                Issue.record("\(header) was read")
            } catch {
                #expect(!"\(error)".contains(secret))
            }
        }
    }
}
