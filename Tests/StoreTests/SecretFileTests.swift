// SPDX-License-Identifier: Apache-2.0
// Key files are private from their first moment, and refused when they no longer are.

import Foundation
import Store
import Testing

@Suite struct SecretFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "consilium-keys-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SecretFile.prepareFolder(folder)
        try body(folder)
    }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func keysAreWrittenPrivateAndReadBack() throws {
        try withFolder { folder in
            #expect(try mode(folder) == 0o700)
            let path = folder + "/seal.key"
            try SecretFile.write([1, 2, 3], to: path)
            #expect(try mode(path) == 0o600)
            #expect(try SecretFile.read(path) == [1, 2, 3])
            try SecretFile.write([4], to: path)
            #expect(try SecretFile.read(path) == [4])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["seal.key"])
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660]) func aWiderModeIsRefused(mode: Int) throws {
        try withFolder { folder in
            let path = folder + "/seal.key"
            try SecretFile.write([1, 2, 3], to: path)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            #expect(throws: SecretFile.Failure.self) { _ = try SecretFile.read(path) }
        }
    }

    @Test func anOpenFolderIsRefused() throws {
        try withFolder { folder in
            try FileManager.default.setAttributes([.posixPermissions: 0o750], ofItemAtPath: folder)
            #expect(throws: SecretFile.Failure.self) { try SecretFile.prepareFolder(folder) }
        }
    }
}
