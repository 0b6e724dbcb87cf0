// SPDX-License-Identifier: Apache-2.0
// Optimisers and schedules in a study document, and their canonical form.

package import NeuralNetworks

extension OptimizerSpecification {
    /// What came after version 1 of the form, `amsgrad`, is left out where it is false: older studies keep their bytes.
    package var canonicalValue: CanonicalValue {
        switch self {
        case .sgd(let momentum, let nesterov, let weightDecay):
            .object([
                "sgd": .object([
                    "momentum": .decimal(momentum), "nesterov": .boolean(nesterov),
                    "weightDecay": .decimal(weightDecay),
                ])
            ])
        case .adam(let beta1, let beta2, let epsilon, let weightDecay, let amsgrad):
            .object(["adam": Self.adaptive(beta1, beta2, epsilon, weightDecay, amsgrad)])
        case .adamW(let beta1, let beta2, let epsilon, let weightDecay, let amsgrad):
            .object(["adamW": Self.adaptive(beta1, beta2, epsilon, weightDecay, amsgrad)])
        case .rmsprop(let alpha, let epsilon, let momentum, let centered, let weightDecay):
            .object([
                "rmsprop": .object([
                    "alpha": .decimal(alpha), "epsilon": .decimal(epsilon), "momentum": .decimal(momentum),
                    "centered": .boolean(centered), "weightDecay": .decimal(weightDecay),
                ])
            ])
        case .adagrad(let epsilon, let learningRateDecay, let weightDecay):
            .object([
                "adagrad": .object([
                    "epsilon": .decimal(epsilon), "learningRateDecay": .decimal(learningRateDecay),
                    "weightDecay": .decimal(weightDecay),
                ])
            ])
        case .lamb(let beta1, let beta2, let epsilon, let weightDecay):
            .object(["lamb": Self.adaptive(beta1, beta2, epsilon, weightDecay, false)])
        }
    }

    private static func adaptive(
        _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ weightDecay: Double, _ amsgrad: Bool
    ) -> CanonicalValue {
        var fields: [String: CanonicalValue] = [
            "beta1": .decimal(beta1), "beta2": .decimal(beta2), "epsilon": .decimal(epsilon),
            "weightDecay": .decimal(weightDecay),
        ]
        if amsgrad { fields["amsgrad"] = .boolean(true) }
        return .object(fields)
    }

    package init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(["sgd", "adam", "adamW", "rmsprop", "adagrad", "lamb"])
        switch name {
        case "sgd": self = try Self.sgd(body)
        case "rmsprop": self = try Self.rmsprop(body)
        case "adagrad": self = try Self.adagrad(body)
        default: self = try Self.adaptive(name, body)
        }
    }

    private static func sgd(_ body: DocumentReader) throws(DocumentError) -> Self {
        let fields = try body.fields(["momentum", "nesterov", "weightDecay"])
        let momentum = try fields[optional: "momentum"]?.decimal(0...0.9999) ?? 0
        let nesterov = try fields[optional: "nesterov"]?.boolean() ?? false
        guard !nesterov || momentum > 0 else {
            throw body.error("asks for Nesterov without momentum", hint: "set momentum above 0")
        }
        return .sgd(
            momentum: momentum, nesterov: nesterov,
            weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
    }

    private static func rmsprop(_ body: DocumentReader) throws(DocumentError) -> Self {
        let fields = try body.fields(["alpha", "epsilon", "momentum", "centered", "weightDecay"])
        return .rmsprop(
            alpha: try fields[optional: "alpha"]?.decimal(0...0.999999) ?? 0.99,
            epsilon: try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? 1e-8,
            momentum: try fields[optional: "momentum"]?.decimal(0...0.9999) ?? 0,
            centered: try fields[optional: "centered"]?.boolean() ?? false,
            weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
    }

    private static func adagrad(_ body: DocumentReader) throws(DocumentError) -> Self {
        let fields = try body.fields(["epsilon", "learningRateDecay", "weightDecay"])
        return .adagrad(
            epsilon: try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? 1e-10,
            learningRateDecay: try fields[optional: "learningRateDecay"]?.decimal(0...1e3) ?? 0,
            weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
    }

    /// Adam, AdamW and LAMB. The defaults are PyTorch's; those of LAMB are its paper's.
    private static func adaptive(_ name: String, _ body: DocumentReader) throws(DocumentError) -> Self {
        let keys = ["beta1", "beta2", "epsilon", "weightDecay"]
        let fields = try body.fields(name == "lamb" ? keys : keys + ["amsgrad"])
        let beta1 = try fields[optional: "beta1"]?.decimal(0...0.999999) ?? 0.9
        let beta2 = try fields[optional: "beta2"]?.decimal(0...0.999999) ?? 0.999
        let epsilon = try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? (name == "lamb" ? 1e-6 : 1e-8)
        let decay = try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? (name == "adam" ? 0 : 0.01)
        if name == "lamb" { return .lamb(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay) }
        let amsgrad = try fields[optional: "amsgrad"]?.boolean() ?? false
        return name == "adam"
            ? .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, amsgrad: amsgrad)
            : .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, amsgrad: amsgrad)
    }
}

