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
    ///   - machine: what would do the work.
    package func judge(
        _ study: Study, federation: String?, dataset: String?, rows: Int? = nil, machine: SiteMachine
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
        judgeCompute(study, rows: rows, machine, object)
        if !exposesIndividualUpdates {
            object(
                "exposesIndividualUpdates", "in this version the aggregator can see this site's own sums and updates",
                "write `allowed` only for an aggregator that the hospital trusts with them")
        }
        return findings
    }

    private func judgeCompute(
        _ study: Study, rows: Int?, _ machine: SiteMachine, _ object: (String, String, String) -> Void
    ) {
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
        // A model that does not fit its table has no cost, and more parameters than anybody allows.
        guard let cost = try? StudyCost(study, threads: machine.threads) else { return }
        judgeMemory(study, cost, machine, object)
        judgeOperations(study, cost, rows: rows, object)
    }

    private func judgeMemory(
        _ study: Study, _ cost: StudyCost, _ machine: SiteMachine, _ object: (String, String, String) -> Void
    ) {
        let limit = min(compute.memoryBytes ?? .max, machine.memoryBytes)
        let bytes = cost.memoryBytes
        guard bytes > limit else { return }
        let what = bytes == .max ? "\(bytes) bytes of memory or more" : "about \(bytes) bytes of memory"
        let who = limit == compute.memoryBytes ? "\(limit) allowed" : "this machine has \(limit)"
        let fitting =
            cost.largestBatch(within: limit).map { "a batch of \($0) instead of \(study.training.batchSize) would fit" }
            ?? "no batch would fit"
        object(
            "compute.memory", "\(what), \(who); \(fitting)",
            limit == compute.memoryBytes
                ? "raise the limit, or ask the operator for a smaller batch or model"
                : "ask the operator for a smaller batch or model, lower `threads` in site.yaml, or give the site more memory"
        )
    }

    private func judgeOperations(
        _ study: Study, _ cost: StudyCost, rows: Int?, _ object: (String, String, String) -> Void
    ) {
        let limit = compute.allowedOperationsPerRound
        // Epochs count once the rows are known.
        guard let operations = cost.operationsPerRound(rows: rows), operations > limit else { return }
        let examples = cost.mostExamples(within: limit)
        let fitting: Int
        let unit: String
        switch study.training.localWork {
        case .steps: (fitting, unit) = (examples / max(study.training.batchSize, 1), "steps")
        case .epochs: (fitting, unit) = (examples / max(rows ?? 1, 1), "epochs")
        }
        object(
            "compute.operationsPerRound",
            "\(operations) operations a round\(operations == .max ? " or more" : ""), \(limit) allowed; "
                + (fitting > 0 ? "\(fitting) \(unit) a round would fit" : "not one of its \(unit) would fit"),
            "raise the limit, or ask the operator for less work a round")
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
            "compute": compute.canonicalValue,
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

extension SitePolicy.ComputeLimits {
    /// A limit that the file does not state is not there, so that policies from before it have the hash they had.
    fileprivate var canonicalValue: CanonicalValue {
        var fields: [String: CanonicalValue] = [
            "rounds": .count(rounds), "stepsPerRound": .count(stepsPerRound), "parameters": .count(parameters),
        ]
        if let memoryBytes { fields["memory"] = .count(memoryBytes) }
        if let operationsPerRound { fields["operationsPerRound"] = .count(operationsPerRound) }
        return .object(fields)
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
                rounds: study.federation.rounds, stepsPerRound: steps, parameters: graph?.parameterCount ?? 0,
                operationsPerRound: .max),
            exposesIndividualUpdates: true,
            standingApprovals: [StandingApproval(study: .name(study.name), dataset: dataset)])
    }
}
