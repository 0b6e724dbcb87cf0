// SPDX-License-Identifier: Apache-2.0
// Key files are private from their first moment, and refused when they no longer are.

import Federation
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
            let seed = [UInt8](1...32)
            let key = try #require(StatementKey(seed: seed))
            let path = folder + "/statement.key"
            try StatementKeyFile.write(seed: seed, to: path)
            #expect(try mode(path) == 0o600)
            #expect(try StatementKeyFile.read(path).publicKey == key.publicKey)
            try StatementKeyFile.write(seed: seed, to: path)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["statement.key"])
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660]) func aWiderModeIsRefused(mode: Int) throws {
        try withFolder { folder in
            let path = folder + "/statement.key"
            try StatementKeyFile.write(seed: [UInt8](repeating: 1, count: 32), to: path)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            #expect(throws: SecretFile.Failure.self) { _ = try StatementKeyFile.read(path) }
        }
    }

    @Test func anOpenFolderAndAForeignTextAreRefused() throws {
        try withFolder { folder in
            try FileManager.default.setAttributes([.posixPermissions: 0o750], ofItemAtPath: folder)
            #expect(throws: SecretFile.Failure.self) { try SecretFile.prepareFolder(folder) }
            let path = folder + "/other.key"
            try SecretFile.write(Array("no key\n".utf8), to: path)
            #expect(throws: SecretFile.Failure.self) { _ = try StatementKeyFile.read(path) }
        }
    }
}
