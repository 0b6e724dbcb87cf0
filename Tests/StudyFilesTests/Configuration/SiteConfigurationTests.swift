// SPDX-License-Identifier: Apache-2.0
// A hospital's configuration file: what it means, and where its errors are.

import ClinicalData
import Federation
import Foundation
import StudyFiles
import Testing

@Suite struct SiteConfigurationTests {
    static let text = """
        site: st-mary
        aggregator:
          host: fl.example.org
        tls:
          certificate: tls/site.pem
          privateKey: /etc/consilium/site.key
          authority: ../shared/authority.pem
        datasets:
          - name: heart
            file: tables/heart.csv.gz
            columns:
              age: Alter
              chol: {column: 5, unit: mg/dL, scale: 38.67, decimalComma: true}
              sex: {from: Geschlecht, codes: {M: "1", W: "0"}}
        policy: officers.yaml
        """

    private func parse(_ text: String) throws -> SiteConfiguration {
        try ProjectFiles.withFile(Array(text.utf8)) { try SiteConfiguration.load($0, environment: [:]) }
    }

    private func error(replacing old: String, with new: String) throws -> FileError {
        #expect(Self.text.contains(old))
        do {
            _ = try parse(Self.text.replacing(old, with: new, maxReplacements: 1))
        } catch let error as FileError {
            return error
        }
        Issue.record("was not refused")
        throw CancellationError()
    }

