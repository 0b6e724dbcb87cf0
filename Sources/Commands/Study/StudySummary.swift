// SPDX-License-Identifier: Apache-2.0
// What a study asks for, in figures a person can check.

import Federation
import NeuralNetworks
import RingArithmetic

/// A study's figures, for screens and as JSON.
struct StudySummary: Codable, Sendable {
    struct Upload: Codable, Sendable {
        var round: String
        var bytes: Int
        /// Bits of one element of the model update; absent for rounds of 64-bit sums.
        var ringBits: Int?
    }

    var name: String
    var title: String
    var hash: String
    var task: String
    /// The model's inputs in order.
    var inputs: [String]
    var label: String
    /// Its layers and what they cost.
    var model: ModelSummary
    var parameters: Int
    var optimizer: String
    var learningRate: Double
    var batchSize: Int
    var localWork: String
    var strategy: String
    var rounds: Int
    var minimumSites: Int
    var requiredSites: [String]
    var participation: Double
    /// With the study's minimum of sites.
    var uploads: [Upload]
    var modelBytes: Int
    /// Of a round at a site that trains on one processor, at its highest, predicted.
    var memoryBytes: Int
    /// What each further processor adds to it.
    var memoryBytesPerFurtherThread: Int
    /// Multiplications and additions of a training round; absent for epochs.
    var operationsPerRound: Int?
    /// Those that each row costs, for epochs.
    var operationsPerRow: Int?
    var warnings: [String]

    init(_ study: Study) throws {
        let network: Network
        let sums: [(name: String, layout: RingLayout)]
        let sites = study.federation.minimumSites
        do {
            network = try Network(study.model, inputs: study.data.features.count, head: study.task.head)
            sums = [
                ("statistics", try StatisticsSum(contract: study.data).layout),
                (
                    "training",
                    try UpdateSum(
                        terms: study.federation, parameterCount: network.parameterCount, sites: sites
                    ).layout
                ),
                ("evaluation", try EvaluationSum(task: study.task, bins: study.evaluation.bins).layout),
            ]
        } catch let error as SumError {
            guard case .tooManySites(let limit) = error else { throw error }
            throw CommandError(
                .doesNotHold, "the sum of \(sites) sites does not fit a ring of 32 bits; \(limit) sites would",
                hint: "lower federation.numbers.valueBits or maximumWeight")
        }
        name = study.name
        title = study.title
        hash = study.hash.hex
        task = study.task.words
        inputs = study.data.features.map { study.data.name(of: $0) }
        label = study.data.label.map { study.data.columns[$0.index].name } ?? ""
        model = try ModelSummary(
            study.model, features: inputs.count, stateVectors: study.training.optimizer.stateVectors,
            batchSize: study.training.batchSize)
        parameters = network.parameterCount
        optimizer = study.training.optimizer.words
        learningRate = study.training.learningRate
        batchSize = study.training.batchSize
        localWork = study.training.localWork.words
        strategy = study.federation.strategy.words
        rounds = study.federation.rounds
        minimumSites = sites
        requiredSites = study.federation.requiredSites.map(\.rawValue)
        participation = study.federation.participation
        uploads = sums.map { name, layout in
            var bits: Int?
            if case .bits32(let ringBits)? = layout.sections.first?.elementBits { bits = ringBits }
            return Upload(round: name, bytes: layout.packedByteCount, ringBits: name == "training" ? bits : nil)
        }
        modelBytes = 4 * network.parameterCount
        let cost = try StudyCost(study, threads: 1)
        memoryBytes = cost.memoryBytes
        memoryBytesPerFurtherThread = try StudyCost(study, threads: 2).memoryBytes - memoryBytes
        operationsPerRound = cost.operationsPerRound(rows: nil)
        operationsPerRow = Self.operationsPerRow(cost)
        warnings = Self.warnings(study)
    }

    /// For a study in epochs: what each row costs a round.
    static func operationsPerRow(_ cost: StudyCost) -> Int? {
        cost.operationsPerRound(rows: nil) == nil ? cost.operationsPerRound(rows: 1) : nil
    }

    /// The operations of a round, or those that each row costs, in words.
    static func work(_ perRound: Int?, _ perRow: Int?) -> String {
        perRound.map { "\(Figures.count($0)) operations a round" }
            ?? "\(Figures.count(perRow ?? 0)) operations a round for each training row"
    }

