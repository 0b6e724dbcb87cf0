// SPDX-License-Identifier: Apache-2.0
// A policy applied to a study: every point at which the study asks for more than the hospital allows.

import NeuralNetworks

/// One point of a study that a policy does not allow.
package struct PolicyFinding: Hashable, Sendable {
    /// The key of the policy that decides, such as `compute.rounds`.
    package var key: String
    /// What the study asks for and what is allowed.
    package var problem: String
    /// What an officer can do about it.
    package var hint: String

    package init(key: String, problem: String, hint: String) {
        self.key = key
        self.problem = problem
        self.hint = hint
    }
}

extension SitePolicy {
    /// What the policy has against a study; empty when it allows it. Approval is another question.
    ///
    /// - Parameters:
    ///   - federation: the name in the aggregator's certificate; nil judges the study whoever asks.
    ///   - dataset: the data set that would be used, when that is decided.
    ///   - rows: its usable training rows, when they are known.
    package func judge(
        _ study: Study, federation: String?, dataset: String?, rows: Int? = nil
    ) -> [PolicyFinding] {
        var findings: [PolicyFinding] = []
        func object(_ key: String, _ problem: String, _ hint: String) {
            findings.append(PolicyFinding(key: key, problem: problem, hint: hint))
        }
        if let federation, !federations.contains(federation) {
            object("federations", "this federation is not allowed to ask", "list its name if it is")
        }
        if !tasks.contains(study.task.kind) {
            object("tasks", "the task \(study.task.kind.rawValue) is not allowed", "list it if it is")
        }
        for kind in study.model.kinds where !layers.contains(kind) {
            object("layers", "layers of the kind \(kind) are not allowed", "list the kind if they are")
        }
        if let dataset {
            if let rule = self.dataset(dataset) {
                if let rows, rows < rule.minimumRows {
                    object(
                        "datasets", "fewer usable training rows than the \(rule.minimumRows) demanded",
                        "wait for more patients, or demand fewer")
                }
            } else {
                object("datasets", "the data set is not allowed to be used", "list it if it is")
            }
        }
        if study.federation.minimumSites < minimumSites {
            let demanded = minimumSites == .max ? "and the policy demands no number" : "\(minimumSites) are demanded"
            object(
                "minimumSites", "a sum may cover \(study.federation.minimumSites) sites only, \(demanded)",
                "ask the operator for a study with a higher federation.minimumSites")
        }
        judgeCompute(study, object)
        if !exposesIndividualUpdates {
            object(
                "exposesIndividualUpdates", "in this version the aggregator can see this site's own sums and updates",
                "write `allowed` only for an aggregator that the hospital trusts with them")
        }
        return findings
    }

    private func judgeCompute(_ study: Study, _ object: (String, String, String) -> Void) {
        let hint = "raise the limit, or ask the operator for a smaller study"
        if study.federation.rounds > compute.rounds {
            object("compute.rounds", "\(study.federation.rounds) rounds, \(compute.rounds) allowed", hint)
        }
        if case .steps(let steps) = study.training.localWork, steps > compute.stepsPerRound {
            object("compute.stepsPerRound", "\(steps) steps a round, \(compute.stepsPerRound) allowed", hint)
        }
        let graph = try? study.model.graph(inputs: study.data.features.count, head: study.task.head)
        let parameters = graph?.parameterCount ?? .max
        if parameters > compute.parameters {
            object("compute.parameters", "\(parameters) parameters, \(compute.parameters) allowed", hint)
        }
    }

    /// Whether a round of a study may run on so many rows; epochs become steps only here.
    package func allowsSteps(of training: TrainingPlan, rows: Int) -> Bool {
        training.steps(rows: rows) <= compute.stepsPerRound
    }
}

// MARK: The policy's own identity

extension SitePolicy {
    /// Approvals name the policy under which they were given.
    package var hash: Digest { Digest(of: canonicalValue.bytes, domain: "consilium/policy/v1\n") }

    package var canonicalValue: CanonicalValue {
        .object([
            "federations": .strings(federations), "tasks": .strings(tasks.map(\.rawValue)), "layers": .strings(layers),
            "datasets": .array(
                datasets.map { .object(["name": .string($0.name), "minimumRows": .count($0.minimumRows)]) }),
            "minimumSites": .count(minimumSites),
            "compute": .object([
                "rounds": .count(compute.rounds), "stepsPerRound": .count(compute.stepsPerRound),
                "parameters": .count(compute.parameters),
            ]),
            "hours": .array(
                hours.map { window in
                    .object([
                        "days": .strings(window.days.map(\.rawValue)), "from": .count(window.from),
                        "to": .count(window.to),
                    ])
                }), "exposesIndividualUpdates": .boolean(exposesIndividualUpdates),
            "officers": .array(
                officers.map { .object(["name": .string($0.name), "key": .string($0.key.bytes.hex)]) }),
        ])
    }
}

extension SitePolicy {
    /// The least policy under which a study runs on a data set without an officer, if `federation` asks.
    package static func allowing(_ study: Study, dataset: String, federation: String) -> SitePolicy {
        let graph = try? study.model.graph(inputs: study.data.features.count, head: study.task.head)
        var steps = Int(Int32.max)
        if case .steps(let count) = study.training.localWork { steps = count }
        return SitePolicy(
            federations: [federation], tasks: [study.task.kind],
            layers: study.model.kinds,
            datasets: [DatasetRule(name: dataset, minimumRows: 1)], minimumSites: study.federation.minimumSites,
            compute: ComputeLimits(
                rounds: study.federation.rounds, stepsPerRound: steps, parameters: graph?.parameterCount ?? 0),
            exposesIndividualUpdates: true,
            standingApprovals: [StandingApproval(study: .name(study.name), dataset: dataset)])
    }
}
