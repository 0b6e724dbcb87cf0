// SPDX-License-Identifier: Apache-2.0
// What a hospital allows at most. A study may ask for less, never for more; what is not allowed is refused.

import NeuralNetworks

/// A site's own limits, from its `policy.yaml`.
///
/// The empty policy refuses every study: each list names what is allowed, and an absent one allows nothing.
package struct SitePolicy: Hashable, Sendable {
    /// Federations that may ask.
    package var federations: [String]
    package var tasks: [TaskKind]
    /// Kinds of layers, in the words of a study file.
    package var layers: [String]
    package var datasets: [DatasetRule]
    /// The fewest sites whose sum may hold this site's part.
    package var minimumSites: Int
    package var compute: ComputeLimits
    /// When rounds may run; empty means at any time.
    package var hours: [TimeWindow]
    /// Whether the aggregator may see this site's own vectors. Every study of this version needs it.
    package var exposesIndividualUpdates: Bool
    /// Who may approve a study.
    package var officers: [Officer]
    /// Studies that need no officer.
    package var standingApprovals: [StandingApproval]

    /// What is learned, without its details.
    package enum TaskKind: String, CaseIterable, Hashable, Sendable {
        case binary
        case multiclass
        case regression
    }

    /// A data set that studies may use.
    package struct DatasetRule: Hashable, Sendable {
        package var name: String
        /// Fewer usable training rows than these, and the site takes no part.
        package var minimumRows: Int

        package init(name: String, minimumRows: Int) {
            self.name = name
            self.minimumRows = minimumRows
        }
    }

    /// What one study may cost.
    package struct ComputeLimits: Hashable, Sendable {
        package var rounds: Int
        package var stepsPerRound: Int
        package var parameters: Int
        /// The memory of a round in bytes; nil: what the machine has, which is the limit in any case.
        package var memoryBytes: Int?
        /// Multiplications and additions of a training round; nil: ``standardOperationsPerRound``.
        package var operationsPerRound: Int?

        /// Some hours of two processors of this decade at a large model.
        package static let standardOperationsPerRound = 1_000_000_000_000_000

        package var allowedOperationsPerRound: Int { operationsPerRound ?? Self.standardOperationsPerRound }

        package init(
            rounds: Int, stepsPerRound: Int, parameters: Int, memoryBytes: Int? = nil, operationsPerRound: Int? = nil
        ) {
            self.rounds = rounds
            self.stepsPerRound = stepsPerRound
            self.parameters = parameters
            self.memoryBytes = memoryBytes
            self.operationsPerRound = operationsPerRound
        }
    }

    /// A person who may decide for the hospital.
    package struct Officer: Hashable, Sendable {
        package var name: String
        package var key: StatementPublicKey

        package init(name: String, key: StatementPublicKey) {
            self.name = name
            self.key = key
        }
    }

    package init(
        federations: [String] = [], tasks: [TaskKind] = [], layers: [String] = [], datasets: [DatasetRule] = [],
        minimumSites: Int = .max, compute: ComputeLimits = ComputeLimits(rounds: 0, stepsPerRound: 0, parameters: 0),
        hours: [TimeWindow] = [], exposesIndividualUpdates: Bool = false, officers: [Officer] = [],
        standingApprovals: [StandingApproval] = []
    ) {
        self.federations = federations
        self.tasks = tasks
        self.layers = layers
        self.datasets = datasets
        self.minimumSites = minimumSites
        self.compute = compute
        self.hours = hours
        self.exposesIndividualUpdates = exposesIndividualUpdates
        self.officers = officers
        self.standingApprovals = standingApprovals
    }

    package func officer(named name: String) -> Officer? { officers.first { $0.name == name } }

    package func dataset(_ name: String) -> DatasetRule? { datasets.first { $0.name == name } }
}

/// A decision made beforehand, that a study may use a data set.
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

extension LearningTask {
    package var kind: SitePolicy.TaskKind {
        switch self {
        case .binary: .binary
        case .multiclass: .multiclass
        case .regression: .regression
        }
    }
}
