// SPDX-License-Identifier: Apache-2.0
// Variables of the environment: they win over the file, pass the same checks, and are named in errors.

import Federation
import StudyFiles
import Testing

@Suite struct EnvironmentOverlayTests {
    private func load(_ environment: [String: String], text: String = SiteConfigurationTests.text) throws
        -> SiteConfiguration
    {
        try ProjectFiles.withFile(Array(text.utf8)) { try SiteConfiguration.load($0, environment: environment) }
    }

    @Test func variablesWinOverTheFile() throws {
        let site = try load([
            "CONSILIUM_AGGREGATOR_HOST": "192.0.2.1", "CONSILIUM_AGGREGATOR_PORT": "9000",
            "CONSILIUM_TLS_PRIVATE_KEY": "/run/secrets/key", "CONSILIUM_STATE_DIRECTORY": "/data",
            "CONSILIUM_LOG_LEVEL": "trace", "CONSILIUM_AGGREGATOR_SERVER_NAME": "fl.example.org",
            "CONSILIUM_THREADS": "3",
        ])
        #expect(site.aggregator.address == NetworkAddress(host: "192.0.2.1", port: 9000))
        #expect(site.aggregator.serverName == "fl.example.org")
        #expect(site.tls.privateKey == "/run/secrets/key")
        #expect(site.tls.certificate.hasSuffix("/tls/site.pem"))
        #expect(site.stateDirectory == "/data")
        #expect(site.logLevel == .trace)
        #expect(site.threads == 3)
    }

    @Test func variablesMaySupplyWhatTheFileLacks() throws {
        let text = "site: st-mary\n"
        #expect(throws: FileError.self) { try load([:], text: text) }
        let site = try load(
            [
                "CONSILIUM_AGGREGATOR_HOST": "localhost", "CONSILIUM_AGGREGATOR_PROXY_HOST": "proxy",
                "CONSILIUM_AGGREGATOR_PROXY_PORT": "3128", "CONSILIUM_TLS_CERTIFICATE": "/a.pem",
                "CONSILIUM_TLS_PRIVATE_KEY": "/b.key", "CONSILIUM_TLS_AUTHORITY": "/c.pem",
            ], text: text)
        #expect(site.aggregator.proxy == NetworkAddress(host: "proxy", port: 3128))
        #expect(site.tls == TLSFiles(certificate: "/a.pem", privateKey: "/b.key", authority: "/c.pem"))
    }

    @Test func otherVariablesChangeNothing() throws {
        let plain = try YAMLDocument.parse(SiteConfigurationTests.text, path: "f")
        let expected = try SiteConfiguration(document: plain, folder: "/")
        var found = try load([
            "AGGREGATOR_PORT": "1", "CONSILIUM_SITE": "other", "CONSILIUM_PORT": "1", "consilium_log_level": "trace",
            "CONSILIUM_DATASETS": "x", "PATH": "/bin",
        ])
        found.stateDirectory = expected.stateDirectory
        #expect(found.site == expected.site)
        #expect(found.aggregator == expected.aggregator)
        #expect(found.logLevel == expected.logLevel)
        #expect(found.datasets.map(\.name) == expected.datasets.map(\.name))
    }

    @Test func aWrongVariableIsNamedAndItsValueIsNot() {
        let expected = FileError(
            code: .environment, path: "CONSILIUM_AGGREGATOR_PORT", position: nil,
            problem: "`aggregator.port` must be a whole number", hint: "from 1 to 65535")
        #expect(throws: expected) { try load(["CONSILIUM_AGGREGATOR_PORT": "s3cret"]) }
        #expect(
            expected.description
                == "CONSILIUM_AGGREGATOR_PORT: `aggregator.port` must be a whole number\nhint: from 1 to 65535")
    }

    @Test func anErrorOfTheFileIsNotBlamedOnTheEnvironment() {
        let text = SiteConfigurationTests.text.replacing("tls/site.pem", with: "[]")
        do {
            _ = try load(["CONSILIUM_TLS_PRIVATE_KEY": "/b.key"], text: text)
            Issue.record("was not refused")
        } catch let error as FileError {
            #expect(error.code == .content)
            #expect(error.position == SourcePosition(line: 5, column: 16))
        } catch {
            Issue.record(error)
        }
    }

    @Test func everySettingOfBothFilesHasAVariableThatIsRead() throws {
        func check(_ schema: ConfigurationSchema, _ read: ([String: String]) throws -> Void) {
            let settings = schema.keys.compactMap(\.environmentName)
            #expect(settings.count >= 8)
            for name in settings {
                // Longer than any setting may be.
                let value = String(repeating: "x", count: 2_000)
                do {
                    try read([name: value])
                    Issue.record("\(name) was not read")
                } catch let error as FileError {
                    #expect(error.code == .environment)
                    #expect(error.path == name)
                } catch {
                    Issue.record(error)
                }
            }
        }
        check(SiteConfiguration.schema) { environment in
            // A proxy is read only when it has both parts.
            let proxy = ["CONSILIUM_AGGREGATOR_PROXY_HOST": "p", "CONSILIUM_AGGREGATOR_PROXY_PORT": "1"]
            _ = try load(proxy.merging(environment) { $1 })
        }
        check(AggregatorConfiguration.schema) { environment in
            _ = try ProjectFiles.withFile(Array(AggregatorConfigurationTests.text.utf8)) {
                try AggregatorConfiguration.load($0, environment: environment)
            }
        }
    }
}
