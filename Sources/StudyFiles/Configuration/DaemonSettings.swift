// SPDX-License-Identifier: Apache-2.0
// Settings that the site and the aggregator have in common: addresses, TLS files, the log.

import Federation
import Foundation

/// A host and a TCP port.
package struct NetworkAddress: Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// The PEM files of one end of a TLS connection, as absolute paths.
package struct TLSFiles: Hashable, Sendable {
    /// This end's certificate, followed by the intermediate ones.
    package var certificate: String
    package var privateKey: String
    /// The certificates of the authority that signs the other end's.
    package var authority: String

    package init(certificate: String, privateKey: String, authority: String) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.authority = authority
    }
}

/// How much is logged; the words of swift-log.
package enum LogLevel: String, CaseIterable, Hashable, Sendable {
    case trace
    case debug
    case info
    case notice
    case warning
    case error
    case critical
}

extension ConfigurationKey {
    static let stateDirectory = setting(
        "stateDirectory", .standard("state"), "folder for everything that must survive a restart; made when absent")
    static let keysDirectory = setting(
        "keysDirectory", .standard("keys"), "folder of own keys and certificates, accessible to its owner alone")
    static let tls = [
        setting(
            "tls.certificate", .described("`identity.pem` in `keysDirectory`"),
            "PEM file: own certificate, then the intermediate ones"),
        setting(
            "tls.privateKey", .described("`identity.pem` in `keysDirectory`"),
            "PEM file of the private key, readable by its owner alone"),
        setting(
            "tls.authority", .described("`authority.pem` in `keysDirectory`"),
            "PEM file of the authority that signed the other side's certificate"),
    ]
    static let logLevel = setting(
        "log.level", .standard("info"), "one of " + LogLevel.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
    )
}

extension TLSFiles {
    /// The files of a folder that `site join` or `federation init` made.
    init(keys: String) {
        self.init(
            certificate: keys + "/identity.pem", privateKey: keys + "/identity.pem", authority: keys + "/authority.pem")
    }

    /// All three files of the section, or those in `keys` when there is no section: a mixture is a mistake.
    init(_ section: SchemaFields?, folder: String, keys: String) throws(DocumentError) {
        guard let section else {
            self.init(keys: keys)
            return
        }
        self.init(
            certificate: try section.value("certificate").filePath(in: folder),
            privateKey: try section.value("privateKey").filePath(in: folder),
            authority: try section.value("authority").filePath(in: folder))
    }
}

extension DocumentReader {
    /// A path, made absolute with `folder` when it is not.
    func filePath(in folder: String) throws(DocumentError) -> String {
        let text = try string()
        guard !text.isEmpty else { throw error("is empty", hint: "name a file or folder") }
        let base = URL(fileURLWithPath: folder, isDirectory: true)
        return URL(fileURLWithPath: text, relativeTo: base).standardizedFileURL.path
    }

    /// A DNS name or an IP address.
    func host() throws(DocumentError) -> String {
        let text = try string(maximumLength: 253)
        let isPlausible = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard !text.isEmpty, isPlausible else {
            throw error("is not a host", hint: "a DNS name or an IP address, without port or scheme")
        }
        return text
    }

    /// A federation's name: names joined by dots, like a host's.
    func federation() throws(DocumentError) -> String {
        let text = try string(maximumLength: 64)
        guard text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ SiteID(String($0)) != nil })
        else {
            throw error(
                "is no federation's name", hint: "labels of a-z, 0-9 and -, joined by dots, as in its certificates")
        }
        return text
    }

    /// A name in the alphabet of sites and studies.
    func name() throws(DocumentError) -> SiteID {
        guard let name = SiteID(try string()) else {
            throw error("is not a usable name", hint: "1 to 63 of a-z, 0-9 and -, not starting or ending with -")
        }
        return name
    }
}