    /// What is allowed and still deserves a second look.
    private static func warnings(_ study: Study) -> [String] {
        var warnings: [String] = []
        switch study.federation.minimumSites {
        case 1: warnings.append("minimumSites is 1: a sum over one site is that site's own update")
        case 2: warnings.append("minimumSites is 2: each of two sites can work out the other's update from the sum")
        default: break
        }
        if study.federation.participation < 1 {
            warnings.append("participation is below 1: not every site takes part in every round")
        }
        return warnings
    }

    func print(to console: Console) {
        console.heading("\(name): \(title)")
        console.line("hash     \(hash)")
        console.line("task     \(task); label \(label)")
        console.line("inputs   \(inputs.count): \(inputs.joined(separator: ", "))")
        for (index, layer) in model.rows.enumerated() {
            let parameters = layer.parameters > 0 ? ", \(Figures.plural(layer.parameters, "parameter"))" : ""
            let start = index == 0 ? "layers   " : "         "
            let name = layer.name == String(index) ? "" : " \(layer.name)"
            console.line("\(start)\(layer.kind)\(name) → \(layer.shape)\(parameters)")
        }
        let adapters =
            model.adapterParameters > 0
            ? " (\(Figures.count(model.trainedParameters)) trained, \(Figures.count(model.adapterParameters)) in adapters)"
            : ""
        console.line("model    \(Figures.plural(parameters, "parameter"))\(adapters), \(Figures.bytes(modelBytes))")
        let further =
            memoryBytesPerFurtherThread > 0
            ? ", \(Figures.bytes(memoryBytesPerFurtherThread)) more for each further one" : ""
        console.line("memory   about \(Figures.bytes(memoryBytes)) for a round on one processor\(further)")
        console.line("work     \(Self.work(operationsPerRound, operationsPerRow)); time is not promised")
        console.line("training \(optimizer), rate \(learningRate), batches of \(batchSize), \(localWork)")
        console.line("rounds   \(rounds), \(strategy), at least \(Figures.plural(minimumSites, "site"))")
        if !requiredSites.isEmpty { console.line("required \(requiredSites.joined(separator: ", "))") }
        let sizes = uploads.map { upload in
            "\(upload.round) \(Figures.bytes(upload.bytes))" + (upload.ringBits.map { " (\($0)-bit ring)" } ?? "")
        }
        console.line("uploads  \(sizes.joined(separator: ", "))")
        for warning in warnings { console.line("warning: \(warning)") }
    }
}

extension LearningTask {
    var words: String {
        switch self {
        case .binary: "binary classification"
        case .multiclass(let classes): "classification into \(classes) classes"
        case .regression: "regression"
        }
    }
}

extension OptimizerSpecification {
    var words: String {
        switch self {
        case .sgd(let momentum, let nesterov, _):
            momentum == 0 ? "SGD" : "SGD with \(nesterov ? "Nesterov " : "")momentum \(momentum)"
        case .adam(_, _, _, _, let amsgrad): amsgrad ? "AMSGrad" : "Adam"
        case .adamW(_, _, _, _, let amsgrad): amsgrad ? "AdamW with AMSGrad" : "AdamW"
        case .rmsprop(_, _, let momentum, _, _): momentum == 0 ? "RMSprop" : "RMSprop with momentum \(momentum)"
        case .adagrad: "Adagrad"
        case .lamb: "LAMB"
        }
    }
}

extension TrainingPlan.LocalWork {
    var words: String {
        switch self {
        case .steps(let steps): "\(Figures.plural(steps, "step")) a round"
        case .epochs(let epochs): "\(Figures.plural(epochs, "epoch")) a round"
        }
    }
}

extension Strategy {
    var words: String {
        switch self {
        case .fedAvg: "FedAvg"
        case .fedProx(let mu): "FedProx with mu \(mu)"
        case .fedAvgM(_, let momentum): "FedAvgM with momentum \(momentum)"
        case .fedAdam: "FedAdam"
        case .fedYogi: "FedYogi"
        case .fedAdagrad: "FedAdagrad"
        case .scaffold: "SCAFFOLD"
        case .fedNova: "FedNova"
        }
    }
}
