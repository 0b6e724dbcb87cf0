// SPDX-License-Identifier: Apache-2.0
// A temporary folder with an authority, certificates and state, removed at the end.

import Crypto
import Enrolment
import Federation
import Foundation
import PeerTransport
import Randomness
import Store
import WireProtocol

/// The files of one measurement.
struct BenchFolder: Sendable {
    let path: String
    private let authority: CertificateAuthority
    private let random = RandomSource.system

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "consilium-bench-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try SecretFile.prepareFolder(path + "/tls")
        let root = random.tlsKey()
        let rootBytes = try CertificateAuthority.makeRoot(
            federation: "bench", key: root, at: wallSeconds(), random: random)
        let issuing = random.tlsKey()
        authority = try CertificateAuthority(
            federation: "bench", root: rootBytes,
            issuing: try CertificateAuthority.makeIssuing(
                federation: "bench", key: issuing, root: rootBytes, rootKey: root, at: wallSeconds(), random: random),
            key: issuing)
        try SecretFile.write(Array(PEM.text(rootBytes).utf8), to: path + "/tls/authority.pem")
    }

    /// Runs `body` with a function that asks the daemon over its control socket.
    func withControl<Value>(
        _ body: ((ControlRequest) async throws -> ControlReply) async throws -> Value
    ) async throws -> Value {
        try await LocalSocket.withConnection(path: path + "/aggregator/control.sock") { control in
            try await body { request in
                try await control.send(Frame(controlBytes: request.encoded()))
                guard let frame = try await control.nextFrame() else { throw BenchError("the aggregator went away") }
                return try ControlReply(decoding: frame.controlBytes)
            }
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// A certificate and key under the folder's authority.
    func makeIdentity(_ name: String, role: String) throws -> TLSIdentity {
        guard let id = SiteID(name), let role = PartyRole(rawValue: role) else { throw BenchError("no name: \(name)") }
        let key = random.tlsKey()
        let leaf = try authority.issue(
            to: PartyName(role, id),
            keys: PartyKeys(
                statement: random.statementKey().key.publicKey, witness: random.statementKey().key.publicKey),
            publicKey: key.key.publicKey, hosts: ["localhost"], at: wallSeconds(), random: random)
        let file = "\(path)/tls/\(name).pem"
        try SecretFile.write(Array((key.pem + leaf.pem + PEM.text(authority.issuingBytes)).utf8), to: file)
        return TLSIdentity(
            certificateChainPath: file, privateKeyPath: file, trustRootsPath: path + "/tls/authority.pem")
    }

    /// The folder of this program's executables.
    static var programs: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    }
}
