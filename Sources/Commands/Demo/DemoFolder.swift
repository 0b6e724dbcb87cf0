// SPDX-License-Identifier: Apache-2.0
// The demo's work folder: certificates, configuration, tables, state and logs of every party.

import AggregatorService
import Enrolment
import Federation
import Foundation
import Randomness
import StudyFiles

/// A folder in which each party has a folder of its own.
///
///     offline/      the root's key under a passphrase that nobody keeps: a demo ends before it is needed
///     aggregator/   aggregator.yaml, environment, keys/, state/, log
///     <site>/       site.yaml, tables, environment, keys/, state/, log
///     start         runs one party again: `start aggregator`, `start <site>`
struct DemoFolder: Sendable {
    let root: URL

    var aggregator: URL { root.appending(path: "aggregator") }
    var aggregatorState: URL { aggregator.appending(path: "state") }
    var controlSocket: String { aggregatorState.appending(path: "control.sock").path }
    var listening: URL { aggregatorState.appending(path: "listening.json") }

    func site(_ name: SiteID) -> URL { root.appending(path: name.rawValue) }
    func log(of party: String) -> URL { root.appending(path: "\(party)/log") }

    /// Makes the folder: `kept`, which must be new or empty, or a temporary one.
    init(kept: String?) throws {
        let files = FileManager.default
        if let kept {
            root = URL(fileURLWithPath: kept).standardizedFileURL
            if let content = try? files.contentsOfDirectory(atPath: root.path), !content.isEmpty {
                throw CommandError(
                    .notDone, "the folder \(kept) is not empty", hint: "name a new folder, or empty this one")
            }
        } else {
            root = files.temporaryDirectory.appending(path: "consilium-demo-\(UUID().uuidString.prefix(8))")
        }
        // `sockaddr_un` holds 107 bytes and a zero.
        let socket = root.appending(path: "aggregator/state/control.sock").path
        guard socket.utf8.count <= 107 else {
            throw CommandError(
                .notDone, "the path of the folder is too long for a socket in it",
                hint: "name a folder with a shorter path")
        }
        do {
            try files.createDirectory(
                at: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw CommandError(
                .notDone, "the folder \(root.path) cannot be made", hint: "check that its parent may be written")
        }
    }

    func remove() { try? FileManager.default.removeItem(at: root) }

    /// Makes the federation and the parties' folders.
    func prepare(sites: [SampleSite], port: Int, project: ProjectFiles) throws {
        do {
            let passphrase = Array(RandomSource.system.bytes(16).hex.utf8)
            _ = try NewFederation.make(
                AuthorityFolder.Plan(federation: "demo", hosts: ["localhost"], newMembers: .trustOperator),
                directory: aggregator.path, offline: root.appending(path: "offline").path, passphrase: passphrase)
            try write(
                """
                # The aggregator of a demo; every key is explained by `consilium-aggregator --config-reference`.
                federation: demo
                stateDirectory: state
                keysDirectory: keys

                """, to: aggregator.appending(path: "aggregator.yaml"))
            try writeAggregatorEnvironment(port: port, enrolmentPort: 0)
            for site in sites { try make(site) }
            try writeStart(programs: project.programs)
        } catch {
            throw CommandError(error)
        }
    }

    private func make(_ site: SampleSite) throws {
        let files = FileManager.default
        let folder = self.site(site.configuration.site)
        try files.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let items = try files.contentsOfDirectory(at: site.folder, includingPropertiesForKeys: [.isRegularFileKey])
        for item in items where try item.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true {
            try files.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
        }
    }

    func keys(of site: SiteID) -> String { self.site(site).appending(path: "keys").path }

    /// Tells a site where the aggregator listens and where its own files are.
    ///
    /// - Parameter seed: replaces the system's randomness, for a demo that can be repeated.
    func writeEnvironment(of site: SiteID, port: Int, seed: UInt64?) throws {
        let folder = self.site(site)
        func path(_ name: String) -> String { folder.appending(path: name).path }
        var values = [
            "CONSILIUM_AGGREGATOR_HOST": "localhost", "CONSILIUM_AGGREGATOR_PORT": "\(port)",
            "CONSILIUM_AGGREGATOR_SERVER_NAME": "localhost", "CONSILIUM_STATE_DIRECTORY": path("state"),
            "CONSILIUM_KEYS_DIRECTORY": keys(of: site),
        ]
        if let seed { values["CONSILIUM_INSECURE_SEED_FOR_SIMULATION"] = "\(seed)" }
        try writeEnvironment(values, in: folder)
    }

    /// Tells the aggregator where to listen; written again once a port is known, so that a restart by hand takes the
    /// same.
    func writeAggregatorEnvironment(port: Int, enrolmentPort: Int) throws {
        try writeEnvironment(
            [
                "CONSILIUM_LISTEN_HOST": "127.0.0.1", "CONSILIUM_LISTEN_PORT": "\(port)",
                "CONSILIUM_ENROLMENT_PORT": "\(enrolmentPort)",
            ], in: aggregator)
    }

    /// The lines of a party's `environment` file.
    func environment(of party: String) throws -> [String: String] {
        let text = try String(contentsOf: root.appending(path: "\(party)/environment"), encoding: .utf8)
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
            }, uniquingKeysWith: { _, last in last })
    }

    // MARK: Files

    /// A script for people who look at a kept demo.
    private func writeStart(programs: URL) throws {
        let quoted = "'" + programs.path.replacing("'", with: "'\\''") + "'"
        let start = root.appending(path: "start")
        try write(
            """
            #!/bin/sh
            # Runs one party of this demo again until Ctrl-C: `start aggregator`, `start <site>`.
            set -eu
            if [ $# -ne 1 ] || [ ! -r "$(dirname "$0")/$1/environment" ]; then
                echo 'error: name one party, which is a folder beside this script' >&2
                exit 2
            fi
            cd "$(dirname "$0")/$1"
            while IFS= read -r line; do export "$line"; done <environment
            case $1 in
            aggregator) exec \(quoted)/consilium-aggregator --config aggregator.yaml ;;
            *) exec \(quoted)/consilium-site --config site.yaml ;;
            esac

            """, to: start)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: start.path)
    }

    /// `KEY=VALUE` lines, the form of systemd's `EnvironmentFile`.
    private func writeEnvironment(_ values: [String: String], in folder: URL) throws {
        let lines = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        try write(lines.joined(), to: folder.appending(path: "environment"))
    }

    private func write(_ text: String, to file: URL) throws {
        try Data(text.utf8).write(to: file, options: .atomic)
    }
}
