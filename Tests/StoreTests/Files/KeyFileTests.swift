// SPDX-License-Identifier: Apache-2.0

import Federation
import Foundation
import Store
import Testing

@Suite struct KeyFileTests {
    let directory: TestDirectory
    private let seed = (0..<32).map { UInt8($0) }

    init() throws { directory = try TestDirectory() }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func aKeyIsReadBack() throws {
        try KeyFile.create(directory("a.key"), seed: seed)
        #expect(try KeyFile.load(directory("a.key")).publicKey == StatementKey(seed: seed)?.publicKey)
        #expect(try mode(directory("a.key")) == 0o600)
    }

    @Test func aKeyIsNeverReplaced() throws {
        try KeyFile.create(directory("a.key"), seed: seed)
        let error = #expect(throws: StoreError.self) { try KeyFile.create(directory("a.key"), seed: seed.reversed()) }
        #expect(error?.code == .conflict)
        #expect(try KeyFile.load(directory("a.key")).publicKey == StatementKey(seed: seed)?.publicKey)
    }

    @Test(arguments: [0o640, 0o604, 0o660]) func aKeyThatOthersMayReadIsRefused(mode: Int) throws {
        try KeyFile.create(directory("a.key"), seed: seed)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory("a.key"))
        let error = #expect(throws: StoreError.self) { try KeyFile.load(directory("a.key")) }
        #expect(error?.code == .exposed)
    }

    @Test(arguments: ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
    func anythingElseIsRefused(text: String) throws {
        try text.write(toFile: directory("a.key"), atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: directory("a.key"))
        let error = #expect(throws: StoreError.self) { try KeyFile.load(directory("a.key")) }
        #expect(error?.code == .damaged)
    }

    @Test func theStatementKeyIsMadeOnce() throws {
        let first = try KeyFile.statementKey(inStateDirectory: directory.path) { seed }
        let second = try KeyFile.statementKey(inStateDirectory: directory.path) { seed.reversed() }
        #expect(first.publicKey == second.publicKey)
        #expect(try mode(directory("keys")) == 0o700)
        #expect(try mode(directory("keys/statement.key")) == 0o600)
    }
}
