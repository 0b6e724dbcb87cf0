// SPDX-License-Identifier: Apache-2.0
// The commands about a hospital's tables, and how they find one in the site's configuration.

import ArgumentParser
import ClinicalData
import Federation
import StudyFiles

/// `consilium data …`.
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look at a hospital's tables before a study.",
        subcommands: [DataCheckCommand.self, DataDescribeCommand.self])
}

extension SiteConfiguration {
    /// The data set that a study would use here.
    ///
    /// - Parameter name: the person's choice; else the approval's, else the only one there is.
    func dataset(named name: String?, study: String, hash: Digest) throws -> Dataset {
        let listed = datasets.map(\.name).joined(separator: ", ")
        if let name {
            guard let dataset = dataset(named: name) else {
                throw CommandError(
                    .wrongUse, "the site has no data set \(name)",
                    hint: listed.isEmpty ? "it has none" : "it has \(listed)")
            }
            return dataset
        }
        // Only a convenience: a policy that is not there or not right names no data set.
        let approvals = (try? PolicyFile.load(policyFile))?.standingApprovals ?? []
        if let approval = approvals.approval(name: study, hash: hash), let dataset = dataset(named: approval.dataset) {
            return dataset
        }
        guard datasets.count == 1 else {
            throw CommandError(
                .wrongUse, "no approval of the policy says which data set is meant",
                hint: listed.isEmpty
                    ? "list one under `datasets` in the site's configuration" : "choose with --dataset: \(listed)")
        }
        return datasets[0]
    }
}
