// SPDX-License-Identifier: Apache-2.0
// The operator's configuration file: what it means, and where its errors are.

import Federation
import StudyFiles
import Testing

@Suite struct AggregatorConfigurationTests {
    static let text = """
        federation: demo
        tls:
          certificate: tls/aggregator.pem
          privateKey: tls/aggregator.key
          authority: tls/authority.pem
        """

    private func parse(_ text: String) throws -> AggregatorConfiguration {
        try ProjectFiles.withFile(Array(text.utf8)) { try AggregatorConfiguration.load($0, environment: [:]) }
    }

    private func error(adding text: String) throws -> FileError? {
        do {
            _ = try parse(Self.text + "\n" + text)
            return nil
        } catch let error as FileError {
            return error
        }
    }

    @Test func valuesAndDefaultsAreRead() throws {
        let document = try YAMLDocument.parse(Self.text, path: "aggregator.yaml")
        let aggregator = try AggregatorConfiguration(document: document, folder: "/etc/consilium")
        #expect(
            aggregator
                == AggregatorConfiguration(
                    federation: "demo", stateDirectory: "/etc/consilium/state",
                    listen: NetworkAddress(host: "127.0.0.1", port: 7443),
                    tls: TLSFiles(
                        certificate: "/etc/consilium/tls/aggregator.pem",
                        privateKey: "/etc/consilium/tls/aggregator.key", authority: "/etc/consilium/tls/authority.pem"),
                    logLevel: .info, keysDirectory: "/etc/consilium/keys",
                    enrolment: .init(address: NetworkAddress(host: "127.0.0.1", port: 7444), name: "localhost"),
                    members: nil,
                    limits: .init(maximumConnections: 1024, maximumModelBytes: 1 << 30)))
    }

    @Test func everyOptionalValueIsRead() throws {
        let aggregator = try parse(
            Self.text + """

                stateDirectory: /var/lib/consilium
                listen: {host: "::", port: 0}
                log: {level: warning}
                enrolment: {host: 10.0.0.1, port: 0, name: join.example.org}
                limits: {maximumConnections: 10, maximumModelBytes: 4000}
                """)
        #expect(aggregator.stateDirectory == "/var/lib/consilium")
        #expect(aggregator.listen == NetworkAddress(host: "::", port: 0))
        #expect(aggregator.logLevel == .warning)
        #expect(
            aggregator.enrolment
                == .init(address: NetworkAddress(host: "10.0.0.1", port: 0), name: "join.example.org"))
        #expect(aggregator.limits == .init(maximumConnections: 10, maximumModelBytes: 4000))
    }

    @Test(arguments: [
        (
            "members: /absent.yaml", 6, 10, "`members` names a file that cannot be read as YAML", "check /absent.yaml"
        ),
        ("listen: {port: 65536}", 6, 16, "`listen.port` is out of range", "from 0 to 65535"),
        ("listen: {address: x}", 6, 10, "`listen` has an unknown key", "known keys: host, port"),
        ("listen: 7443", 6, 9, "`listen` must be a mapping", "write `key: value` lines; known keys: host, port"),
        (
            "limits: {maximumConnections: 0}", 6, 30, "`limits.maximumConnections` is out of range", "from 1 to 1000000"
        ),
        (
            "log: {level: loud}", 6, 14, "`log.level` is not a known word",
            "one of: trace, debug, info, notice, warning, error, critical"
        ),
        (
            "datasets: []", 6, 1, "the document has an unknown key",
            "known keys: federation, stateDirectory, listen, tls, log, keysDirectory, enrolment, members, limits"
        ),
    ])
    func mistakesAreFoundAtTheirPlace(_ text: String, line: Int, column: Int, problem: String, hint: String) throws {
        let found = try #require(try error(adding: text))
        #expect(found.position == SourcePosition(line: line, column: column))
        #expect(found.problem == problem)
        #expect(found.hint == hint)
    }
}
