// SPDX-License-Identifier: Apache-2.0
// The hospitals of a demo or a simulation: every folder below DIR that holds a site.yaml.

import ClinicalData
import Federation
import Foundation
import StudyFiles

/// One folder with a site's configuration.
struct SampleSite: Sendable {
    let folder: URL
    let configuration: SiteConfiguration
    let policy: SitePolicy

    /// Reads all sites below `directory`, in the order of their names.
    ///
    /// The environment of this process does not count: it would change all of them alike.
    static func all(in directory: String) throws -> [SampleSite] {
        let root = URL(fileURLWithPath: directory)
        guard
            let folders = try? FileManager.default.contentsOfDirectory(at: root, includingPropertiesForKeys: nil)
        else {
            throw CommandError(.notDone, "the folder \(directory) cannot be read", hint: "name a folder of sites")
        }
        var sites: [SampleSite] = []
        for folder in folders {
            let file = folder.appending(path: "site.yaml").path
            guard FileManager.default.fileExists(atPath: file) else { continue }
            do {
                let configuration = try SiteConfiguration.load(file, environment: [:])
                sites.append(
                    SampleSite(
                        folder: folder, configuration: configuration,
                        policy: try PolicyFile.load(
                            configuration.policyFile, datasets: configuration.datasets.map(\.name))))
            } catch {
                throw CommandError(error)
            }
        }
        guard !sites.isEmpty else {
            throw CommandError(
                .wrongUse, "no folder in \(directory) holds a site.yaml", hint: "see the project's folder sites/")
        }
        sites.sort { $0.configuration.site < $1.configuration.site }
        for (site, next) in zip(sites, sites.dropFirst()) where site.configuration.site == next.configuration.site {
            throw CommandError(
                .wrongUse, "two folders in \(directory) are the site \(site.configuration.site)",
                hint: "give each its own name in site.yaml")
        }
        return sites
    }

    /// The table that the site's standing approval gives to the study; nil when there is no such approval.
    ///
    /// - Throws: ``DataError``
    func table(for study: Study, hash: Digest) throws -> (name: String, table: EncodedTable)? {
        guard let approval = policy.standingApprovals.approval(name: study.name, hash: hash),
            let dataset = configuration.dataset(named: approval.dataset)
        else { return nil }
        return (dataset.name, try TableLoader(contract: study.data, mapping: dataset.mapping).load().table)
    }
}
