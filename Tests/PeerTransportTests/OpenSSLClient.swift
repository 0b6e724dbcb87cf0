// SPDX-License-Identifier: Apache-2.0
// A TLS client of another make: the openssl command.

import Foundation
import PeerTransport
import TestSupport
import Testing

/// `openssl s_client` with our protocol and a client certificate.
struct OpenSSLClient {
    static let path = "/usr/bin/openssl"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    let files: TestAuthority.Files
    let port: Int

    /// Sends the control frame `hello`, waits for its echo or five seconds, and returns all the command printed.
    ///
    /// The echo shows that the server has finished the handshake, and with it sent its tickets.
    func exchangeHello(_ arguments: String) async throws -> String {
        let printed = FileManager.default.temporaryDirectory.appending(path: "c-\(UUID().uuidString).out").path
        defer { unlink(printed) }
        let talk =
            "printf '\\000\\000\\000\\006\\001hello'; n=0; "
            + "until grep -aq hello \(printed) || [ $n -ge 100 ]; do sleep 0.05; n=$((n+1)); done"
        let client =
            "\(Self.path) s_client -connect 127.0.0.1:\(port) -servername localhost -tls1_3"
            + " -alpn \(TLSIdentity.applicationProtocol) -cert \(files.certificateChainPath)"
            + " -key \(files.privateKeyPath) -CAfile \(files.trustRootsPath) \(arguments)"
        try await shell(": > \(printed); (\(talk)) | \(client) > \(printed) 2> /dev/null")
        return String(decoding: try Data(contentsOf: URL(filePath: printed)), as: UTF8.self)
    }

    /// Runs a script and waits for its end. (Foundation's `Process` was seen to miss the end of its child here.)
    private func shell(_ script: String) async throws {
        var child = pid_t()
        let words = ["/bin/sh", "-c", script, "PATH=/usr/bin:/bin"].map { (word: String) in strdup(word) }
        defer { for word in words { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Else the client would hold the sockets that other tests listen on.
        for descriptor in 3..<1_024 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        let failure = posix_spawn(&child, "/bin/sh", &actions, nil, words[..<3] + [nil], [words[3], nil])
        try #require(failure == 0)
        var status: CInt = 0
        while waitpid(child, &status, WNOHANG) == 0 { try await Task.sleep(for: .milliseconds(10)) }
    }
}
