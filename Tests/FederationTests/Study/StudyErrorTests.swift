// SPDX-License-Identifier: Apache-2.0
// Studies that are refused, and what the error says.

import Federation
import NeuralNetworks
import Testing

@Suite struct StudyErrorTests {
    private func error(_ path: String, _ value: CanonicalValue?) -> DocumentError? {
        do {
            _ = try Study(document: SampleStudy.document(path, value))
            return nil
        } catch {
            return error
        }
    }

    private static let names = "1 to 63 of a-z, 0-9 and -"

    @Test(arguments: [
        ("study", "study", ""), ("title", "title", ""), ("purpose", "purpose", ""), ("task", "task", ""),
        ("data", "data", ""), ("data.columns", "columns", "data"), ("model", "model", ""),
        ("model.layers", "layers", "model"), ("model.layers[0].dense.units", "units", "model.layers[0].dense"),
        ("training", "training", ""), ("training.optimizer", "optimizer", "training"),
        ("training.learningRate", "learningRate", "training"), ("training.batchSize", "batchSize", "training"),
        ("training.seed", "seed", "training"), ("federation", "federation", ""),
        ("federation.rounds", "rounds", "federation"), ("federation.minimumSites", "minimumSites", "federation"),
        ("data.columns[0].name", "name", "data.columns[0]"),
        ("data.columns[0].number.unit", "unit", "data.columns[0].number"),
        ("data.columns[0].number.minimum", "minimum", "data.columns[0].number"),
        ("data.columns[0].number.maximum", "maximum", "data.columns[0].number"),
        ("data.columns[1].category.codes", "codes", "data.columns[1].category"),
    ])
    func requiredKeysAreMissed(_ path: String, key: String, owner: String) throws {
        let found = try #require(error(path, nil))
        #expect(found.path == owner)
        #expect(found.problem == "lacks the key `\(key)`")
        #expect(found.hint == "add `\(key):`")
    }

    @Test(arguments: [
        "x", "data.x", "data.holdout.x", "data.columns[0].x", "data.columns[0].number.x", "data.columns[1].category.x",
        "data.columns[2].label.x", "data.columns[3].group.x", "model.x", "model.layers[0].dense.x", "training.x",
        "federation.x", "federation.progress.x", "federation.numbers.x", "evaluation.x",
        "federation.strategy.fedAvg.x", "federation.strategy.fedAdam.x", "training.schedule.cosine.x",
        "training.schedule.constant.x", "federation.strategy.fedNova.x", "federation.strategy.scaffold.x",
    ])
    func unknownKeysAreRefusedEverywhere(_ path: String) throws {
        let found = try #require(error(path, .count(1)))
        #expect(found.problem == "has an unknown key")
        #expect(found.path == path.split(separator: ".").dropLast().joined(separator: "."))
        #expect(found.hint.hasPrefix("known keys:"))
    }

    struct Refusal: Sendable {
        var at: String
        var value: CanonicalValue
        var path: String
        var problem: String
        var hint: String

        init(_ at: String, _ value: CanonicalValue, in path: String? = nil, _ problem: String, _ hint: String) {
            self.at = at
            self.value = value
            self.path = path ?? at
            self.problem = problem
            self.hint = hint
        }
    }

    @Test(arguments: [
        Refusal("study", .string("Heart"), "is not a usable name", names),
        Refusal("title", .string(String(repeating: "x", count: 201)), "is too long", "at most 200 bytes"),
        Refusal("task", .string("survival"), "is not a known task", "one of: binary, multiclass, regression"),
        Refusal(
            "task", .string("regression"), "does not fit the label",
            "a regression task needs a label with unit and range"),
        Refusal(
            "task", .string("multiclass"), "does not fit the label", "a multiclass task needs a label with classes"),
        Refusal(
            "data.columns[2].label", .object(["classes": .strings(["0", "1"])]), in: "task", "does not fit the label",
            "a binary task needs a label with positive and negative"),
        Refusal(
            "model.layers[0].dense.units", .count(2), in: "model.layers[0]", "does not fit",
            "layer 0 (dense) has 2 units: the head needs 1"),
        Refusal(
            "model.layers[0].dense.activation", .string("relu"), in: "model.layers[0]", "does not fit",
            "layer 0 (dense) has relu activation: the last layer must be linear, because the head applies its own function"
        ),
        Refusal(
            "model.layers", .array([]), in: "model.layers", "does not fit",
            "the model has no layers: it needs at least one dense layer with linear activation"),
        Refusal(
            "model.layers[1]", .object(["dropout": .object(["rate": .decimal(0.5)])]), in: "model.layers[1]",
            "does not fit",
            "layer 1 (dropout) is the last one: the last layer must be dense with 1 units and linear activation"),
        Refusal(
            "model.layers[0]", .string("conv"), "must name exactly one known kind",
            "one of: \(ModelSpecification.kinds.joined(separator: ", "))"),
        Refusal(
            "training.localEpochs", .count(1), in: "training", "must name one amount of local work",
            "either localSteps or localEpochs"),
        Refusal(
            "training.optimizer", .object(["sgd": .object(["nesterov": .boolean(true)])]), in: "training.optimizer.sgd",
            "asks for Nesterov without momentum", "set momentum above 0"),
        Refusal("training.learningRate", .string("0"), "is out of range", "from 1e-12 to 1000"),
        Refusal("training.batchSize", .count(0), "is out of range", "from 1 to 1000000"),
        Refusal("training.seed", .count(-1), "must be a whole number", "from 0 to 18446744073709551615"),
        Refusal("federation.minimumSites", .count(1), "is out of range", "from 2 to 100000"),
        Refusal("federation.participation", .string("0"), "is out of range", "from 1e-6 to 1"),
        Refusal(
            "federation.requiredSites", .strings(["Bad Name"]), in: "federation.requiredSites[0]",
            "is not a site name", names),
        Refusal(
            "federation.numbers", .object(["valueBits": .count(24), "maximumWeight": .count(65_536)]), in: "federation",
            "needs a ring of 41 bits for its fewest sites",
            "lower numbers.valueBits or maximumWeight: 32 bits at most"),
        Refusal("federation.progress.stallSeconds", .string("0"), "is out of range", "from 0.05 to 604800"),
        Refusal("evaluation.bins", .count(1), "is out of range", "from 2 to 65536"),
        Refusal("data.holdout.testFraction", .string("0.95"), "is out of range", "from 0 to 0.9"),
    ])
    func impossibleValuesAreRefusedWithAHint(_ refusal: Refusal) throws {
        let found = try #require(error(refusal.at, refusal.value))
        #expect(found.path == refusal.path)
        #expect(found.problem == refusal.problem)
        #expect(found.hint == refusal.hint)
    }
}
