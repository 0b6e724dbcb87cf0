// SPDX-License-Identifier: Apache-2.0
// `consilium-site --check`: everything the daemon needs, looked at before it is started.

import ClinicalData
import Enrolment
import Federation
import Glibc
import PeerTransport
import Store
package import StudyFiles

extension SiteDaemon {
    /// Looks at keys, state directory, policy and data sets; connects to nobody and changes nothing.
    package static func dryStart(_ configuration: SiteConfiguration) -> [StartCheck] {
        var checks = [
            StartCheck("certificate and key") { try identity(of: configuration) },
            StartCheck("state directory") { try state(of: configuration) },
            StartCheck("policy") { try policy(of: configuration) },
        ]
        if configuration.datasets.isEmpty {
            checks.append(
                StartCheck(
                    "data sets", .doubtful("none is listed\nhint: list the site's tables under `datasets`")))
        }
        checks += configuration.datasets.map { dataset in
            StartCheck("data set \(dataset.name)") { try look(at: dataset.mapping) }
        }
        return checks
    }

    private static func identity(of configuration: SiteConfiguration) throws -> StartCheck.Outcome {
        try checkJoined(configuration)
        let files = configuration.tls
        let now = Int64(time(nil))
        if configuration.usesKeysDirectory {
            let leaf = try PartyFolder(configuration.keysDirectory).identity().certificate
            guard leaf.notAfter > now else {
                return .doubtful(
                    "the certificate has expired, so the site will ask to come back\n"
                        + "hint: tell the operator, who runs `consilium federation approve`")
            }
        }
        let identity = try TLSIdentity(
            certificateChainPath: files.certificate, privateKeyPath: files.privateKey, trustRootsPath: files.authority
        ).examine()
        guard identity.siteID == configuration.site.rawValue else {
            return .failed(
                "\(files.certificate) is not the certificate of the site \(configuration.site)\n"
                    + "hint: correct `site`, `keysDirectory` or `tls.certificate`")
        }
        return StartCheck.certificate(
            expiry: identity.notAfter ?? 0, now: now, renewsItself: configuration.usesKeysDirectory)
    }

    private static func state(of configuration: SiteConfiguration) throws -> StartCheck.Outcome {
        let path = configuration.stateDirectory
        // `sockaddr_un` holds 107 bytes and a zero.
        guard "\(path)/control.sock".utf8.count <= 107 else {
            return .failed("the path \(path) is too long for a socket in it\nhint: name a folder with a shorter path")
        }
        let detail =
            switch try SiteStore.examine(directory: path) {
            case .absent: "\(path) is made at the first start"
            case .current: path
            case .older: "\(path) is brought up to date at the next start; back it up first"
            }
        return .fine(detail)
    }

    private static func policy(of configuration: SiteConfiguration) throws -> StartCheck.Outcome {
        let path = configuration.policyFile
        guard access(path, F_OK) == 0 else {
            return .doubtful(
                "\(path) is not there, so nothing is allowed\nhint: write it; see `consilium site policy check --help`")
        }
        _ = try PolicyFile.load(path, datasets: configuration.datasets.map(\.name))
        return .fine(path)
    }

    /// Reads the whole table, and looks for the columns that the mapping names.
    private static func look(at mapping: TableMapping) throws -> StartCheck.Outcome {
        let table = try TableDescription.describe(
            .file(path: mapping.path), separator: mapping.separator, encoding: mapping.encoding,
            hasHeader: mapping.hasHeader)
        let names = Set(table.columns.compactMap(\.name))
        for (column, own) in mapping.columns.sorted(by: { $0.key < $1.key }) {
            let isThere =
                switch own.source {
                case .name(let name): names.contains(name)
                case .number(let number): (1...table.columns.count).contains(number)
                }
            guard isThere else {
                return .failed(
                    "\(mapping.path) lacks the column that `columns.\(column)` names\n"
                        + "hint: compare with `consilium data describe \(mapping.path)`")
            }
        }
        let size = "\(table.rows) rows, \(table.columns.count) columns"
        guard table.raggedRows == 0 else {
            return .doubtful(
                "\(size), \(table.raggedRows) rows of another width\nhint: check separator and quotes of the export")
        }
        return .fine(size)
    }
}
