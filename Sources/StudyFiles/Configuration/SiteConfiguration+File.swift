// SPDX-License-Identifier: Apache-2.0
// Reading a site.yaml: the table of its keys and the code that turns them into values stand side by side.

package import Federation
import Foundation

extension SiteConfiguration {
    /// Every key of a site's configuration file.
    package static let schema = ConfigurationSchema(
        title: "site.yaml",
        keys: [
            .file("site", .refused, "the hospital's name in the federation, as in its certificate"),
            .stateDirectory,
            .setting("aggregator.host", .refused, "DNS name or IP address of the aggregator"),
            .setting("aggregator.port", .standard("7443"), "TCP port of the aggregator"),
            .setting("aggregator.serverName", .described("the host"), "the name its certificate must carry"),
            .setting("aggregator.proxy.host", .described("no proxy"), "HTTP proxy that supports CONNECT"),
            .setting("aggregator.proxy.port", .described("required with a proxy"), "TCP port of the proxy"),
            .keysDirectory,
        ] + ConfigurationKey.tls + [.logLevel] + [
            .setting(
                "metrics.file", .described("none"),
                "text file of metrics for node-exporter's collector, `….prom`; written every 15 seconds"),
            .setting(
                "threads", .described("all processors"), "processors that training uses at most, 1 to 256"),
            .file(
                "policy", .standard("policy.yaml"), "file with what the hospital allows; without it nothing is allowed"),
        ] + datasetKeys)

    /// A Markdown table of every key.
    package static func reference() -> String { schema.reference() }

    /// Reads the file at `path`; variables of `environment` replace daemon settings.
    ///
    /// Relative paths in either are resolved against the folder of the file.
    /// - Throws: ``FileError``
    package static func load(
        _ path: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> SiteConfiguration {
        let document = try YAMLDocument.load(contentsOf: path)
        let overlay = EnvironmentOverlay(document, environment: environment, schema: schema)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            return try SiteConfiguration(document: overlay.document, folder: folder)
        } catch {
            throw overlay.fileError(error, path: path)
        }
    }

    /// Reads a document whose relative paths count from `folder`.
    ///
    /// - Throws: ``DocumentError`` for an unknown key, a missing or impossible value, or a name used twice.
    package init(document: DocumentNode, folder: String) throws(DocumentError) {
        let fields = try SchemaFields(DocumentReader(document), schema: Self.schema)
        var datasets: [Dataset] = []
        for section in try fields.sections("datasets") {
            let dataset = try Dataset(section, folder: folder)
            guard !datasets.contains(where: { $0.name == dataset.name }) else {
                throw try section.value("name").error("names another data set too", hint: "give each its own name")
            }
            datasets.append(dataset)
        }
        let keys = try fields.value("keysDirectory").filePath(in: folder)
        self.init(
            site: try fields.value("site").name(),
            stateDirectory: try fields.value("stateDirectory").filePath(in: folder),
            aggregator: try AggregatorEndpoint(fields.section("aggregator")),
            tls: try TLSFiles(fields.optionalSection("tls"), folder: folder, keys: keys), keysDirectory: keys,
            logLevel: try fields.section("log").value("level").keyword(LogLevel.self),
            datasets: datasets, policyFile: try fields.value("policy").filePath(in: folder),
            metricsFile: try fields.section("metrics").optional("file")?.filePath(in: folder),
            threads: try fields.optional("threads")?.integer(1...256))
    }
}

extension AggregatorEndpoint {
    fileprivate init(_ fields: SchemaFields) throws(DocumentError) {
        let address = NetworkAddress(
            host: try fields.value("host").host(), port: try fields.value("port").integer(1...65_535))
        var proxy: NetworkAddress?
        if let section = try fields.optionalSection("proxy") {
            proxy = NetworkAddress(
                host: try section.value("host").host(), port: try section.value("port").integer(1...65_535))
        }
        self.init(
            address: address, serverName: try fields.optional("serverName")?.host() ?? address.host, proxy: proxy)
    }
}
