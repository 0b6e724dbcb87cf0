// SPDX-License-Identifier: Apache-2.0
// What a hospital's daemon is told: its name, where the aggregator is, and its tables.

package import ClinicalData
package import Federation

/// The content of a `site.yaml`, with every path absolute.
package struct SiteConfiguration: Hashable, Sendable {
    package var site: SiteID
    package var stateDirectory: String
    package var aggregator: AggregatorEndpoint
    package var tls: TLSFiles
    /// The folder that `consilium site join` filled.
    package var keysDirectory: String
    package var logLevel: LogLevel
    /// By distinct names.
    package var datasets: [Dataset]
    /// What the hospital allows: a file of its own, which officers write and not the IT department alone.
    package var policyFile: String
    /// Where metrics are written; nil for nowhere.
    package var metricsFile: String?
    /// Processors that training uses at most; nil for all.
    package var threads: Int?

    /// A table of the hospital, under the name by which approvals refer to it.
    package struct Dataset: Hashable, Sendable {
        package var name: String
        package var mapping: TableMapping

        package init(name: String, mapping: TableMapping) {
            self.name = name
            self.mapping = mapping
        }
    }

    package init(
        site: SiteID, stateDirectory: String, aggregator: AggregatorEndpoint, tls: TLSFiles, keysDirectory: String,
        logLevel: LogLevel, datasets: [Dataset], policyFile: String, metricsFile: String? = nil,
        threads: Int? = nil
    ) {
        self.site = site
        self.stateDirectory = stateDirectory
        self.aggregator = aggregator
        self.tls = tls
        self.keysDirectory = keysDirectory
        self.logLevel = logLevel
        self.datasets = datasets
        self.policyFile = policyFile
        self.metricsFile = metricsFile
        self.threads = threads
    }

    package func dataset(named name: String) -> Dataset? { datasets.first { $0.name == name } }
}

/// Where the aggregator is and how it is reached.
package struct AggregatorEndpoint: Hashable, Sendable {
    package var address: NetworkAddress
    /// The DNS name that the aggregator's certificate must carry.
    package var serverName: String
    /// The HTTP proxy that is asked to connect to the aggregator.
    package var proxy: NetworkAddress?

    package init(address: NetworkAddress, serverName: String, proxy: NetworkAddress?) {
        self.address = address
        self.serverName = serverName
        self.proxy = proxy
    }
}

extension SiteConfiguration {
    /// Whether the TLS files are those of the site's own join, not of another authority.
    package var usesKeysDirectory: Bool { tls == TLSFiles(keys: keysDirectory) }
}
