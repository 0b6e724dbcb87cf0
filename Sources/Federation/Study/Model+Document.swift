// SPDX-License-Identifier: Apache-2.0
// Layers, optimisers and schedules in a study document, and their canonical form.

import NeuralNetworks

extension ModelSpecification {
    var canonicalValue: CanonicalValue { .object(["layers": .array(layers.map(\.canonicalValue))]) }

    /// Reads the list of layers and checks the shapes from `inputs` features to the `head`.
    init(_ reader: DocumentReader, inputs: Int, head: Head) throws(DocumentError) {
        let layersReader = try reader.fields(["layers"]).required("layers")
        var layers: [LayerSpecification] = []
        let elements = try layersReader.elements()
        guard elements.count <= 256 else { throw layersReader.error("has too many layers", hint: "at most 256") }
        for element in elements { layers.append(try LayerSpecification(element)) }
        self.init(layers: layers)
        do {
            _ = try Network(self, inputs: inputs, head: head)
        } catch {
            throw layersReader.error("has an impossible shape", hint: error.description)
        }
    }
}

extension LayerSpecification {
    var canonicalValue: CanonicalValue {
        switch self {
        case .dense(let units, let activation):
            .object(["dense": .object(["units": .count(units), "activation": .string(activation.rawValue)])])
        case .dropout(let rate): .object(["dropout": .object(["rate": .decimal(rate)])])
        }
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(Self.kinds)
        switch name {
        case "dense":
            let fields = try body.fields(["units", "activation"])
            self = .dense(
                units: try fields.required("units").integer(1...1_000_000),
                activation: try fields[optional: "activation"]?.keyword(Activation.self) ?? .linear)
        default:
            self = .dropout(rate: try body.fields(["rate"]).required("rate").decimal(0...0.99))
        }
    }
}

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
        case .adam(let beta1, let beta2, let epsilon, let weightDecay):
            .object(["adam": Self.adaptive(beta1, beta2, epsilon, weightDecay)])
        case .adamW(let beta1, let beta2, let epsilon, let weightDecay):
            .object(["adamW": Self.adaptive(beta1, beta2, epsilon, weightDecay)])
        }
    }

    private static func adaptive(
        _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ weightDecay: Double
    ) -> CanonicalValue {
        .object([
            "beta1": .decimal(beta1), "beta2": .decimal(beta2), "epsilon": .decimal(epsilon),
            "weightDecay": .decimal(weightDecay),
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(["sgd", "adam", "adamW"])
        if name == "sgd" {
            let fields = try body.fields(["momentum", "nesterov", "weightDecay"])
            let momentum = try fields[optional: "momentum"]?.decimal(0...0.9999) ?? 0
            let nesterov = try fields[optional: "nesterov"]?.boolean() ?? false
            guard !nesterov || momentum > 0 else {
                throw body.error("asks for Nesterov without momentum", hint: "set momentum above 0")
            }
            self = .sgd(
                momentum: momentum, nesterov: nesterov,
                weightDecay: try fields[optional: "weightDecay"]?.decimal(0...1e3) ?? 0)
            return
        }
        let fields = try body.fields(["beta1", "beta2", "epsilon", "weightDecay"])
        let beta1 = try fields[optional: "beta1"]?.decimal(0...0.999999) ?? 0.9
        let beta2 = try fields[optional: "beta2"]?.decimal(0...0.999999) ?? 0.999
        let epsilon = try fields[optional: "epsilon"]?.decimal(1e-16...1) ?? 1e-8
        let decay = try fields[optional: "weightDecay"]?.decimal(0...1e3)
        self =
            name == "adam"
            ? .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay ?? 0)
            : .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay ?? 0.01)
    }
}

extension LearningRateSchedule {
    var canonicalValue: CanonicalValue {
        switch self {
        case .constant: .object(["constant": .object([:])])
        case .step(let every, let factor):
            .object(["step": .object(["every": .count(every), "factor": .decimal(factor)])])
        case .cosine(let final): .object(["cosine": .object(["final": .decimal(final)])])
        case .warmup(let steps): .object(["warmup": .object(["steps": .count(steps)])])
        }
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(["constant", "step", "cosine", "warmup"])
        switch name {
        case "step":
            let fields = try body.fields(["every", "factor"])
            self = .step(
                every: try fields.required("every").integer(1...1_000_000_000),
                factor: try fields.required("factor").decimal(0...1))
        case "cosine":
            self = .cosine(final: try body.fields(["final"])[optional: "final"]?.decimal(0...1) ?? 0)
        case "warmup":
            self = .warmup(steps: try body.fields(["steps"]).required("steps").integer(1...1_000_000_000))
        default:
            _ = try body.fields([])
            self = .constant
        }
    }
}
