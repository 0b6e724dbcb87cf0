// SPDX-License-Identifier: Apache-2.0
// Studies as people write them: defaults, and values that follow from others.

import Federation
import NeuralNetworks
import Testing

@Suite struct StudyTests {
    private func study(_ path: String, _ value: CanonicalValue?) throws -> Study {
        try Study(document: SampleStudy.document(path, value))
    }

    @Test func absentKeysHaveTheirDefaults() throws {
        let study = try Study(document: SampleStudy.value.documentNode)
        #expect(study.data.holdout == Holdout(testFraction: 0.2, seed: 0))
        #expect(study.model == ModelSpecification(layers: [Dense(1)]))
        #expect(study.training.optimizer == .sgd(momentum: 0, nesterov: false, weightDecay: 0))
        #expect(study.training.schedule == .constant)
        #expect(study.federation.strategy == .fedAvg)
        #expect(study.federation.requiredSites.isEmpty)
        #expect(study.federation.participation == 1)
        #expect(study.federation.progress == .standard)
        #expect(study.federation.numbers == NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64))
        #expect(study.evaluation == EvaluationTerms(everyRounds: 5, bins: 1024))
        #expect(study.data.columns[1].missingCodes.isEmpty)
        guard case .category(let category) = study.data.columns[1].kind else {
            Issue.record("not a category")
            return
        }
        #expect(category.unknownCode == .refuse && !category.dropsFirst && !category.isStandardized)
    }

