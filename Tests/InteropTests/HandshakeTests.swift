// SPDX-License-Identifier: Apache-2.0
// What the openssl command is told when it connects to the built aggregator.

import Foundation
import Testing

@Suite(.enabled(if: Programs.areInstalled("openssl"), "openssl is needed"))
struct HandshakeTests {
    /// The words of an `openssl s_client` that has a member's certificate.
    private func member(of federation: InteropFederation) -> [String] {
        ["-cert", federation.certificate("foreign.pem"), "-key", federation.certificate("foreign.key")]
    }

    /// Connects with empty input and returns what openssl printed.
    ///
    /// - Parameter toTheEnd: waits until the server closes. TLS 1.3 lets a client finish before the server has judged
    ///   its certificate.
    private func handshake(
        _ federation: InteropFederation, _ arguments: [String], toTheEnd: Bool
    ) async throws -> String {
        try await ChildProgram.run(
            "s_client",
            [
                "openssl", "s_client", "-connect", "localhost:\(federation.port)", "-servername", "localhost",
                "-alpn", "consilium/1", "-CAfile", federation.certificate("authority.pem"), "-verify_return_error",
            ] + (toTheEnd ? ["-ign_eof"] : []) + arguments, in: federation.folder
        ).output
    }

    @Test func aMemberGetsTLS13WithTheBestGroupThatItKnows() async throws {
        let federation = try await InteropFederation(rounds: 1, sites: [])
        let known = try await ChildProgram.run("kems", ["openssl", "list", "-kem-algorithms"], in: federation.folder)
        let group = known.output.contains("X25519MLKEM768") ? "X25519MLKEM768" : "X25519, 253 bits"
        let printed = try await handshake(federation, member(of: federation), toTheEnd: false)
        for line in ["New, TLSv1.3", "Verify return code: 0 (ok)", "ALPN protocol: consilium/1", group] {
            #expect(printed.contains(line), "\(printed)")
        }
    }

    @Test func nobodyIsServedWithoutACertificate() async throws {
        let federation = try await InteropFederation(rounds: 1, sites: [])
        let printed = try await handshake(federation, [], toTheEnd: true)
        #expect(printed.contains("alert certificate required"), "\(printed)")
    }

    @Test(arguments: [
        (["-tls1_2"], "alert protocol version"),
        (["-groups", "P-384"], "alert handshake failure"),
        (["-groups", "P-256"], "New, TLSv1.3"),
    ])
    func olderVersionsAndOtherGroupsAreRefused(arguments: [String], expected: String) async throws {
        let federation = try await InteropFederation(rounds: 1, sites: [])
        let printed = try await handshake(federation, member(of: federation) + arguments, toTheEnd: false)
        #expect(printed.contains(expected), "\(printed)")
        #expect(printed.contains("Cipher is (NONE)") == expected.hasPrefix("alert"), "\(printed)")
    }
}
