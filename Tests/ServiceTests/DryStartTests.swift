// SPDX-License-Identifier: Apache-2.0
// `--check` of both daemons: silent about nothing that would stop them, and without a trace on the disk.

import AggregatorService
import Enrolment
import Federation
import Foundation
import SiteService
import StudyFiles
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3)))
final class DryStartTests {
    private let folder: String
    private let authority: TestAuthority

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/dry-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        authority = try TestAuthority()
        try Data(TestStudy.table(rows: 12, seed: 1)).write(to: URL(fileURLWithPath: folder + "/rows.csv"))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func tls(_ files: TestAuthority.Files) -> String {
        """
        tls:
          certificate: \(files.certificateChainPath)
          privateKey: \(files.privateKeyPath)
          authority: \(files.trustRootsPath)
        """
    }

    private func file(_ name: String, _ text: String) throws -> String {
        let path = "\(folder)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func site(
        _ files: TestAuthority.Files, name: String = "a", table: String = "rows.csv", columns: String = "{}"
    ) throws -> String {
        try file(
            "site.yaml",
            """
            site: \(name)
            aggregator: {host: localhost}
            \(tls(files))
            datasets:
              - {name: rows, file: \(table), columns: \(columns)}

            """)
    }

    private func aggregator(_ files: TestAuthority.Files, federation: String = "test") throws -> String {
        _ = try file("members.yaml", "\"fl://test/site/a\": a\n")
        return try file(
            "aggregator.yaml",
            """
            federation: \(federation)
            members: members.yaml
            \(tls(files))

            """)
    }

    private func failures(_ checks: [StartCheck]) -> [String] { checks.filter(\.hasFailed).map(\.text) }

    private func dryStart(site path: String) throws -> [StartCheck] {
        SiteDaemon.dryStart(try SiteConfiguration.load(path, environment: [:]))
    }

    @Test func aSiteThatCanStartHasNothingToComplainAbout() throws {
        let path = try site(try authority.leaf(id: "a"))
        let before = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        let checks = try dryStart(site: path)
        #expect(failures(checks).isEmpty)
        #expect(checks.map(\.subject) == ["certificate and key", "state directory", "policy", "data set rows"])
        #expect(checks.contains { $0.text == "ok: data set rows: 12 rows, 3 columns" })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == before)
    }

    @Test func aKeyThatOthersMayReadFails() throws {
        let files = try authority.leaf(id: "a")
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: files.privateKeyPath)
        let found = failures(try dryStart(site: try site(files)))
        #expect(found.count == 1)
        #expect(found.first?.contains("chmod 600") == true)
    }

    @Test func aCertificateOfAnotherSiteFails() throws {
        let found = failures(try dryStart(site: try site(try authority.leaf(id: "b"))))
        #expect(found.count == 1)
        #expect(found.first?.contains("is not the certificate of the site a\nhint:") == true)
    }

    @Test func anExpiredCertificateFails() throws {
        let found = failures(try dryStart(site: try site(try authority.leaf(id: "a", validity: .expired))))
        #expect(found.count == 1)
        #expect(found.first?.contains("has expired") == true)
    }

    @Test func aTableThatIsNotThereOrLacksAColumnFails() throws {
        let files = try authority.leaf(id: "a")
        #expect(failures(try dryStart(site: try site(files, table: "none.csv"))).count == 1)
        let found = failures(try dryStart(site: try site(files, columns: "{x: age}")))
        #expect(found.first?.contains("lacks the column that `columns.x` names") == true)
        #expect(failures(try dryStart(site: try site(files, columns: "{x: {column: 4}}"))).count == 1)
        #expect(failures(try dryStart(site: try site(files, columns: "{x: {column: 3}}"))).isEmpty)
    }

    @Test func aPolicyThatIsNotThereIsSaidAndABrokenOneFails() throws {
        let path = try site(try authority.leaf(id: "a"))
        let text = "warning: policy: \(folder)/policy.yaml is not there"
        #expect(try dryStart(site: path).contains { $0.text.hasPrefix(text) })
        _ = try file("policy.yaml", "unknown: key\n")
        #expect(failures(try dryStart(site: path)).count == 1)
    }

    @Test func everyFaultIsNamedAtOnce() throws {
        let files = try authority.leaf(id: "b")
        let path = try site(files, table: "none.csv")
        try FileManager.default.createDirectory(
            atPath: folder + "/state", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        #expect(failures(try dryStart(site: path)).count == 3)
    }

    @Test func anAggregatorMustHaveItsOwnCertificateAndFederation() throws {
        func failed(_ path: String) throws -> [String] {
            failures(AggregatorDaemon.dryStart(try AggregatorConfiguration.load(path, environment: [:])))
        }
        let own = try authority.leaf(id: "aggregator", role: "aggregator")
        #expect(try failed(try aggregator(own)).isEmpty)
        #expect(try failed(try aggregator(own, federation: "other")).count == 1)
        #expect(try failed(try aggregator(try authority.leaf(id: "a"))).count == 1)
        #expect(!FileManager.default.fileExists(atPath: folder + "/state"))
    }

    @Test func withoutAJoinTheSiteIsTold() throws {
        let path = try file("site.yaml", "site: a\naggregator: {host: localhost}\n")
        let found = failures(try dryStart(site: path))
        #expect(found.count == 1)
        #expect(found.first?.contains("consilium site join --token-file FILE --directory \(folder)/keys") == true)
        #expect(!FileManager.default.fileExists(atPath: folder + "/keys"))
    }

    @Test func anAggregatorNeedsItsFederation() throws {
        func checks(_ name: String) throws -> [StartCheck] {
            let path = try file("aggregator.yaml", "federation: \(name)\n")
            return AggregatorDaemon.dryStart(try AggregatorConfiguration.load(path, environment: [:]))
        }
        let missing = failures(try checks("test.example.org"))
        #expect(missing.count == 1 && missing.first?.contains("consilium federation init") == true)
        #expect(!FileManager.default.fileExists(atPath: folder + "/keys"))
        _ = try AuthorityFolder.make(
            AuthorityFolder.Plan(federation: "test.example.org", hosts: ["localhost"], newMembers: .trustOperator),
            at: folder + "/keys", now: Int64(Date().timeIntervalSince1970))
        #expect(failures(try checks("test.example.org")).isEmpty)
        #expect(failures(try checks("another.example.org")).count == 1)
    }

    @Test func theProgramsSayItByTheirExitStatus() async throws {
        let good = try authority.leaf(id: "a")
        func status(_ program: String, _ path: String) async throws -> Int32 {
            try await Daemon(
                Daemon.programs.appending(path: program).path, ["--config", path, "--check"], log: folder + "/log"
            ).exitStatus()
        }
        #expect(try await status("consilium-site", try site(good)) == 0)
        #expect(try await status("consilium-site", try site(good, table: "none.csv")) == 1)
        let own = try authority.leaf(id: "aggregator", role: "aggregator")
        #expect(try await status("consilium-aggregator", try aggregator(own)) == 0)
        #expect(try await status("consilium-aggregator", try aggregator(good)) == 1)
        #expect(!FileManager.default.fileExists(atPath: folder + "/state"))
    }
}
