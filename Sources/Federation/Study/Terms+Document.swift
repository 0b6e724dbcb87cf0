// SPDX-License-Identifier: Apache-2.0
// Federation terms in a study document: strategy, rounds, progress rules and numbers, and their canonical form.

import RingArithmetic

extension FederationTerms {
    var canonicalValue: CanonicalValue {
        .object([
            "strategy": strategy.canonicalValue, "rounds": .count(rounds), "minimumSites": .count(minimumSites),
            "requiredSites": .strings(requiredSites.map(\.rawValue)), "participation": .decimal(participation),
            "progress": progress.canonicalValue, "numbers": numbers.canonicalValue,
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields([
            "strategy", "rounds", "minimumSites", "requiredSites", "participation", "progress", "numbers",
        ])
        var required: [SiteID] = []
        for element in try fields[optional: "requiredSites"]?.elements() ?? [] {
            guard let site = SiteID(try element.string()) else {
                throw element.error("is not a site name", hint: "1 to 63 of a-z, 0-9 and -")
            }
            required.append(site)
        }
        self.init(
            strategy: try fields[optional: "strategy"].map(Strategy.init(_:)) ?? .fedAvg,
            rounds: try fields.required("rounds").integer(1...100_000),
            minimumSites: try fields.required("minimumSites").integer(2...100_000),
            requiredSites: Array(Set(required)).sorted(),
            participation: try fields[optional: "participation"]?.decimal(1e-6...1) ?? 1,
            progress: try fields[optional: "progress"].map(ProgressTerms.init(_:)) ?? .standard,
            numbers: try fields[optional: "numbers"].map(NumberTerms.init(_:)) ?? .standard)
        let narrowest = RingWidth.bits(
            sites: minimumSites, maximumWeight: numbers.maximumWeight, valueBits: numbers.valueBits)
        guard narrowest <= 32 else {
            throw reader.error(
                "needs a ring of \(narrowest) bits for its fewest sites",
                hint: "lower numbers.valueBits or maximumWeight: 32 bits at most")
        }
    }
}

extension ProgressTerms {
    var canonicalValue: CanonicalValue {
        .object([
            "joinSeconds": .decimal(joinSeconds), "stallSeconds": .decimal(stallSeconds),
            "stragglerFactor": .decimal(stragglerFactor), "stragglerSeconds": .decimal(stragglerSeconds),
            "absenceSeconds": .decimal(absenceSeconds), "attempts": .count(attempts),
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields([
            "joinSeconds", "stallSeconds", "stragglerFactor", "stragglerSeconds", "absenceSeconds", "attempts",
        ])
        let standard = Self.standard
        let week = 604_800.0
        self.init(
            joinSeconds: try fields[optional: "joinSeconds"]?.decimal(0...week) ?? standard.joinSeconds,
            stallSeconds: try fields[optional: "stallSeconds"]?.decimal(0.05...week) ?? standard.stallSeconds,
            stragglerFactor: try fields[optional: "stragglerFactor"]?.decimal(1...1e6) ?? standard.stragglerFactor,
            stragglerSeconds: try fields[optional: "stragglerSeconds"]?.decimal(0...week) ?? standard.stragglerSeconds,
            absenceSeconds: try fields[optional: "absenceSeconds"]?.decimal(0.05...week) ?? standard.absenceSeconds,
            attempts: try fields[optional: "attempts"]?.integer(1...1_000) ?? standard.attempts)
    }
}

extension NumberTerms {
    var canonicalValue: CanonicalValue {
        .object([
            "valueBits": .count(valueBits), "clip": .decimal(clip), "weightUnit": .count(weightUnit),
            "maximumWeight": .count(maximumWeight),
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["valueBits", "clip", "weightUnit", "maximumWeight"])
        let standard = Self.standard
        self.init(
            valueBits: try fields[optional: "valueBits"]?.integer(8...24) ?? standard.valueBits,
            clip: try fields[optional: "clip"]?.decimal(1e-6...1e6) ?? standard.clip,
            weightUnit: try fields[optional: "weightUnit"]?.integer(1...1_000_000) ?? standard.weightUnit,
            maximumWeight: try fields[optional: "maximumWeight"]?.integer(1...65_536) ?? standard.maximumWeight)
    }
}

extension Strategy {
    var canonicalValue: CanonicalValue {
        switch self {
        case .fedAvg: .object(["fedAvg": .object([:])])
        case .fedProx(let mu): .object(["fedProx": .object(["mu": .decimal(mu)])])
        case .fedAvgM(let rate, let momentum):
            .object(["fedAvgM": .object(["learningRate": .decimal(rate), "momentum": .decimal(momentum)])])
        case .fedAdam(let terms): .object(["fedAdam": terms.canonicalValue])
        case .fedYogi(let terms): .object(["fedYogi": terms.canonicalValue])
        case .fedAdagrad(let rate, let tau):
            .object(["fedAdagrad": .object(["learningRate": .decimal(rate), "tau": .decimal(tau)])])
        case .scaffold(let rate): .object(["scaffold": .object(["learningRate": .decimal(rate)])])
        case .fedNova: .object(["fedNova": .object([:])])
        }
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice([
            "fedAvg", "fedProx", "fedAvgM", "fedAdam", "fedYogi", "fedAdagrad", "scaffold", "fedNova",
        ])
        switch name {
        case "fedProx":
            self = .fedProx(mu: try body.fields(["mu"]).required("mu").decimal(0...1e6))
        case "fedAvgM":
            let fields = try body.fields(["learningRate", "momentum"])
            self = .fedAvgM(
                learningRate: try fields[optional: "learningRate"]?.decimal(1e-9...1e3) ?? 1,
                momentum: try fields[optional: "momentum"]?.decimal(0...0.9999) ?? 0.9)
        case "fedAdam": self = .fedAdam(try AdaptiveTerms(body))
        case "fedYogi": self = .fedYogi(try AdaptiveTerms(body))
        case "fedAdagrad":
            let fields = try body.fields(["learningRate", "tau"])
            self = .fedAdagrad(
                learningRate: try fields[optional: "learningRate"]?.decimal(1e-9...1e3) ?? 0.1,
                tau: try fields[optional: "tau"]?.decimal(1e-12...1e3) ?? 1e-3)
        case "scaffold":
            let fields = try body.fields(["learningRate"])
            self = .scaffold(learningRate: try fields[optional: "learningRate"]?.decimal(1e-9...1e3) ?? 1)
        case "fedNova":
            _ = try body.fields([])
            self = .fedNova
        default:
            _ = try body.fields([])
            self = .fedAvg
        }
    }
}

extension Strategy.AdaptiveTerms {
    var canonicalValue: CanonicalValue {
        .object([
            "learningRate": .decimal(learningRate), "beta1": .decimal(beta1), "beta2": .decimal(beta2),
            "tau": .decimal(tau),
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["learningRate", "beta1", "beta2", "tau"])
        self.init(
            learningRate: try fields[optional: "learningRate"]?.decimal(1e-9...1e3) ?? 0.1,
            beta1: try fields[optional: "beta1"]?.decimal(0...0.999999) ?? 0.9,
            beta2: try fields[optional: "beta2"]?.decimal(0...0.999999) ?? 0.99,
            tau: try fields[optional: "tau"]?.decimal(1e-12...1e3) ?? 1e-3)
    }
}
