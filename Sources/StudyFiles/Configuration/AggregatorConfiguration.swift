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
    /// The folder that `consilium federation init` made; unused with ``members``.
    package var keysDirectory: String
    /// Where newcomers connect.
    package var enrolment: EnrolmentEndpoint
    /// With certificates of another authority: a name in each certificate, and its site. Nil with our own.
    package var members: [String: SiteID]?
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

    /// Where the port for newcomers is.
    package struct EnrolmentEndpoint: Hashable, Sendable {
        package var address: NetworkAddress
        /// The name by which newcomers reach it; it stands in tokens.
        package var name: String

        package init(address: NetworkAddress, name: String) {
            self.address = address
            self.name = name
        }
    }

    package init(
        federation: String, stateDirectory: String, listen: NetworkAddress, tls: TLSFiles, logLevel: LogLevel,
        keysDirectory: String, enrolment: EnrolmentEndpoint, members: [String: SiteID]?, limits: Limits
    ) {
        self.federation = federation
        self.stateDirectory = stateDirectory
        self.listen = listen
        self.tls = tls
        self.logLevel = logLevel
        self.keysDirectory = keysDirectory
        self.enrolment = enrolment
        self.members = members
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
            .keysDirectory,
            .setting("enrolment.host", .described("as `listen.host`"), "address on which newcomers connect"),
            .setting("enrolment.port", .standard("7444"), "TCP port for newcomers; 0 takes any free one"),
            .setting("enrolment.name", .standard("localhost"), "the name by which newcomers reach it, for tokens"),
            .setting(
                "members", .described("those enrolled here"),
                "file for certificates of another authority: lines `NAME: SITE`, a URI or DNS name of the certificate"),
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
        let enrolment = try fields.section("enrolment")
        let host = try listen.value("host").host()
        let keys = try fields.value("keysDirectory").filePath(in: folder)
        self.init(
            federation: try fields.value("federation").federation(),
            stateDirectory: try fields.value("stateDirectory").filePath(in: folder),
            listen: NetworkAddress(
                host: host, port: try listen.value("port").integer(0...65_535)),
            tls: try TLSFiles(fields.optionalSection("tls"), folder: folder, keys: keys),
            logLevel: try fields.section("log").value("level").keyword(LogLevel.self),
            keysDirectory: keys,
            enrolment: EnrolmentEndpoint(
                address: NetworkAddress(
                    host: try enrolment.optional("host")?.host() ?? host,
                    port: try enrolment.value("port").integer(0...65_535)),
                name: try enrolment.value("name").host()),
            members: try Self.members(fields.optional("members"), folder: folder),
            limits: Limits(
                maximumConnections: try limits.value("maximumConnections").integer(1...1_000_000),
                maximumModelBytes: try limits.value("maximumModelBytes").integer(4...1 << 40)))
    }

    /// Reads the file that maps names of certificates to sites.
    private static func members(_ reader: DocumentReader?, folder: String) throws(DocumentError) -> [String: SiteID]? {
        guard let reader else { return nil }
        let path = try reader.filePath(in: folder)
        let document: DocumentNode
        do { document = try YAMLDocument.load(contentsOf: path) } catch {
            throw reader.error("names a file that cannot be read as YAML", hint: "check \(path)")
        }
        guard case .mapping(let fields) = document.content else {
            throw reader.error("names a file that is no mapping", hint: "lines `fl://FEDERATION/site/NAME: NAME`")
        }
        var members: [String: SiteID] = [:]
        for field in fields { members[field.key] = try DocumentReader(field.value, path: "members").name() }
        return members
    }
}