    @Test func valuesAndDefaultsAreRead() throws {
        let document = try YAMLDocument.parse(Self.text, path: "site.yaml")
        let site = try SiteConfiguration(document: document, folder: "/srv/sites/st-mary")
        #expect(site.site == SiteID("st-mary"))
        #expect(site.stateDirectory == "/srv/sites/st-mary/state")
        #expect(
            site.aggregator
                == AggregatorEndpoint(
                    address: NetworkAddress(host: "fl.example.org", port: 7443), serverName: "fl.example.org",
                    proxy: nil))
        #expect(
            site.tls
                == TLSFiles(
                    certificate: "/srv/sites/st-mary/tls/site.pem", privateKey: "/etc/consilium/site.key",
                    authority: "/srv/sites/shared/authority.pem"))
        #expect(site.logLevel == .info)
        #expect(site.datasets.map(\.name) == ["heart"])
        #expect(
            site.dataset(named: "heart")?.mapping
                == TableMapping(
                    path: "/srv/sites/st-mary/tables/heart.csv.gz",
                    columns: [
                        "age": ColumnMapping(source: .name("Alter")),
                        "chol": ColumnMapping(source: .number(5), unit: "mg/dL", scale: 38.67, usesDecimalComma: true),
                        "sex": ColumnMapping(source: .name("Geschlecht"), codes: ["M": "1", "W": "0"]),
                    ]))
        #expect(site.policyFile == "/srv/sites/st-mary/officers.yaml")
    }

    @Test func everyOptionalValueIsRead() throws {
        var text = Self.text.replacing(
            "  host: fl.example.org",
            with: """
                  host: 10.0.0.7
                  port: 443
                  serverName: fl.example.org
                  proxy: {host: proxy.local, port: 3128}
                """)
        text = text.replacing(
            "    columns:",
            with: """
                    separator: semicolon
                    encoding: windows1252
                    header: false
                    missing: ["NA", "-9"]
                    columns:
                """)
        text += "\nstateDirectory: /var/lib/consilium\nlog: {level: debug}\n"
        let site = try parse(text)
        #expect(site.stateDirectory == "/var/lib/consilium")
        #expect(site.logLevel == .debug)
        #expect(site.aggregator.address == NetworkAddress(host: "10.0.0.7", port: 443))
        #expect(site.aggregator.serverName == "fl.example.org")
        #expect(site.aggregator.proxy == NetworkAddress(host: "proxy.local", port: 3128))
        let mapping = try #require(site.dataset(named: "heart")?.mapping)
        #expect(mapping.separator == .semicolon)
        #expect(mapping.encoding == .windows1252)
        #expect(!mapping.hasHeader)
        #expect(mapping.missingCodes == ["NA", "-9"])
    }

    @Test func trainingMayUseFewerProcessors() throws {
        #expect(try parse(Self.text).threads == nil)
        #expect(try parse(Self.text + "\nthreads: 2").threads == 2)
        for wrong in ["0", "257", "all"] {
            let error = #expect(throws: FileError.self) { try parse(Self.text + "\nthreads: \(wrong)") }
            #expect(error?.message.contains("`threads`") == true)
        }
    }

    @Test func aSiteMayStartWithoutTables() throws {
        let end = try #require(Self.text.range(of: "datasets:"))
        let site = try parse(String(Self.text[..<end.lowerBound]))
        #expect(site.datasets.isEmpty)
        #expect(site.policyFile.hasSuffix("/policy.yaml"))
    }

    struct Refusal: Sendable {
        var old: String
        var new: String
        var line: Int
        var column: Int
        var problem: String
        var hint: String

        init(_ old: String, _ new: String, _ line: Int, _ column: Int, _ problem: String, _ hint: String) {
            self.old = old
            self.new = new
            self.line = line
            self.column = column
            self.problem = problem
            self.hint = hint
        }
    }

    private static let nameHint = "1 to 63 of a-z, 0-9 and -, not starting or ending with -"

    @Test(arguments: [
        Refusal("site: st-mary", "site: St Mary", 1, 7, "`site` is not a usable name", nameHint),
        Refusal("site: st-mary\n", "", 1, 1, "the document lacks the key `site`", "add `site:`"),
        Refusal(
            "site: st-mary", "Site: st-mary", 1, 1, "the document has an unknown key",
            "known keys: site, stateDirectory, aggregator, keysDirectory, tls, log, metrics, threads, policy, datasets"),
        Refusal(
            "  host: fl.example.org", "  url: fl.example.org", 3, 3, "`aggregator` has an unknown key",
            "known keys: host, port, serverName, proxy"),
        Refusal(
            "  host: fl.example.org", "  host: https://fl.example.org", 3, 9, "`aggregator.host` is not a host",
            "a DNS name or an IP address, without port or scheme"),
        Refusal(
            "  host: fl.example.org", "  host: fl.example.org\n  port: 0", 4, 9, "`aggregator.port` is out of range",
            "from 1 to 65535"),
        Refusal(
            "  host: fl.example.org", "  host: fl.example.org\n  proxy: {host: p}", 4, 10,
            "`aggregator.proxy` lacks the key `port`", "add `port:`"),
        Refusal(
            "  privateKey: /etc/consilium/site.key\n", "", 5, 3, "`tls` lacks the key `privateKey`", "add `privateKey:`"
        ),
        Refusal("tls/site.pem", "\"\"", 5, 16, "`tls.certificate` is empty", "name a file or folder"),
        Refusal(
            "name: heart\n", "name: heart\n    decimalcomma: true\n", 10, 5, "`datasets[0]` has an unknown key",
            "known keys: name, file, separator, encoding, header, missing, columns"),
        Refusal(
            "file: tables/heart.csv.gz", "file: x.csv\n    separator: ;", 11, 16,
            "`datasets[0].separator` is not a known word", "one of: tab, bar, semicolon, comma"),
        Refusal(
            "{column: 5, ", "{", 13, 13, "`datasets[0].columns.chol` must name one column of the table",
            "either `from: NAME` or `column: NUMBER`"),
        Refusal(
            "{column: 5, ", "{column: 0, ", 13, 22, "`datasets[0].columns.chol.column` is out of range",
            "from 1 to 100000"),
        Refusal(
            "scale: 38.67", "scale: 0", 13, 45, "`datasets[0].columns.chol.scale` makes every value the same",
            "any number but 0"),
        Refusal(
            "age: Alter", "age: \"\"", 12, 12, "`datasets[0].columns.age` is empty", "name a column of the table"),
        Refusal(
            "codes: {M", "code: {M", 14, 31, "`datasets[0].columns.sex` has an unknown key",
            "known keys: from, column, unit, scale, offset, decimalComma, codes"),
        Refusal(
            "policy:", "  - {name: heart, file: x}\npolicy:", 15, 12, "`datasets[1].name` names another data set too",
            "give each its own name"),
    ])
    func mistakesAreFoundAtTheirPlace(_ refusal: Refusal) throws {
        let found = try error(replacing: refusal.old, with: refusal.new)
        #expect(found.position == SourcePosition(line: refusal.line, column: refusal.column))
        #expect(found.problem == refusal.problem)
        #expect(found.hint == refusal.hint)
        #expect(found.code == .content)
    }

    @Test(arguments: ["cleveland", "budapest", "zurich-basel", "long-beach"])
    func theSampleHospitalsAreConfiguredForTheHeartDiseaseStudy(_ name: String) throws {
        let site = try SiteConfiguration.load(ProjectFiles.path("sites/\(name)/site.yaml"), environment: [:])
        let study = try StudyFile.load(ProjectFiles.path("studies/heart-disease.yaml"))
        #expect(site.site.rawValue == name)
        let policy = try PolicyFile.load(site.policyFile, datasets: site.datasets.map(\.name))
        let approval = try #require(policy.standingApprovals.approval(name: study.name, hash: study.hash))
        #expect(
            policy.judge(
                study, federation: "demo", dataset: approval.dataset,
                machine: SiteMachine(threads: 2, memoryBytes: 1 << 30)) == [])
        let mapping = try #require(site.dataset(named: approval.dataset)?.mapping)
        #expect(mapping.path == ProjectFiles.path("sites/\(name)/patients.csv"))
        let table = try String(contentsOfFile: mapping.path, encoding: .utf8)
        let header = try #require(table.split(separator: "\n").first).split(separator: ",").map(String.init)
        for column in study.data.columns {
            let own = mapping.columns[column.name] ?? ColumnMapping(source: .name(column.name))
            guard case .name(let source) = own.source else { continue }
            #expect(header.contains(source), "\(column.name)")
            if case .number(let number) = column.kind { #expect(own.unit == number.unit) }
        }
        #expect(mapping.columns.keys.allSatisfy { name in study.data.columns.contains { $0.name == name } })
    }
}
