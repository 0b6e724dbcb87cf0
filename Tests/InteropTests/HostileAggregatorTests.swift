// SPDX-License-Identifier: Apache-2.0
// What the built site daemon does when its aggregator breaks the protocol, or is none.

import Federation
import Foundation
import StudyFiles
import Testing

@Suite(.enabled(if: Programs.areInstalled("python3", "openssl"), "python3 and openssl are needed"))
struct HostileAggregatorTests {
    /// Runs the site Cleveland against the Python aggregator with a member's certificate; returns what that printed.
    private func reactions(to member: String, _ arguments: [String]) async throws -> [String] {
        let folder = try InteropFederation.makeFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        try await InteropFederation.makeCertificates([(member, member), ("cleveland", "site")], in: folder)
        let study = try StudyFile.load(InteropFederation.project.appending(path: "studies/heart-disease.yaml").path)
        try Data(study.canonicalBytes).write(to: folder.appending(path: "study"))
        let portFile = folder.appending(path: "port")
        let certificates = folder.appending(path: "certs")
        let aggregator = try ChildProgram(
            "hostile_aggregator.py",
            [
                "python3", InteropFederation.project.appending(path: "Tests/Interop/hostile_aggregator.py").path,
                "--certificate", certificates.appending(path: "\(member).pem").path,
                "--key", certificates.appending(path: "\(member).key").path,
                "--authority", certificates.appending(path: "authority.pem").path,
                "--study", folder.appending(path: "study").path, "--port-file", portFile.path,
            ] + arguments, output: folder.appending(path: "aggregator.out"))
        let port = try await ChildProgram.until("the aggregator", output: aggregator.output) {
            (try? String(contentsOf: portFile, encoding: .utf8)).flatMap { Int($0) }
        }
        let site = try InteropFederation.startSite("cleveland", port: port, in: folder)
        let status = try await aggregator.status()
        #expect(status == 0, "\(aggregator.output)\n\(site.output)")
        return aggregator.output.split(separator: "\n").map(String.init)
    }

    /// Several ways for each site, so that it is seen to be alive after each; few, because it connects again after ever
    /// longer pauses.
    @Test(arguments: [
        [
            "refuses: closed",
            "welcomes to version 2: closed",
            "offers before the welcome: closed",
            "offers what is no study: decision declined",
        ],
        [
            "sends garbage: closed",
            "sends a chunk without a header: closed",
            "offers another spelling: decision declined",
            "opens a round of an unknown study: decision accepted, withheld taskMismatch",
        ],
        [
            "opens a round of two sites: decision accepted, withheld taskMismatch",
            "opens a round with a huge model: decision accepted, withheld taskMismatch",
            "sends a model that is none: decision accepted, blob_request, withheld taskMismatch",
            "sends another model than announced: decision accepted, blob_request, withheld taskMismatch",
        ],
        [
            "has no model after all: decision accepted, blob_request",
            "releases a model that is none: decision accepted, blob_request",
            "behaves: decision accepted, upload_offer",
        ],
    ])
    func aSiteSurvivesWhateverItsAggregatorSays(expected: [String]) async throws {
        let ways = expected.map { line in String(line.prefix { $0 != ":" }) }
        #expect(try await reactions(to: "aggregator", ["--ways", ways.joined(separator: ",")]) == expected)
    }

    /// A certificate of the consortium is not enough: it must name an aggregator.
    @Test func aSiteSaysNothingToAnotherSite() async throws {
        #expect(try await reactions(to: "site", ["--ways", "listens"]) == ["listens: closed"])
    }
}
