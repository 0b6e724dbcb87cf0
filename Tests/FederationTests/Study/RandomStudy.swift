// SPDX-License-Identifier: Apache-2.0
// Draws valid studies of every kind, for properties that must hold for all of them.

import Federation
import NeuralNetworks
import Randomness

/// Draws studies; the same seed draws the same ones.
struct RandomStudy {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed, stream: "studies") }

    mutating func next() -> Study {
        let (task, label) = self.task()
        let data = DataContract(
            columns: columns(label: label),
            holdout: Holdout(testFraction: decimal(0, 0.9), seed: generator.next()))
        return Study(
            name: siteID().rawValue, title: text(), purpose: text(), task: task, data: data,
            model: model(outputs: task.head.outputs),
            training: TrainingPlan(
                optimizer: optimizer(), learningRate: decimal(1e-12, 1e3), schedule: schedule(),
                batchSize: count(1, 1_000_000),
                localWork: isHeads() ? .steps(count(1, 1_000_000)) : .epochs(count(1, 10_000)), seed: generator.next()),
            federation: federation(),
            evaluation: isHeads() ? .standard : EvaluationTerms(everyRounds: count(1, 100_000), bins: count(2, 65_536)))
    }

    // MARK: Parts

    private mutating func task() -> (LearningTask, LabelColumn) {
        switch generator.index(below: 3) {
        case 0:
            let codes = self.codes(2)
            return (.binary, .binary(positive: [codes[0]], negative: Array(codes[1...])))
        case 1:
            let codes = self.codes(2)
            return (.multiclass(classes: codes.count), .classes(codes))
        default:
            return (.regression, .number(unit: text(), minimum: decimal(-1e15, 0), maximum: decimal(1e-3, 1e15)))
        }
    }

    private mutating func columns(label: LabelColumn) -> [ColumnContract] {
        var kinds: [ColumnKind] = [.label(label), .number(number())]
        if isHeads() { kinds.append(.patientKey) }
        if isHeads() { kinds.append(.split(SplitColumn(train: ["a"] + codes(1).map { "a\($0)" }, test: ["b"]))) }
        for _ in 0..<generator.index(below: 6) {
            switch generator.index(below: 5) {
            case 0: kinds.append(.number(number()))
            case 1:
                kinds.append(
                    .category(
                        CategoryColumn(
                            codes: codes(2), unknownCode: draw(UnknownCodeRule.self), dropsFirst: isHeads(),
                            isStandardized: isHeads())))
            case 2:
                let earliest = count(-700_000, 2_000_000)
                kinds.append(
                    .date(
                        DateColumn(
                            format: draw(DateFormat.self), earliest: CalendarDay(daysSinceEpoch: earliest),
                            latest: CalendarDay(daysSinceEpoch: earliest + count(1, 100_000)),
                            outOfRange: draw(OutOfRangeRule.self))))
            case 3: kinds.append(.group(GroupColumn(levels: .codes(codes(1)))))
            default:
                let edges = (0..<count(1, 4)).map { _ in decimal(-1e6, 1e6) }
                kinds.append(.group(GroupColumn(levels: .bands(edges: Array(Set(edges)).sorted()))))
            }
        }
        // Fisher-Yates, so that the label and the keys stand anywhere.
        for index in kinds.indices.dropFirst() { kinds.swapAt(index, generator.index(below: index + 1)) }
        return kinds.enumerated().map { index, kind in
            ColumnContract(
                name: "\(text(limit: 8))\(index)", kind: kind, missingCodes: isHeads() ? [] : [text(limit: 4), "?"])
        }
    }

    private mutating func number() -> NumberColumn {
        NumberColumn(
            unit: text(limit: 10), minimum: decimal(-1e15, 0), maximum: decimal(1e-3, 1e15),
            outOfRange: draw(OutOfRangeRule.self))
    }

    private mutating func model(outputs: Int) -> ModelSpecification {
        var layers: [any StudyElement] = []
        for _ in 0..<generator.index(below: 4) {
            let activation = Activation.choices[generator.index(below: Activation.choices.count)]
            layers.append(
                isHeads() ? Dropout(decimal(0, 0.99)) : Dense(count(1, 64), activation: activation, bias: isHeads()))
        }
        return ModelSpecification(layers: layers + [Dense(outputs)])
    }

    private mutating func optimizer() -> OptimizerSpecification {
        let (beta1, beta2) = (decimal(0, 0.99), decimal(0, 0.99))
        let (epsilon, decay) = (decimal(1e-16, 1), decimal(0, 1e3))
        switch generator.index(below: 6) {
        case 0:
            let momentum = isHeads() ? 0 : decimal(0.1, 0.9999)
            return .sgd(momentum: momentum, nesterov: momentum > 0 && isHeads(), weightDecay: decay)
        case 1:
            return .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, amsgrad: isHeads())
        case 2:
            return .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, amsgrad: isHeads())
        case 3:
            return .rmsprop(
                alpha: beta1, epsilon: epsilon, momentum: isHeads() ? 0 : decimal(0.1, 0.9999), centered: isHeads(),
                weightDecay: decay)
        case 4: return .adagrad(epsilon: epsilon, learningRateDecay: decimal(0, 1), weightDecay: decay)
        default: return .lamb(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay)
        }
    }

    private mutating func schedule(mayWarmUp: Bool = true) -> LearningRateSchedule {
        switch generator.index(below: mayWarmUp ? 5 : 4) {
        case 0: .constant
        case 1: .step(every: count(1, 1_000_000_000), factor: decimal(0, 1))
        case 2: .cosine(final: decimal(0, 1))
        case 3:
            .oneCycle(rise: decimal(1e-6, 0.999999), startDivisor: decimal(1, 1e9), endDivisor: decimal(1, 1e9))
        default: .warmup(steps: count(1, 1_000_000_000), then: schedule(mayWarmUp: false))
        }
    }

    private mutating func federation() -> FederationTerms {
        // 2 · 200 · 64 · (2^15 - 1) + 1 < 2^32.
        FederationTerms(
            strategy: strategy(), rounds: count(1, 100_000), minimumSites: count(2, 200),
            requiredSites: Array(Set((0..<generator.index(below: 3)).map { _ in siteID() })).sorted(),
            participation: decimal(1e-6, 1),
            progress: isHeads()
                ? .standard
                : ProgressTerms(
                    joinSeconds: decimal(0, 604_800), stallSeconds: decimal(0.05, 604_800),
                    stragglerFactor: decimal(1, 1e6), stragglerSeconds: decimal(0, 604_800),
                    absenceSeconds: decimal(0.05, 604_800), attempts: count(1, 1_000)),
            numbers: isHeads()
                ? .standard
                : NumberTerms(
                    valueBits: count(8, 16), clip: decimal(1e-6, 1e6), weightUnit: count(1, 1_000_000),
                    maximumWeight: count(1, 64)))
    }

    private mutating func strategy() -> Strategy {
        switch generator.index(below: 8) {
        case 0: .fedAvg
        case 1: .fedProx(mu: decimal(0, 1e6))
        case 2: .fedAvgM(learningRate: decimal(1e-9, 1e3), momentum: decimal(0, 0.9999))
        case 3: .fedAdam(adaptiveTerms())
        case 4: .fedYogi(adaptiveTerms())
        case 5: .fedAdagrad(learningRate: decimal(1e-9, 1e3), tau: decimal(1e-12, 1e3))
        case 6: .scaffold(learningRate: decimal(1e-9, 1e3))
        default: .fedNova
        }
    }

    private mutating func adaptiveTerms() -> Strategy.AdaptiveTerms {
        Strategy.AdaptiveTerms(
            learningRate: decimal(1e-9, 1e3), beta1: decimal(0, 0.99), beta2: decimal(0, 0.99), tau: decimal(1e-12, 1e3)
        )
    }

    // MARK: Values

    private mutating func isHeads() -> Bool { generator.next() & 1 == 1 }
    private mutating func count(_ low: Int, _ high: Int) -> Int { low + generator.index(below: high - low + 1) }

    /// Mostly ends, round numbers and numbers of all sizes: where texts go wrong.
    private mutating func decimal(_ low: Double, _ high: Double) -> Double {
        switch generator.index(below: 5) {
        case 0: low
        case 1: high
        case 2: min(high, max(low, Double(generator.index(below: 1_000)) / 100))
        case 3:
            min(
                high,
                max(low, Double(sign: .plus, exponent: count(-60, 60), significand: 1 + generator.uniformDouble())))
        default: low + (high - low) * generator.uniformDouble()
        }
    }

    private mutating func draw<Word: CaseIterable>(_ type: Word.Type) -> Word {
        let words = Array(Word.allCases)
        return words[generator.index(below: words.count)]
    }

    private mutating func text(limit: Int = 20) -> String {
        let alphabet: [Character] = [
            "a", "Z", "0", " ", "\"", "\\", "\n", "\u{1}", "é", "Å", "漢", "\u{1F600}", ":", "#", "-",
        ]
        let count = generator.index(below: limit / 2 + 1)
        return String((0..<count).map { _ in alphabet[generator.index(below: alphabet.count)] })
    }

    private mutating func codes(_ minimum: Int) -> [String] {
        (0..<count(minimum, minimum + 4)).map { "\(text(limit: 6))\($0)" }
    }

    private mutating func siteID() -> SiteID {
        let alphabet = Array("abcz09-")
        let middle = String(
            (0..<generator.index(below: 10)).map { _ in alphabet[generator.index(below: alphabet.count)] })
        return SiteID("s\(middle)9")!
    }
}
