// SPDX-License-Identifier: Apache-2.0
// Optimisers and schedules in a study document, and their canonical form.

import NeuralNetworks

extension OptimizerSpecification {
    var canonicalValue: CanonicalValue {
        switch self {
        case .sgd(let momentum, let nesterov, let weightDecay):
            .object([
                "sgd": .object([
                    "momentum": .decimal(momentum), "nesterov": .boolean(nesterov),
                    "weightDecay": .decimal(weightDecay),
                ])
            ])
        case .adam(let beta1, let beta2, let epsilon, let weightDecay, let amsgrad):
            .object(["adam": Self.moments(beta1, beta2, epsilon, weightDecay, ["amsgrad": .boolean(amsgrad)])])
        case .adamW(let beta1, let beta2, let epsilon, let weightDecay, let amsgrad):
            .object(["adamW": Self.moments(beta1, beta2, epsilon, weightDecay, ["amsgrad": .boolean(amsgrad)])])
        case .lamb(let beta1, let beta2, let epsilon, let weightDecay):
            .object(["lamb": Self.moments(beta1, beta2, epsilon, weightDecay, [:])])
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
        }
    }

    private static func moments(
        _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ weightDecay: Double, _ more: [String: CanonicalValue]
    ) -> CanonicalValue {
        .object(
            [
                "beta1": .decimal(beta1), "beta2": .decimal(beta2), "epsilon": .decimal(epsilon),
                "weightDecay": .decimal(weightDecay),
            ].merging(more) { first, _ in first })
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(["sgd", "adam", "adamW", "rmsprop", "adagrad", "lamb"])
        switch name {
        case "sgd": self = try Self.sgd(body)
        case "rmsprop":
            let fields = try body.fields(["alpha", "epsilon", "momentum", "centered", "weightDecay"])
            self = .rmsprop(
                alpha: try fields[optional: "alpha"]?.decimal(0...0.999999) ?? 0.99,
                epsilon: try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? 1e-8,
                momentum: try fields[optional: "momentum"]?.decimal(0...0.9999) ?? 0,
                centered: try fields[optional: "centered"]?.boolean() ?? false,
                weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
        case "adagrad":
            let fields = try body.fields(["epsilon", "learningRateDecay", "weightDecay"])
            self = .adagrad(
                epsilon: try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? 1e-10,
                learningRateDecay: try fields[optional: "learningRateDecay"]?.decimal(0...1e3) ?? 0,
                weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
        default: self = try Self.moments(name, body)
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

    private static func moments(_ name: String, _ body: DocumentReader) throws(DocumentError) -> Self {
        let more = name == "lamb" ? [] : ["amsgrad"]
        let fields = try body.fields(["beta1", "beta2", "epsilon", "weightDecay"] + more)
        let beta1 = try fields[optional: "beta1"]?.decimal(0...0.999999) ?? 0.9
        let beta2 = try fields[optional: "beta2"]?.decimal(0...0.999999) ?? 0.999
        let epsilon = try fields[optional: "epsilon"]?.decimal(1e-16...1)
        let decay = try fields[optional: "weightDecay"]?.decimal(0...1e3)
        let amsgrad = try fields[optional: "amsgrad"]?.boolean() ?? false
        switch name {
        case "adam":
            return .adam(
                beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-8, weightDecay: decay ?? 0, amsgrad: amsgrad)
        case "adamW":
            return .adamW(
                beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-8, weightDecay: decay ?? 0.01, amsgrad: amsgrad)
        default:
            return .lamb(beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-6, weightDecay: decay ?? 0.01)
        }
    }
}

extension LearningRateSchedule {
    var canonicalValue: CanonicalValue {
        switch self {
        case .constant: .object(["constant": .object([:])])
        case .step(let every, let factor):
            .object(["step": .object(["every": .count(every), "factor": .decimal(factor)])])
        case .cosine(let final): .object(["cosine": .object(["final": .decimal(final)])])
        case .warmup(let steps, let then):
            .object(["warmup": .object(["steps": .count(steps), "then": then.canonicalValue])])
        case .oneCycle(let rise, let startDivisor, let endDivisor):
            .object([
                "oneCycle": .object([
                    "rise": .decimal(rise), "startDivisor": .decimal(startDivisor), "endDivisor": .decimal(endDivisor),
                ])
            ])
        }
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        try self.init(reader, kinds: ["constant", "step", "cosine", "warmup", "oneCycle"])
    }

    private init(_ reader: DocumentReader, kinds: [String]) throws(DocumentError) {
        let (name, body) = try reader.choice(kinds)
        switch name {
        case "step":
            let fields = try body.fields(["every", "factor"])
            self = .step(
                every: try fields.required("every").integer(1...1_000_000_000),
                factor: try fields.required("factor").decimal(0...1))
        case "cosine":
            self = .cosine(final: try body.fields(["final"])[optional: "final"]?.decimal(0...1) ?? 0)
        case "warmup":
            let fields = try body.fields(["steps", "then"])
            var then = LearningRateSchedule.constant
            // A second rise after the first is no warm-up, and lists of lists have no end.
            if let next = fields[optional: "then"] {
                then = try LearningRateSchedule(next, kinds: kinds.filter { $0 != "warmup" })
            }
            self = .warmup(steps: try fields.required("steps").integer(1...1_000_000_000), then: then)
        case "oneCycle":
            let fields = try body.fields(["rise", "startDivisor", "endDivisor"])
            self = .oneCycle(
                rise: try fields[optional: "rise"]?.decimal(0.001...0.999) ?? 0.3,
                startDivisor: try fields[optional: "startDivisor"]?.decimal(1...1e9) ?? 25,
                endDivisor: try fields[optional: "endDivisor"]?.decimal(1...1e9) ?? 1e4)
        default:
            _ = try body.fields([])
            self = .constant
        }
    }
}
