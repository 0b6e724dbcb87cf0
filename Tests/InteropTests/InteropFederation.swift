// SPDX-License-Identifier: Apache-2.0
// An aggregator and two sites as daemons on real sockets, with a third member that is not of our make.

import ClinicalData
import Federation
import Foundation
import Store
import StudyFiles
import TestSupport
import Testing

/// The built daemons `consilium-aggregator` and, for Cleveland and Budapest, `consilium-site`.
///
/// The third member, `foreign`, has a certificate and the table of Zurich and Basel. The study is the heart study with a
/// learning rate so small that our own sites change nothing: what changes in the model is the foreign site's doing.
final class InteropFederation: Sendable {
    static let project = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    static let ownSites = ["cleveland", "budapest"]
    static let foreignTable = "zurich-basel"

    let folder: URL
    let port: Int
    let study: Study
    private let daemons: [ChildProgram]

    /// Starts the daemons and waits until the aggregator listens.
    ///
    /// - Parameter sites: of ``ownSites``, those that are started.
    init(rounds: Int, sites: [String] = ownSites) async throws {
        folder = try Self.makeFolder()
        try await Self.makeCertificates(
            [("aggregator", "aggregator"), ("foreign", "site")] + sites.map { ($0, "site") }, in: folder)
        var text = try String(contentsOf: Self.project.appending(path: "studies/heart-disease.yaml"), encoding: .utf8)
        for (old, new) in [
            ("rounds: 15", "rounds: \(rounds)"), ("learningRate: 0.01", "learningRate: 1e-12"),
            // 27 bits in the ring of three sites, so that 14 parameters leave padding.
            ("valueBits: 20", "valueBits: 19"),
        ] {
            try #require(text.contains(old))
            text = text.replacing(old, with: new)
        }
        study = try StudyFile.parse(text, path: "studies/heart-disease.yaml")
        try text.write(to: folder.appending(path: "study.yaml"), atomically: true, encoding: .utf8)

        try Self.write(
            """
            federation: demo
            stateDirectory: state
            listen: {host: 127.0.0.1, port: 0}
            tls:
              certificate: ../certs/aggregator.pem
              privateKey: ../certs/aggregator.key
              authority: ../certs/authority.pem
            members: members.yaml

            """, to: folder, "aggregator/aggregator.yaml")
        try Self.write(
            (["foreign"] + Self.ownSites).map { "\"fl://demo/site/\($0)\": \($0)\n" }.joined(), to: folder,
            "aggregator/members.yaml")
        var daemons = [try Self.daemon("aggregator", program: "consilium-aggregator", in: folder)]
        let announcement = folder.appending(path: "aggregator/state/listening.json")
        let control = folder.appending(path: "aggregator/state/control.sock")
        let aggregator = daemons[0]
        port = try await ChildProgram.until("the aggregator", output: aggregator.output) {
            guard FileManager.default.fileExists(atPath: control.path) else { return nil }
            return (try? Data(contentsOf: announcement)).flatMap {
                try? JSONDecoder().decode([String: Int].self, from: $0)["port"]
            }
        }
        for site in sites { daemons.append(try Self.startSite(site, port: port, in: folder)) }
        self.daemons = daemons
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    // MARK: Members

    func certificate(_ name: String) -> String { folder.appending(path: "certs/\(name)").path }

    /// A script of `Tests/Interop` as the member `foreign`, with its table.
    func foreignSite(running script: String = "foreign_site.py", _ arguments: [String]) throws -> ChildProgram {
        let words = [
            "python3", Self.project.appending(path: "Tests/Interop/\(script)").path, "--port", "\(port)",
            "--certificate", certificate("foreign.pem"), "--key", certificate("foreign.key"),
            "--authority", certificate("authority.pem"), "--study", study.name,
            "--table", Self.project.appending(path: "sites/\(Self.foreignTable)/patients.csv").path,
            "--state", folder.appending(path: "foreign").path,
        ]
        return try ChildProgram(
            script, words + arguments, output: folder.appending(path: "\(script)-\(UUID().uuidString.prefix(8)).out"))
    }

    /// The encoded tables of all three members, as our own sites read them.
    func tables() throws -> [EncodedTable] {
        try (Self.ownSites + [Self.foreignTable]).map { name in
            let configuration = try SiteConfiguration.load(
                Self.project.appending(path: "sites/\(name)/site.yaml").path, environment: [:])
            let dataset = try #require(configuration.dataset(named: "heart-disease"))
            return try TableLoader(contract: study.data, mapping: dataset.mapping).load().table
        }
    }

    // MARK: The aggregator

    var state: String { folder.appending(path: "aggregator/state").path }

    func submit() async throws {
        let result = try await ChildProgram.run(
            "submit",
            [
                Self.programs.appending(path: "consilium").path, "study", "submit",
                folder.appending(path: "study.yaml").path, "--state", state,
            ], in: folder)
        try #require(result.status == 0, "\(result.output)")
    }

    /// The aggregator's records, read beside the running daemon.
    func store() throws -> AggregatorStore { try AggregatorStore.openReadOnly(directory: state) }

    func modelPath(round: Int) async throws -> String {
        let model = try await store().models(study: study.hash)
            .first { $0.record.role == .model && $0.record.round == round }
        return "\(state)/models/\(try #require(model).blob.digest.hex)"
    }

    func log() -> String { daemons[0].output }

    // MARK: Files and processes

    static func makeFolder() throws -> URL {
        // Short: the path of a Unix socket must fit 107 bytes.
        let folder = FileManager.default.temporaryDirectory.appending(path: "interop-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder
    }

    /// Certificates of a new authority in `certs/`, one for each name and role.
    static func makeCertificates(_ members: [(name: String, role: String)], in folder: URL) async throws {
        let certificates = folder.appending(path: "certs").path
        let files = FileManager.default
        try files.createDirectory(atPath: certificates, withIntermediateDirectories: true)
        let authority = try TestAuthority(federation: "demo")
        try files.copyItem(atPath: authority.rootPath, toPath: certificates + "/authority.pem")
        for (name, role) in members {
            let leaf = try authority.leaf(id: name, role: role)
            try files.copyItem(atPath: leaf.certificateChainPath, toPath: "\(certificates)/\(name).pem")
            try files.copyItem(atPath: leaf.privateKeyPath, toPath: "\(certificates)/\(name).key")
        }
    }

    /// A sample hospital's daemon, with its own configuration and table.
    static func startSite(_ site: String, port: Int, in folder: URL) throws -> ChildProgram {
        var configuration = try String(
            contentsOf: project.appending(path: "sites/\(site)/site.yaml"), encoding: .utf8)
        for (old, new) in [
            ("7443", "\(port)"),
            (
                "keysDirectory: keys",
                "tls: {certificate: ../certs/\(site).pem, privateKey: ../certs/\(site).key, authority: ../certs/authority.pem}"
            ),
            ("patients.csv", project.appending(path: "sites/\(site)/patients.csv").path),
        ] { configuration = configuration.replacing(old, with: new) }
        try write(configuration, to: folder, "\(site)/site.yaml")
        let policy = try String(contentsOf: project.appending(path: "sites/\(site)/policy.yaml"), encoding: .utf8)
        try write(policy, to: folder, "\(site)/policy.yaml")
        return try daemon(site, program: "consilium-site", in: folder)
    }

    private static func daemon(_ party: String, program: String, in folder: URL) throws -> ChildProgram {
        let file = party == "aggregator" ? "aggregator.yaml" : "site.yaml"
        return try ChildProgram(
            party,
            [programs.appending(path: program).path, "--config", folder.appending(path: "\(party)/\(file)").path],
            output: folder.appending(path: "\(party).log"))
    }

    private static func write(_ text: String, to folder: URL, _ name: String) throws {
        let file = folder.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try text.write(to: file, atomically: true, encoding: .utf8)
    }
}
