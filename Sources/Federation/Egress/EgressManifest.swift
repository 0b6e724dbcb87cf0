// SPDX-License-Identifier: Apache-2.0
// Everything that leaves a hospital for a study: what it is, how it is protected, how large, how often.

import NeuralNetworks
import RingArithmetic

/// What a site sends for one study. Nothing else ever leaves; a test compares it with the bytes of a whole study.
package struct EgressManifest: Hashable, Sendable {
    package var items: [Item]

    /// One kind of message or vector.
    package struct Item: Hashable, Sendable {
        package var kind: Kind
        /// The fields inside, in plain words.
        package var fields: [Field]
        package var protection: Protection
        /// Of one message as it is sent, or of one vector, without the frames and records around it.
        package var bytes: ClosedRange<Int>
        package var occasion: Occasion
    }

    package enum Kind: String, CaseIterable, Hashable, Sendable {
        case hello
        case condition
        case decision
        case blobRequest
        case progress
        case uploadOffer
        case withheld
        case modelReceived
        case renewal
        case statisticsVector
        case updateVector
        case evaluationVector
    }

    /// One field, or a run of equal ones.
    package struct Field: Hashable, Sendable {
        package var name: String
        package var count: Int
        package var meaning: String
        /// Whether it is computed from patients' data.
        package var isFromData: Bool

        package init(_ name: String, count: Int = 1, meaning: String, isFromData: Bool = false) {
            self.name = name
            self.count = count
            self.meaning = meaning
            self.isFromData = isFromData
        }
    }

    package enum Protection: String, CaseIterable, Hashable, Sendable {
        /// Encrypted to the aggregator, which can read it.
        case visibleToAggregator

        /// A sentence part for people.
        package var explanation: String {
            switch self {
            case .visibleToAggregator: "TLS 1.3; the aggregator can read it"
            }
        }
    }

    /// When it is sent.
    package enum Occasion: Hashable, Sendable {
        case everyConnection
        /// On every connection, and when it has changed.
        case everyChange
        /// Once for each offer of the study, and when a person decides.
        case everyDecision
        /// For each file of a round, and again after a lost connection.
        case everyDownload
        /// At most so many times a second while working.
        case whileWorking(perSecond: Int)
        /// Once in each of so many rounds, and again after a lost connection.
        case everyRound(Int)
        case whenWithheld
        case onceAtTheEnd
        /// With or without a study, when two thirds of a certificate's life are over.
        case everyRenewal

        /// A sentence part for people.
        package var explanation: String {
            switch self {
            case .everyConnection: "once a connection"
            case .everyChange: "once a connection, and when it changes"
            case .everyDecision: "at each decision"
            case .everyDownload: "for each file fetched"
            case .whileWorking(let perSecond): "at most \(perSecond) a second at work"
            case .everyRound(1): "in 1 round"
            case .everyRound(let rounds): "in each of \(rounds) rounds"
            case .whenWithheld: "when it takes no part"
            case .onceAtTheEnd: "once at the end"
            case .everyRenewal: "about every five days, with or without a study"
            }
        }
    }

    package subscript(kind: Kind) -> Item? { items.first { $0.kind == kind } }
}

extension EgressManifest {
    /// The manifest of a study.
    ///
    /// - Parameter sites: how many sites a round may ask; wider rings hold the sums of more.
    /// - Throws: ``SumError`` when no vector can hold the study's sums, `ShapeError` for an impossible model.
    package init(_ study: Study, sites: ClosedRange<Int>) throws {
        let terms = study.federation
        let evaluations = (1...terms.rounds).filter {
            $0 % study.evaluation.everyRounds == 0 || $0 == terms.rounds
        }.count
        let rounds = 1 + terms.rounds + evaluations
        items = Self.messages(rounds: rounds)
        items.append(
            Item(
                kind: .statisticsVector, fields: Self.statistics(study.data), protection: .visibleToAggregator,
                bytes: Self.only(try StatisticsSum(contract: study.data).layout), occasion: .everyRound(1)))
        let parameters = try Network(study.model, inputs: study.data.features.count, head: study.task.head)
            .parameterCount
        let bytes = try [sites.lowerBound, sites.upperBound].map {
            try UpdateSum(terms: terms, parameterCount: parameters, sites: $0).layout.packedByteCount
        }
        items.append(
            Item(
                kind: .updateVector, fields: Self.update(terms, parameters: parameters),
                protection: .visibleToAggregator, bytes: bytes[0]...bytes[1], occasion: .everyRound(terms.rounds)))
        let evaluation = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        items.append(
            Item(
                kind: .evaluationVector, fields: Self.evaluation(evaluation), protection: .visibleToAggregator,
                bytes: Self.only(evaluation.layout), occasion: .everyRound(evaluations)))
    }

