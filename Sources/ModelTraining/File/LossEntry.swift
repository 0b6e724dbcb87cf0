// SPDX-License-Identifier: Apache-2.0
// Losses in a training file, and their canonical form.

import Federation
package import NeuralNetworks

/// One loss of a training file: the output that it judges, and how much it counts.
package struct LossEntry: Sendable {
    /// The name of an output of the model; nil: the only one.
    package let output: String?
    package let loss: any Loss
    package let weight: Double
    /// Whether the weight is trained with the model.
    package let learnsWeight: Bool

    private static let learned = "learned"

    private init(output: String?, loss: any Loss, weight: Double?) {
        (self.output, self.loss) = (output, loss)
        (self.weight, learnsWeight) = (weight ?? 1, weight == nil)
    }

    /// The words that training files use.
    package static let kinds = [
        SigmoidCrossEntropy.kind, SoftmaxCrossEntropy.kind, MeanSquaredError.kind, MeanAbsoluteError.kind, Huber.kind,
        PoissonLoss.kind, Dice.kind, CoxPartialLikelihood.kind, DiscreteTimeSurvival.kind, InfoNCE.kind,
    ]

    /// Reads one loss, or a list of `{output, loss, weight}`.
    static func list(_ reader: DocumentReader) throws(DocumentError) -> [LossEntry] {
        guard case .sequence = reader.node.content else {
            return [LossEntry(output: nil, loss: try loss(reader), weight: 1)]
        }
        var entries: [LossEntry] = []
        for element in try reader.elements() {
            let fields = try element.fields(["output", "loss", "weight"])
            entries.append(
                LossEntry(
                    output: try fields.required("output").string(maximumLength: 64),
                    loss: try loss(try fields.required("loss")),
                    weight: try weight(fields[optional: "weight"])))
        }
        guard entries.count > 1 || !entries.contains(where: \.learnsWeight) else {
            throw reader.error("learns the weight of the only loss", hint: "leave `weight` out")
        }
        guard !entries.isEmpty else {
            throw reader.error("names no loss", hint: "one of: \(kinds.joined(separator: ", "))")
        }
        return entries
    }

    /// The weight, 1 where there is none, nil where it is learned.
    private static func weight(_ reader: DocumentReader?) throws(DocumentError) -> Double? {
        guard let reader else { return 1 }
        if case .scalar = reader.node.content, try reader.string() == learned { return nil }
        return try reader.decimal(1e-9...1e9)
    }

    static func canonicalValue(_ entries: [LossEntry]) -> CanonicalValue {
        if entries.count == 1, entries[0].output == nil { return canonicalValue(entries[0].loss) }
        return .array(
            entries.map { entry in
                .object([
                    "output": .string(entry.output ?? ""), "loss": canonicalValue(entry.loss),
                    "weight": entry.learnsWeight ? .string(learned) : .decimal(entry.weight),
                ])
            })
    }

    // MARK: Single losses

    private static func loss(_ reader: DocumentReader) throws(DocumentError) -> any Loss {
        let (kind, body) = try reader.choice(kinds)
        func number(_ fields: DocumentFields, _ key: String, _ range: ClosedRange<Double>, _ standard: Float)
            throws(DocumentError) -> Float
        {
            guard let field = fields[optional: key] else { return standard }
            return Float(try field.decimal(range))
        }
        switch kind {
        case SigmoidCrossEntropy.kind:
            let fields = try body.fields(["positiveWeight", "focalGamma"])
            return SigmoidCrossEntropy(
                positiveWeight: try number(fields, "positiveWeight", 1e-6...1e6, 1),
                focalGamma: try number(fields, "focalGamma", 0...100, 0))
        case SoftmaxCrossEntropy.kind: return try softmax(body)
        case Huber.kind: return Huber(delta: try number(body.fields(["delta"]), "delta", 1e-9...1e9, 1))
        case PoissonLoss.kind:
            return PoissonLoss(isFull: try body.fields(["full"])[optional: "full"]?.boolean() ?? false)
        case Dice.kind:
            let fields = try body.fields(["crossEntropyWeight", "smoothing", "includeBackground"])
            return Dice(
                crossEntropyWeight: try number(fields, "crossEntropyWeight", 0...1e6, 0),
                smoothing: try number(fields, "smoothing", 1e-9...1e6, 1),
                includesBackground: try fields[optional: "includeBackground"]?.boolean() ?? true)
        case CoxPartialLikelihood.kind:
            let ties = try body.fields(["ties"])[optional: "ties"]?.choice(["efron", "breslow"]).name ?? "efron"
            return CoxPartialLikelihood(ties: ties == "efron" ? .efron : .breslow)
        case InfoNCE.kind:
            let fields = try body.fields(["temperature", "symmetric"])
            return InfoNCE(
                temperature: try number(fields, "temperature", 1e-6...1e3, 0.07),
                isSymmetric: try fields[optional: "symmetric"]?.boolean() ?? true)
        default:
            _ = try body.fields([])
            if kind == MeanSquaredError.kind { return MeanSquaredError() }
            return kind == MeanAbsoluteError.kind ? MeanAbsoluteError() : DiscreteTimeSurvival()
        }
    }

    private static func softmax(_ body: DocumentReader) throws(DocumentError) -> any Loss {
        let fields = try body.fields(["classWeights", "labelSmoothing", "focalGamma"])
        var weights: [Float] = []
        for element in try fields[optional: "classWeights"]?.elements() ?? [] {
            weights.append(Float(try element.decimal(0...1e6)))
        }
        return SoftmaxCrossEntropy(
            classWeights: weights,
            labelSmoothing: Float(try fields[optional: "labelSmoothing"]?.decimal(0...0.999) ?? 0),
            focalGamma: Float(try fields[optional: "focalGamma"]?.decimal(0...100) ?? 0))
    }

    /// Every field is written.
    private static func canonicalValue(_ loss: any Loss) -> CanonicalValue {
        func number(_ value: Float) -> CanonicalValue { .decimal(decimal(value)) }
        let (kind, fields): (String, [String: CanonicalValue]) =
            switch loss {
            case let loss as SigmoidCrossEntropy:
                (
                    SigmoidCrossEntropy.kind,
                    ["positiveWeight": number(loss.positiveWeight), "focalGamma": number(loss.focalGamma)]
                )
            case let loss as SoftmaxCrossEntropy:
                (
                    SoftmaxCrossEntropy.kind,
                    [
                        "classWeights": .array(loss.classWeights.map(number)),
                        "labelSmoothing": number(loss.labelSmoothing), "focalGamma": number(loss.focalGamma),
                    ]
                )
            case let loss as Huber: (Huber.kind, ["delta": number(loss.delta)])
            case let loss as PoissonLoss: (PoissonLoss.kind, ["full": .boolean(loss.isFull)])
            case let loss as Dice:
                (
                    Dice.kind,
                    [
                        "crossEntropyWeight": number(loss.crossEntropyWeight), "smoothing": number(loss.smoothing),
                        "includeBackground": .boolean(loss.includesBackground),
                    ]
                )
            case let loss as CoxPartialLikelihood: (CoxPartialLikelihood.kind, ["ties": .string(loss.ties.rawValue)])
            case let loss as InfoNCE:
                (InfoNCE.kind, ["temperature": number(loss.temperature), "symmetric": .boolean(loss.isSymmetric)])
            case is MeanSquaredError: (MeanSquaredError.kind, [:])
            case is MeanAbsoluteError: (MeanAbsoluteError.kind, [:])
            case is DiscreteTimeSurvival: (DiscreteTimeSurvival.kind, [:])
            default: preconditionFailure("a loss that no training file names")
            }
        return .object([kind: .object(fields)])
    }

    /// The double with the float's own shortest digits: 0.07 and not 0.07000000029802322.
    private static func decimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }
}
