// SPDX-License-Identifier: Apache-2.0
// The table of keys and the code that reads them agree, and the reference lists them all.

import Federation
import StudyFiles
import Testing

@Suite struct ConfigurationSchemaTests {
    /// A list of lists is right for no key.
    private let wrong = DocumentNode(
        .sequence([DocumentNode(.sequence([]))]), position: SourcePosition(line: 99, column: 7))

    @Test func everyKeyOfASiteIsRead() throws {
        let text = SiteConfigurationTests.text.replacing(
            "host: fl.example.org", with: "host: fl.example.org\n  proxy: {host: p, port: 1}")
        let document = try YAMLDocument.parse(text, path: "site.yaml")
        for key in SiteConfiguration.schema.keys {
            let path = key.path.replacing("NAME", with: "chol")
            #expect(throws: DocumentError.self, "\(path)") {
                try SiteConfiguration(document: document.setting(path, to: wrong), folder: "/")
            }
        }
        _ = try SiteConfiguration(document: document, folder: "/")
    }

    @Test func everyKeyOfAnAggregatorIsRead() throws {
        let document = try YAMLDocument.parse(AggregatorConfigurationTests.text, path: "aggregator.yaml")
        for key in AggregatorConfiguration.schema.keys {
            #expect(throws: DocumentError.self, "\(key.path)") {
                try AggregatorConfiguration(document: document.setting(key.path, to: wrong), folder: "/")
            }
        }
        _ = try AggregatorConfiguration(document: document, folder: "/")
    }

    @Test func pathsAreUnique() {
        for schema in [SiteConfiguration.schema, AggregatorConfiguration.schema] {
            #expect(Set(schema.keys.map(\.path)).count == schema.keys.count)
            #expect(
                Set(schema.keys.compactMap(\.environmentName)).count == schema.keys.compactMap(\.environmentName).count)
        }
    }

    @Test func theReferenceHasOneRowForEachKey() {
        let rows = SiteConfiguration.reference().split(separator: "\n")
        #expect(rows.count == SiteConfiguration.schema.keys.count + 3)
        #expect(rows[0] == "## site.yaml")
        #expect(
            rows.contains("| `site` | required |  | the hospital's name in the federation, as in its certificate |"))
        #expect(
            rows.contains(
                "| `aggregator.port` | `7443` | `CONSILIUM_AGGREGATOR_PORT` | TCP port of the aggregator |"))
        #expect(rows.allSatisfy { $0.hasPrefix("##") || $0.split(separator: "|").count == 4 })
        #expect(AggregatorConfiguration.reference().contains("| `limits.maximumModelBytes` | `1073741824` |"))
    }
}