    private static func only(_ layout: RingLayout) -> ClosedRange<Int> {
        layout.packedByteCount...layout.packedByteCount
    }

    // MARK: Messages

    /// Sizes follow from the messages' fields: digests of 32 bytes, words of closed lists, numbers.
    private static func messages(rounds: Int) -> [Item] {
        func message(_ kind: Kind, upTo bytes: Int, _ occasion: Occasion, _ fields: [Field]) -> Item {
            Item(kind: kind, fields: fields, protection: .visibleToAggregator, bytes: 1...bytes, occasion: occasion)
        }
        let task = Field("task", meaning: "hash of the round's task")
        let study = Field("study", meaning: "hash of the study")
        return [
            message(
                .hello, upTo: 400, .everyConnection,
                [
                    Field("versions", meaning: "protocol versions this program speaks"),
                    Field("software", meaning: "program and version"),
                ]),
            message(
                .condition, upTo: 80, .everyChange,
                [Field("obstacles", meaning: "what keeps the site from computing, from a closed list")]),
            message(
                .decision, upTo: 100, .everyDecision,
                [study, Field("accepted", meaning: "yes, or a reason from a closed list")]),
            message(
                .blobRequest, upTo: 64, .everyDownload,
                [
                    Field("digest", meaning: "hash of the model that is fetched"),
                    Field("offset", meaning: "bytes that are here already"),
                ]),
            message(
                .progress, upTo: 80, .whileWorking(perSecond: 4),
                [
                    task, Field("stage", meaning: "a word: downloading, computing, uploading"),
                    Field("count", meaning: "bytes or training steps done"),
                ]),
            message(
                .uploadOffer, upTo: 100, .everyRound(rounds),
                [
                    task, Field("byteCount", meaning: "length of the vector"),
                    Field("digest", meaning: "hash of the vector"),
                ]),
            message(
                .withheld, upTo: 80, .whenWithheld, [task, Field("reason", meaning: "a word from a closed list")]),
            message(
                .modelReceived, upTo: 80, .onceAtTheEnd,
                [study, Field("model", meaning: "hash of the released model")]),
            message(
                .renewal, upTo: 2_000, .everyRenewal,
                [
                    Field("certificateRequest", meaning: "the new public key of this site and its name"),
                    Field("serial", meaning: "number of the certificate that it replaces"),
                    Field("signature", meaning: "by this site's statement key"),
                ]),
        ]
    }

    // MARK: Vectors

    private static func statistics(_ contract: DataContract) -> [Field] {
        var fields = contract.featureColumns.map { index in
            let column = contract.columns[index]
            if case .category(let category) = column.kind {
                return Field(
                    column.name, count: category.codes.count + 1, meaning: "rows with each code, and without one",
                    isFromData: true)
            }
            return Field(
                column.name, count: 3, meaning: "rows with a value, their sum and sum of squares", isFromData: true)
        }
        switch contract.label?.kind {
        case .binary: fields.append(Field("label", count: 2, meaning: "rows of each class", isFromData: true))
        case .classes(let codes):
            fields.append(Field("label", count: codes.count, meaning: "rows of each class", isFromData: true))
        case .number, nil:
            fields.append(
                Field("label", count: 3, meaning: "rows, their sum and sum of squares", isFromData: true))
        }
        fields.append(Field("rows", meaning: "training rows", isFromData: true))
        return fields
    }

    private static func update(_ terms: FederationTerms, parameters: Int) -> [Field] {
        var fields = [
            Field(
                "update", count: parameters,
                meaning: "change of each parameter, clipped at \(decimalText(terms.numbers.clip)), rounded to "
                    + "\(terms.numbers.valueBits) bits, times the weight", isFromData: true),
            Field(
                "weight", meaning: "training rows in units of \(terms.numbers.weightUnit), rounded up", isFromData: true
            ),
            Field("weightedLoss", meaning: "mean training loss times the weight", isFromData: true),
            Field("weightedSteps", meaning: "training steps times the weight", isFromData: true),
            Field("examples", meaning: "rows processed, repetitions counted", isFromData: true),
            Field("clipped", meaning: "parameters that were clipped", isFromData: true),
        ]
        if terms.strategy.usesControls {
            fields.append(
                Field(
                    "controls", count: parameters, meaning: "change of the site's control for each parameter",
                    isFromData: true))
        }
        return fields
    }

    private static func evaluation(_ sum: EvaluationSum) -> [Field] {
        sum.layout.sections.flatMap { section -> [Field] in
            switch section.name {
            case "positives":
                [Field("positives", count: section.count, meaning: "test rows of a class by score", isFromData: true)]
            case "negatives":
                [Field("negatives", count: section.count, meaning: "other test rows by score", isFromData: true)]
            default:
                EvaluationSum.Moment.allCases.map {
                    Field("\($0)", meaning: "sum over the test rows", isFromData: true)
                }
            }
        }
    }
}
