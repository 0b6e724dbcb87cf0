// SPDX-License-Identifier: Apache-2.0
// Reading a study from a document and writing its canonical form: the two directions stand side by side.

import NeuralNetworks

extension Study {
    /// The identity of the study: SHA-256 of its canonical bytes under the domain `consilium/study/v1`.
    package var hash: Digest { Self.hash(ofCanonicalBytes: canonicalBytes) }

    /// The identity that bytes have as a study, also when this version cannot read them.
    package static func hash(ofCanonicalBytes bytes: [UInt8]) -> Digest {
        Digest(of: bytes, domain: "consilium/study/v1\n")
    }

    package var canonicalBytes: [UInt8] { canonicalValue.bytes }

    /// The study with every default written out.
    package var canonicalValue: CanonicalValue {
        .object([
            "study": .string(name), "title": .string(title), "purpose": .string(purpose),
            "task": .string(task.word), "data": data.canonicalValue, "model": model.canonicalValue,
            "training": training.canonicalValue, "federation": federation.canonicalValue,
            "evaluation": evaluation.canonicalValue,
        ])
    }

    /// Reads canonical bytes from a peer or a store.
    ///
    /// - Throws: ``CanonicalJSONError`` for other bytes, ``DocumentError`` for a study that is not valid, and
    ///   ``CanonicalJSONError/notCanonical`` for one that leaves out a default.
    package init(canonicalBytes: [UInt8]) throws {
        let value = try CanonicalValue(canonicalBytes: canonicalBytes)
        let study = try Study(document: value.documentNode)
        guard study.canonicalBytes == canonicalBytes else { throw CanonicalJSONError.notCanonical }
        self = study
    }

    /// Reads a document and checks everything that can be checked without data.
    ///
    /// - Throws: ``DocumentError`` for an unknown key, a wrong kind, a value out of range, or parts that do not fit
    ///   together (shapes, label and task, ring width).
    package init(document: DocumentNode) throws(DocumentError) {
        let fields = try DocumentReader(document).fields([
            "study", "title", "purpose", "task", "data", "model", "training", "federation", "evaluation",
        ])
        let nameReader = try fields.required("study")
        guard let name = SiteID(try nameReader.string()) else {
            throw nameReader.error("is not a usable name", hint: "1 to 63 of a-z, 0-9 and -")
        }
        let data = try DataContract(fields.required("data"))
        let taskReader = try fields.required("task")
        let task = try LearningTask(taskReader, label: data.label?.kind)
        let model = try ModelSpecification(fields.required("model"), features: data.features.count, head: task.head)
        let trainingReader = try fields.required("training")
        let graph: Graph
        do { graph = try model.graph(inputs: data.features.count, head: task.head) } catch {
            throw try fields.required("model").error("does not fit the data", hint: error.description)
        }
        let federation = try FederationTerms(fields.required("federation"))
        let training = try TrainingPlan(trainingReader, graph: graph)
        try training.layerRates.check(with: federation.strategy, trainingReader)
        self.init(
            name: name.rawValue,
            title: try fields.required("title").string(maximumLength: 200),
            purpose: try fields.required("purpose").string(maximumLength: 2_000),
            task: task,
            data: data,
            model: model,
            training: training,
            federation: federation,
            evaluation: try fields[optional: "evaluation"].map(EvaluationTerms.init(_:)) ?? .standard)
    }
}

extension LearningTask {
    var word: String {
        switch self {
        case .binary: "binary"
        case .multiclass: "multiclass"
        case .regression: "regression"
        }
    }

    /// Reads the word and checks that the contract's label is of that kind.
    init(_ reader: DocumentReader, label: LabelColumn?) throws(DocumentError) {
        switch (try reader.string(), label) {
        case ("binary", .binary): self = .binary
        case ("multiclass", .classes(let codes)): self = .multiclass(classes: codes.count)
        case ("regression", .number): self = .regression
        case ("binary", _):
            throw reader.error("does not fit the label", hint: "a binary task needs a label with positive and negative")
        case ("multiclass", _):
            throw reader.error("does not fit the label", hint: "a multiclass task needs a label with classes")
        case ("regression", _):
            throw reader.error("does not fit the label", hint: "a regression task needs a label with unit and range")
        default: throw reader.error("is not a known task", hint: "one of: binary, multiclass, regression")
        }
    }
}

extension TrainingPlan {
    var canonicalValue: CanonicalValue {
        let work: [String: CanonicalValue] =
            switch localWork {
            case .steps(let steps): ["localSteps": .count(steps)]
            case .epochs(let epochs): ["localEpochs": .count(epochs)]
            }
        return .object(
            [
                "optimizer": optimizer.canonicalValue, "learningRate": .decimal(learningRate),
                "schedule": schedule.canonicalValue, "batchSize": .count(batchSize), "seed": .string(String(seed)),
            ].merging(work) { first, _ in first }.merging(layerRates.canonicalFields) { first, _ in first })
    }

    /// - Parameter graph: The study's model.
    init(_ reader: DocumentReader, graph: Graph) throws(DocumentError) {
        let fields = try reader.fields(
            ["optimizer", "learningRate", "schedule", "batchSize", "localSteps", "localEpochs", "seed"]
                + LayerRates.keys)
        let localWork: LocalWork
        switch (fields[optional: "localSteps"], fields[optional: "localEpochs"]) {
        case (let steps?, nil): localWork = .steps(try steps.integer(1...1_000_000))
        case (nil, let epochs?): localWork = .epochs(try epochs.integer(1...10_000))
        default: throw reader.error("must name one amount of local work", hint: "either localSteps or localEpochs")
        }
        self.init(
            optimizer: try OptimizerSpecification(fields.required("optimizer")),
            learningRate: try fields.required("learningRate").decimal(1e-12...1e3),
            schedule: try fields[optional: "schedule"].map(LearningRateSchedule.init(_:)) ?? .constant,
            batchSize: try fields.required("batchSize").integer(1...1_000_000),
            localWork: localWork,
            seed: try fields.required("seed").unsigned(),
            layerRates: try LayerRates(fields, graph: graph))
    }
}

extension LayerRates {
    /// SCAFFOLD takes a site's mean gradient from how far its parameters went at one rate: with rates by layer that
    /// would be another gradient. Frozen layers went nowhere, which is their gradient.
    fileprivate func check(with strategy: Strategy, _ reader: DocumentReader) throws(DocumentError) {
        guard case .scaffold = strategy, factors.values.contains(where: { $0 != 0 && $0 != 1 }) else { return }
        throw reader.error(
            "gives layers rates of their own, which SCAFFOLD cannot correct",
            hint: "freeze layers only, or choose another strategy")
    }
}

extension EvaluationTerms {
    var canonicalValue: CanonicalValue {
        .object(["everyRounds": .count(everyRounds), "bins": .count(bins)])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["everyRounds", "bins"])
        self.init(
            everyRounds: try fields[optional: "everyRounds"]?.integer(1...100_000) ?? Self.standard.everyRounds,
            bins: try fields[optional: "bins"]?.integer(2...65_536) ?? Self.standard.bins)
    }
}