    @Test func layersMayBeFrozenOrHaveRatesOfTheirOwn() throws {
        let layers = CanonicalValue.array([4, 1].map { .object(["dense": .object(["units": .count($0)])]) })
        func study(_ training: [String: CanonicalValue], strategy: String = "fedAvg") throws -> Study {
            guard case .object(var fields) = SampleStudy.value, case .object(var old)? = fields["training"],
                case .object(var federation)? = fields["federation"]
            else { throw CancellationError() }
            old.merge(training) { _, new in new }
            federation["strategy"] = .string(strategy)
            fields["training"] = .object(old)
            fields["federation"] = .object(federation)
            fields["model"] = .object(["layers": layers])
            return try Study(document: CanonicalValue.object(fields).documentNode)
        }
        let plain = try study([:])
        #expect(plain.training.layerRates == .none)
        #expect(!String(decoding: plain.canonicalBytes, as: UTF8.self).contains("layerRates"))
        #expect(try study(["freeze": .strings([])]).hash == plain.hash)
        let frozen = try study(["freeze": .strings(["0"]), "layerRates": .object(["1": .decimal(0.5)])])
        #expect(frozen.training.layerRates == LayerRates(["0": 0, "1": 0.5]))
        #expect(try Study(canonicalBytes: frozen.canonicalBytes) == frozen)
        let text = String(decoding: frozen.canonicalBytes, as: UTF8.self)
        #expect(text.contains("\"layerRates\":{\"0\":\"0\",\"1\":\"0.5\"}") && !text.contains("freeze"))
        let network = try Network(
            frozen.model, inputs: frozen.data.features.count, head: frozen.task.head,
            layerRates: frozen.training.layerRates)
        #expect(network.slices.map(\.isFrozen) == [true, true, false, false])

        func problem(_ training: [String: CanonicalValue], strategy: String = "fedAvg") -> String? {
            do { _ = try study(training, strategy: strategy) } catch { return (error as? DocumentError)?.problem }
            return nil
        }
        #expect(problem(["freeze": .strings(["2"])]) == "names no layer with parameters")
        #expect(problem(["freeze": .strings(["*"])]) == "freezes every layer")
        #expect(problem(["freeze": .strings(["0"])], strategy: "scaffold") == nil)
        #expect(
            problem(["layerRates": .object(["1": .decimal(2)])], strategy: "scaffold")
                == "gives layers rates of their own, which SCAFFOLD cannot correct")
    }

    @Test(arguments: [
        ("sgd", OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)),
        ("adam", .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0)),
        ("adamW", .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01)),
        ("rmsprop", .rmsprop(alpha: 0.99, epsilon: 1e-8, momentum: 0, centered: false, weightDecay: 0)),
        ("adagrad", .adagrad(epsilon: 1e-10, learningRateDecay: 0, weightDecay: 0)),
        ("lamb", .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01)),
    ])
    func anOptimizerMayBeJustAWord(_ word: String, optimizer: OptimizerSpecification) throws {
        #expect(try study("training.optimizer", .string(word)).training.optimizer == optimizer)
        #expect(try study("training.optimizer", .object([word: .object([:])])).training.optimizer == optimizer)
    }

    @Test func aWarmUpMayBeFollowedByAnySchedule() throws {
        func schedule(_ next: CanonicalValue?) throws -> LearningRateSchedule {
            var fields: [String: CanonicalValue] = ["steps": .count(10)]
            fields["then"] = next
            return try study("training.schedule", .object(["warmup": .object(fields)])).training.schedule
        }
        #expect(try schedule(nil) == .warmup(steps: 10))
        #expect(try schedule(.string("constant")) == .warmup(steps: 10))
        #expect(try schedule(.string("oneCycle")) == .warmup(steps: 10, then: .oneCycle()))
        #expect(throws: DocumentError.self) { try schedule(.object(["warmup": .object(["steps": .count(1)])])) }
    }

    @Test(arguments: [
        ("fedAvg", Strategy.fedAvg), ("fedNova", .fedNova), ("scaffold", .scaffold(learningRate: 1)),
        ("fedAvgM", .fedAvgM(learningRate: 1, momentum: 0.9)),
        ("fedAdagrad", .fedAdagrad(learningRate: 0.1, tau: 1e-3)),
        ("fedAdam", .fedAdam(.init(learningRate: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3))),
        ("fedYogi", .fedYogi(.init(learningRate: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3))),
    ])
    func aStrategyMayBeJustAWord(_ word: String, strategy: Strategy) throws {
        #expect(try study("federation.strategy", .string(word)).federation.strategy == strategy)
    }

    @Test func writingADefaultOutDoesNotChangeTheHash() throws {
        let plain = try Study(document: SampleStudy.value.documentNode)
        let spelled: [(String, CanonicalValue)] = [
            ("training.schedule", .string("constant")), ("federation.participation", .string("1.0")),
            ("federation.strategy", .object(["fedAvg": .string("")])), ("data.holdout", .object([:])),
            ("data.holdout.testFraction", .string("2e-1")), ("model.layers[0].dense.activation", .string("linear")),
            ("evaluation.bins", .count(1024)), ("training.learningRate", .string("0.10")),
        ]
        for (path, value) in spelled { #expect(try study(path, value).hash == plain.hash, "\(path)") }
        #expect(try study("data.holdout.testFraction", .string("0.3")).hash != plain.hash)
        #expect(try study("title", .string("B sample")).hash != plain.hash)
    }

    @Test func requiredSitesAreASet() throws {
        let study = try study("federation.requiredSites", .strings(["b", "a", "b"]))
        #expect(study.federation.requiredSites.map(\.rawValue) == ["a", "b"])
    }

    @Test func localWorkCountsBatches() throws {
        let steps = try study("training.localSteps", .count(7)).training
        #expect(steps.steps(rows: 1) == 7 && steps.steps(rows: 1_000) == 7)
        var epochs = steps
        epochs.localWork = .epochs(3)
        epochs.batchSize = 4
        #expect(epochs.steps(rows: 1) == 3)
        #expect(epochs.steps(rows: 8) == 6)
        #expect(epochs.steps(rows: 9) == 9)
        #expect(epochs.steps(rows: 0) == 0)
    }

    @Test func weightsAreRowsInUnitsRoundedUp() {
        let numbers = NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64)
        #expect(numbers.weight(rows: 0) == 1)
        #expect(numbers.weight(rows: 1) == 1)
        #expect(numbers.weight(rows: 32) == 1)
        #expect(numbers.weight(rows: 33) == 2)
        #expect(numbers.weight(rows: 2_048) == 64)
        #expect(numbers.weight(rows: 1_000_000) == 64)
    }

    @Test func theTaskDecidesTheHead() {
        #expect(LearningTask.binary.head == .logistic)
        #expect(LearningTask.multiclass(classes: 3).head == .softmax(classes: 3))
        #expect(LearningTask.regression.head == .linear)
    }
}
