// SPDX-License-Identifier: Apache-2.0
// What the operator's daemon is told: where it listens, who the members are, and its limits.

package import Federation
import Foundation

/// The content of an `aggregator.yaml`, with every path absolute.
package struct AggregatorConfiguration: Hashable, Sendable {
    /// The federation's name, as in the certificates of its members.
    package var federation: String
    package var stateDirectory: String
    /// Port 0 takes any free one.
    package var listen: NetworkAddress
    package var tls: TLSFiles
    package var logLevel: LogLevel
    /// The members; empty means every site with a valid certificate.
    package var sites: [SiteID]
    package var limits: Limits

    /// What one peer, or all of them, may make the aggregator hold.
    package struct Limits: Hashable, Sendable {
        package var maximumConnections: Int
        package var maximumModelBytes: Int

        package init(maximumConnections: Int, maximumModelBytes: Int) {
            self.maximumConnections = maximumConnections
            self.maximumModelBytes = maximumModelBytes
        }
    }

    package init(
        federation: String, stateDirectory: String, listen: NetworkAddress, tls: TLSFiles, logLevel: LogLevel,
        sites: [SiteID], limits: Limits
    ) {
        self.federation = federation
        self.stateDirectory = stateDirectory
        self.listen = listen
        self.tls = tls
        self.logLevel = logLevel
        self.sites = sites
        self.limits = limits
    }
}

extension AggregatorConfiguration {
    /// Every key of an aggregator's configuration file.
    package static let schema = ConfigurationSchema(
        title: "aggregator.yaml",
        keys: [
            .file("federation", .refused, "the federation's name, as in the certificates of its members"),
            .stateDirectory,
            .setting("listen.host", .standard("127.0.0.1"), "address to listen on; `0.0.0.0` or `::` for all"),
            .setting("listen.port", .standard("7443"), "TCP port to listen on; 0 takes any free one"),
        ] + ConfigurationKey.tls + [
            .logLevel,
            .file("sites", .described("every site with a valid certificate"), "list of the member sites"),
            .setting("limits.maximumConnections", .standard("1024"), "connections held open at the same time"),
            .setting("limits.maximumModelBytes", .standard("1073741824"), "size of the largest model, in bytes"),
        ])

    /// A Markdown table of every key.
    package static func reference() -> String { schema.reference() }

    /// Reads the file at `path`; variables of `environment` replace daemon settings.
    ///
    /// Relative paths in either are resolved against the folder of the file.
    /// - Throws: ``FileError``
    package static func load(
        _ path: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> AggregatorConfiguration {
        let document = try YAMLDocument.load(contentsOf: path)
        let overlay = EnvironmentOverlay(document, environment: environment, schema: schema)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            return try AggregatorConfiguration(document: overlay.document, folder: folder)
        } catch {
            throw overlay.fileError(error, path: path)
        }
    }

    /// Reads a document whose relative paths count from `folder`.
    ///
    /// - Throws: ``DocumentError`` for an unknown key, a missing or impossible value, or a site listed twice.
    package init(document: DocumentNode, folder: String) throws(DocumentError) {
        let fields = try SchemaFields(DocumentReader(document), schema: Self.schema)
        let listen = try fields.section("listen")
        let limits = try fields.section("limits")
        var sites: [SiteID] = []
        for element in try fields.optional("sites")?.elements() ?? [] {
            let site = try element.name()
            guard !sites.contains(site) else { throw element.error("is listed twice", hint: "list each site once") }
            sites.append(site)
        }
        self.init(
            federation: try fields.value("federation").name().rawValue,
            stateDirectory: try fields.value("stateDirectory").filePath(in: folder),
            listen: NetworkAddress(
                host: try listen.value("host").host(), port: try listen.value("port").integer(0...65_535)),
            tls: try TLSFiles(fields.section("tls"), folder: folder),
            logLevel: try fields.section("log").value("level").keyword(LogLevel.self),
            sites: sites,
            limits: Limits(
                maximumConnections: try limits.value("maximumConnections").integer(1...1_000_000),
                maximumModelBytes: try limits.value("maximumModelBytes").integer(4...1 << 40)))
    }
}
