// SPDX-License-Identifier: Apache-2.0
// A temporary folder with an authority, certificates and state, removed at the end.

import Foundation
import PeerTransport

/// The files of one measurement.
struct BenchFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "consilium-bench-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try script("make-authority.sh", [path + "/tls"])
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// A certificate and key under the folder's authority.
    func makeIdentity(_ name: String, role: String) throws -> TLSIdentity {
        try script("make-leaf.sh", [path + "/tls", name, role, "localhost"])
        return TLSIdentity(
            certificateChainPath: "\(path)/tls/\(name).pem", privateKeyPath: "\(path)/tls/\(name).key",
            trustRootsPath: path + "/tls/authority.pem")
    }

    /// The folder of this program's executables.
    static var programs: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    }

    private func script(_ name: String, _ arguments: [String]) throws {
        // The scripts belong to the project: found above the build folder, or from the current directory.
        var folder = URL(fileURLWithPath: Self.programs)
        var candidates = ["certs/\(name)"]
        for _ in 0..<5 {
            folder.deleteLastPathComponent()
            candidates.append(folder.appending(path: "certs/\(name)").path)
        }
        guard let script = candidates.first(where: { FileManager.default.isReadableFile(atPath: $0) }) else {
            throw BenchError("certs/\(name) is not there; run this program inside the project")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["bash", script] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchError("certs/\(name) failed; is openssl installed?") }
    }
}