extension LearningRateSchedule {
    /// What follows a warm-up is left out where it is the constant rate: older studies keep their bytes.
    package var canonicalValue: CanonicalValue {
        switch self {
        case .constant: .object(["constant": .object([:])])
        case .step(let every, let factor):
            .object(["step": .object(["every": .count(every), "factor": .decimal(factor)])])
        case .cosine(let final): .object(["cosine": .object(["final": .decimal(final)])])
        case .warmup(let steps, .constant): .object(["warmup": .object(["steps": .count(steps)])])
        case .warmup(let steps, let next):
            .object(["warmup": .object(["steps": .count(steps), "then": next.canonicalValue])])
        case .oneCycle(let rise, let startDivisor, let endDivisor):
            .object([
                "oneCycle": .object([
                    "rise": .decimal(rise), "startDivisor": .decimal(startDivisor), "endDivisor": .decimal(endDivisor),
                ])
            ])
        }
    }

    package init(_ reader: DocumentReader) throws(DocumentError) {
        var plateau: ReduceOnPlateau?
        try self.init(reader, mayWarmUp: true, mayWatch: false, &plateau)
    }

    /// Reads a schedule that may also be, or end in, `plateau`: a constant rate and the rule that lowers it.
    package static func watching(
        _ reader: DocumentReader
    ) throws(DocumentError) -> (schedule: Self, plateau: ReduceOnPlateau?) {
        var plateau: ReduceOnPlateau?
        let schedule = try Self(reader, mayWarmUp: true, mayWatch: true, &plateau)
        return (schedule, plateau)
    }

    /// The canonical form of what ``watching(_:)`` reads.
    package func canonicalValue(watching plateau: ReduceOnPlateau?) -> CanonicalValue {
        guard let rule = plateau?.canonicalValue else { return canonicalValue }
        guard case .warmup(let steps, _) = self else { return rule }
        return .object(["warmup": .object(["steps": .count(steps), "then": rule])])
    }

    /// A warm-up is followed by any schedule but another warm-up.
    private init(
        _ reader: DocumentReader, mayWarmUp: Bool, mayWatch: Bool, _ plateau: inout ReduceOnPlateau?
    ) throws(DocumentError) {
        var kinds = ["constant", "step", "cosine", "oneCycle"]
        if mayWatch { kinds.append("plateau") }
        let (name, body) = try reader.choice(mayWarmUp ? kinds + ["warmup"] : kinds)
        switch name {
        case "plateau":
            plateau = try ReduceOnPlateau(body)
            self = .constant
        case "step":
            let fields = try body.fields(["every", "factor"])
            self = .step(
                every: try fields.required("every").integer(1...1_000_000_000),
                factor: try fields.required("factor").decimal(0...1))
        case "cosine":
            self = .cosine(final: try body.fields(["final"])[optional: "final"]?.decimal(0...1) ?? 0)
        case "oneCycle":
            let fields = try body.fields(["rise", "startDivisor", "endDivisor"])
            self = .oneCycle(
                rise: try fields[optional: "rise"]?.decimal(1e-6...0.999999) ?? 0.3,
                startDivisor: try fields[optional: "startDivisor"]?.decimal(1...1e9) ?? 25,
                endDivisor: try fields[optional: "endDivisor"]?.decimal(1...1e9) ?? 1e4)
        case "warmup":
            let fields = try body.fields(["steps", "then"])
            var next = Self.constant
            if let then = fields[optional: "then"] {
                next = try Self(then, mayWarmUp: false, mayWatch: mayWatch, &plateau)
            }
            self = .warmup(steps: try fields.required("steps").integer(1...1_000_000_000), then: next)
        default:
            _ = try body.fields([])
            self = .constant
        }
    }
}

extension ReduceOnPlateau {
    var canonicalValue: CanonicalValue {
        .object([
            "plateau": .object([
                "factor": .decimal(step), "patience": .count(patience), "threshold": .decimal(threshold),
                "cooldown": .count(cooldown), "minimumFactor": .decimal(minimumFactor),
            ])
        ])
    }

    /// The defaults are PyTorch's.
    init(_ body: DocumentReader) throws(DocumentError) {
        let fields = try body.fields(["factor", "patience", "threshold", "cooldown", "minimumFactor"])
        self.init(
            step: try fields[optional: "factor"]?.decimal(1e-6...0.999999) ?? 0.1,
            patience: try fields[optional: "patience"]?.integer(0...100_000) ?? 10,
            threshold: try fields[optional: "threshold"]?.decimal(0...1) ?? 1e-4,
            cooldown: try fields[optional: "cooldown"]?.integer(0...100_000) ?? 0,
            minimumFactor: try fields[optional: "minimumFactor"]?.decimal(0...1) ?? 0)
    }
}
