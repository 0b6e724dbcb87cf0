// SPDX-License-Identifier: Apache-2.0
// What a hospital's daemon is told: its name, where the aggregator is, its tables, and which studies it has approved.

package import ClinicalData
package import Federation

/// The content of a `site.yaml`, with every path absolute.
package struct SiteConfiguration: Hashable, Sendable {
    package var site: SiteID
    package var stateDirectory: String
    package var aggregator: AggregatorEndpoint
    package var tls: TLSFiles
    package var logLevel: LogLevel
    /// By distinct names.
    package var datasets: [Dataset]
    /// A study that none of them names waits for a person.
    package var approvals: [StandingApproval]

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
        site: SiteID, stateDirectory: String, aggregator: AggregatorEndpoint, tls: TLSFiles, logLevel: LogLevel,
        datasets: [Dataset], approvals: [StandingApproval]
    ) {
        self.site = site
        self.stateDirectory = stateDirectory
        self.aggregator = aggregator
        self.tls = tls
        self.logLevel = logLevel
        self.datasets = datasets
        self.approvals = approvals
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

/// A person's decision, made beforehand, that a study may use a data set.
package struct StandingApproval: Hashable, Sendable {
    package enum Study: Hashable, Sendable {
        /// Any study of this name, whatever its content.
        case name(String)
        /// Exactly the study with this hash.
        case hash(Digest)
    }

    package var study: Study
    /// The name of the data set.
    package var dataset: String

    package init(study: Study, dataset: String) {
        self.study = study
        self.dataset = dataset
    }
}

extension [StandingApproval] {
    /// The approval for a study; one by hash goes before one by name.
    package func approval(name: String, hash: Digest) -> StandingApproval? {
        first { $0.study == .hash(hash) } ?? first { $0.study == .name(name) }
    }
}
