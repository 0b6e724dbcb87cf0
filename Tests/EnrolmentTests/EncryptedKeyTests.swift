// SPDX-License-Identifier: Apache-2.0
// The root's key under a passphrase: only the passphrase opens it, and OpenSSL reads it too.

import Enrolment
import Foundation
import Randomness
import Testing

@Suite struct EncryptedKeyTests {
    private let random = RandomSource.seeded(forTestingAndSimulation: 3)

    private func lock(_ key: TLSKey, _ passphrase: String) throws -> String {
        try EncryptedKey.lock(key, passphrase: Array(passphrase.utf8), salt: random.bytes(16), iv: random.bytes(16))
    }

    @Test func onlyThePassphraseOpensIt() throws {
        let key = random.tlsKey()
        let text = try lock(key, "correct horse")
        #expect(text.hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        #expect(try EncryptedKey.unlock(text, passphrase: Array("correct horse".utf8)).pem == key.pem)
        #expect(throws: EncryptedKey.Failure.wrongPassphrase) {
            _ = try EncryptedKey.unlock(text, passphrase: Array("wrong horse".utf8))
        }
        #expect(throws: EncryptedKey.Failure.unreadable) {
            _ = try EncryptedKey.unlock(key.pem, passphrase: Array("correct horse".utf8))
        }
    }

    @Test func openSSLReadsIt() throws {
        let key = random.tlsKey()
        let file = FileManager.default.temporaryDirectory.appending(path: "consilium-key-\(UUID().uuidString).pem")
        try Data(try lock(key, "correct horse").utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = ["pkcs8", "-in", file.path, "-passin", "pass:correct horse"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try TLSKey(pem: text).publicKeyHash == key.publicKeyHash)
    }
}
