// SPDX-License-Identifier: Apache-2.0
// A study of two sites of ours and one written in Python from the protocol's documents.

import ClinicalData
import Federation
import Foundation
import ModelFiles
import SiteService
import Store
import Testing

/// The first of the given programs' names that the machine lacks says why a suite does not run.
enum Programs {
    static func areInstalled(_ names: String...) -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        return names.allSatisfy { name in
            folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
        }
    }
}

@Suite(.enabled(if: Programs.areInstalled("python3", "openssl"), "python3 and openssl are needed"))
struct ForeignSiteTests {
    private static let change = 0.25

    @Test func aSiteWrittenFromTheDocumentsTakesPartInEveryRound() async throws {
        let federation = try await InteropFederation(rounds: 2)
        let foreign = try federation.foreignSite(["--change", "\(Self.change)"])
        try await federation.submit()
        let status = try await foreign.status()
        #expect(status == 0, "\(foreign.output)\n\(federation.log())")

        let rounds = try await federation.store().rounds(study: federation.study.hash)
        #expect(rounds.map(\.id.kind) == [.statistics, .training, .training, .evaluation])
        for round in rounds {
            #expect(round.participation.map { "\($0.site) \($0.word)" } == Self.allIncluded)
        }
        try await expectStatisticsOfAllTables(federation, rounds[0])
        try await expectChanges(federation, rounds: 2)
        try await expectEvaluationOfAllTables(federation, rounds[3])
        try await expectDelivery(federation, to: foreign)
    }

    /// The rules are broken one at a time, each in a training round of its own; a vector counts once or not at all.
    @Test func aSiteThatMisbehavesInUploadsIsAnsweredAndCountsOnce() async throws {
        let answers = [
            "download-cut: hung up", "download resumes at 100",
            "upload-cut: hung up", "upload resumes at 7",
            "upload-wrong-length: upload_result wrongLength",
            "upload-wrong-digest: upload_result wrongDigest",
            "upload-padding: upload_result malformedVector",
            "upload-gap: protocolViolation",
            "upload-too-long: protocolViolation",
            "upload-replay: ",
            "upload-old-task: round_ended",
        ]
        let words = answers.filter { $0.contains(":") }.map { answer in String(answer.prefix { $0 != ":" }) }
        let federation = try await InteropFederation(rounds: words.count)
        let foreign = try federation.foreignSite(
            running: "hostile_site.py", ["--change", "\(Self.change)", "--misbehave", words.joined(separator: ",")])
        try await federation.submit()
        let status = try await foreign.status()
        #expect(status == 0, "\(foreign.output)\n\(federation.log())")
        for answer in answers { #expect(foreign.output.contains("\(answer)"), "\(foreign.output)") }
        // The same vector again: the receipt again, or, when the round closed in between, that it is in the sum.
        let replayed = ["upload-replay: upload_result", "upload-replay: round_ended closed"]
        #expect(replayed.contains { foreign.output.contains($0) }, "\(foreign.output)")
        try await expectChanges(federation, rounds: words.count)
    }

    // MARK: What must hold

    private static let allIncluded = ["budapest included", "cleveland included", "foreign included"]

    /// The preprocessing in the model comes from the exact sums over the three tables, the foreign site's among them.
    private func expectStatisticsOfAllTables(_ federation: InteropFederation, _ round: RoundRecord) async throws {
        let sum = try StatisticsSum(contract: federation.study.data)
        let vectors = try federation.tables().map { TableMoments.vector(of: $0, rows: $0.rows(in: .train)) }
        let total = vectors[0].indices.map { index in vectors.reduce(0) { $0 + $1[index] } }
        let expected = try sum.result(of: total)
        #expect(round.metrics["trainingRows"] == Double(expected.rows))
        let (file, _) = try ModelFile.readWithParameters(try await federation.modelPath(round: 0))
        #expect(try StudyModel(file).preprocessing == expected.preprocessing)
    }

    /// Every round moves every parameter by the foreign site's change times its share of the weight, and no more.
    private func expectChanges(_ federation: InteropFederation, rounds: Int) async throws {
        let numbers = federation.study.federation.numbers
        let weights = try federation.tables().map { numbers.weight(rows: $0.rows(in: .train).count) }
        let share = Double(weights[2]) / Double(weights.reduce(0, +))
        // Rounding to integers moves a site's change by less than one step of the fixed point.
        let step = numbers.clip / Double((1 << (numbers.valueBits - 1)) - 1)
        var (_, before) = try ModelFile.readWithParameters(try await federation.modelPath(round: 0))
        for round in 1...rounds {
            let (_, after) = try ModelFile.readWithParameters(try await federation.modelPath(round: round))
            for (old, new) in zip(before, after) {
                // Float32 parameters near 1 add half of 2⁻²³.
                #expect(abs(Double(new) - Double(old) - share * Self.change) < step + 0x1p-22)
            }
            before = after
        }
    }

    /// The metrics of the evaluation round are those of our own engine over the test rows of the three tables.
    private func expectEvaluationOfAllTables(_ federation: InteropFederation, _ round: RoundRecord) async throws {
        let study = federation.study
        let (file, parameters) = try ModelFile.readWithParameters(try await federation.modelPath(round: 2))
        let preprocessing = try StudyModel(file).preprocessing
        let sum = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        var counts: EvaluationSum.Counts?
        for table in try federation.tables() {
            let local = try LocalStudy(study: study, table: table)
            let own = try local.evaluationCounts(
                sum, preprocessing: preprocessing, parameters: parameters, rows: local.testRows)
            counts =
                counts.map { total in
                    EvaluationSum.Counts(
                        positives: zip(total.positives, own.positives).map(+),
                        negatives: zip(total.negatives, own.negatives).map(+),
                        moments: zip(total.moments, own.moments).map(+))
                } ?? own
        }
        let expected = try sum.metrics(of: try #require(counts), labelRange: (0, 1))
        for (name, value) in expected.named {
            let found = try #require(round.metrics[name], "\(name)")
            // Ours computes scores in float32, Python in double: a score at the edge of a bin may change sides.
            #expect(abs(found - value) < 1e-3, "\(name)")
        }
        #expect(round.metrics["rows"] == Double(expected.rows))
        #expect(round.metrics["accuracy"] == expected.accuracy)
    }

    /// The released model is at the foreign site, byte for byte.
    private func expectDelivery(_ federation: InteropFederation, to foreign: ChildProgram) async throws {
        let released = try #require(try await federation.store().study(federation.study.hash)?.releasedModel)
        let copy = try Data(contentsOf: federation.folder.appending(path: "foreign/\(released.hex)"))
        let original = try Data(contentsOf: URL(filePath: try await federation.modelPath(round: 2)))
        #expect(copy == original)
        #expect(foreign.output.contains("study completed"))
    }
}
