// SPDX-License-Identifier: Apache-2.0
// The small study of these tests, and tables for it that two features separate.

import ClinicalData
import Federation
import Glibc
import NeuralNetworks
import Randomness
import SiteService
import StudyFiles
import Synchronization

/// A logistic model over two numbers: five parameters or so, rounds of milliseconds.
enum TestStudy {
    static let name = "small"
    static let dataset = "rows"

    /// Terms under which nothing is given up on a busy machine.
    static let patient = ProgressTerms(
        joinSeconds: 60, stallSeconds: 120, stragglerFactor: 1_000, stragglerSeconds: 120, absenceSeconds: 120,
        attempts: 3)

    static func make(
        strategy: Strategy = .fedAvg, rounds: Int = 2, minimumSites: Int = 3, participation: Double = 1,
        everyRounds: Int = 1, progress: ProgressTerms = patient, training: TrainingPlan? = nil, valueBits: Int = 16
    ) -> Study {
        let number = NumberColumn(unit: "1", minimum: -10, maximum: 10, outOfRange: .refuse)
        let columns =
            ["x", "y"].map { ColumnContract(name: $0, kind: .number(number), missingCodes: []) }
            + [ColumnContract(name: "ill", kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: [])]
        return Study(
            name: name, title: "A small study", purpose: "tests", task: .binary,
            data: DataContract(columns: columns, holdout: Holdout(testFraction: 0.25, seed: 1)),
            model: ModelSpecification(layers: [Dense(1)]),
            training: training
                ?? TrainingPlan(
                    optimizer: .sgd(momentum: 0, nesterov: false, weightDecay: 0), learningRate: 0.1,
                    schedule: .constant, batchSize: 8, localWork: .steps(10), seed: 1),
            federation: FederationTerms(
                strategy: strategy, rounds: rounds, minimumSites: minimumSites, requiredSites: [],
                participation: participation, progress: progress,
                numbers: NumberTerms(valueBits: valueBits, clip: 1, weightUnit: 16, maximumWeight: 64)),
            evaluation: EvaluationTerms(everyRounds: everyRounds, bins: 16))
    }

    /// A table of `rows` rows in which x + y > 0 is ill; `onlyLabel` keeps one class.
    static func table(rows: Int, seed: UInt64, onlyLabel: Int? = nil) -> [UInt8] {
        var generator = SeededGenerator(seed: seed, stream: "test-table")
        var text = "x,y,ill\n"
        var count = 0
        while count < rows {
            let x = Double(Int(generator.next() % 401)) / 100 - 2
            let y = Double(Int(generator.next() % 401)) / 100 - 2
            let label = x + y > 0 ? 1 : 0
            guard onlyLabel ?? label == label else { continue }
            text += "\(x),\(y),\(label)\n"
            count += 1
        }
        return Array(text.utf8)
    }
}

/// A data set in memory whose source may be touched or changed.
final class TestDataset: DatasetProviding {
    private struct State {
        var text: [UInt8]
        var version: Int64 = 0
        var loads = 0
        var isPresent = true
    }

    /// Guards the text and its version.
    private let state: Mutex<State>

    init(_ text: [UInt8]) { state = Mutex(State(text: text)) }

    /// Gives the source a new modification time, and other content if `text` is not nil.
    func touch(_ text: [UInt8]? = nil) {
        state.withLock { state in
            state.version += 1
            if let text { state.text = text }
        }
    }

    /// Takes the file away, or puts it back.
    func setPresent(_ isPresent: Bool) { state.withLock { $0.isPresent = isPresent } }

    func isPresent(_ name: String) -> Bool? {
        name == TestStudy.dataset ? state.withLock(\.isPresent) : nil
    }

    /// How often the table was read.
    var loads: Int { state.withLock(\.loads) }

    func table(named name: String, for contract: DataContract) throws -> EncodedTable {
        guard name == TestStudy.dataset else { throw DatasetError(.noDataset, message: "no such data set") }
        let text = state.withLock { state in
            state.loads += 1
            return state.text
        }
        do {
            return try TableLoader(
                contract: contract, mapping: TableMapping(path: "", columns: [:]),
                input: .memory(text, blockBytes: 4_096)
            ).load().table
        } catch {
            throw DatasetError(.dataRefused, message: "\(error)")
        }
    }

    func fingerprint(of name: String) -> SourceFingerprint? {
        state.withLock { state in
            SourceFingerprint(
                device: 1, inode: 1, byteCount: Int64(state.text.count), modifiedNanoseconds: state.version)
        }
    }
}

/// Something a training thread waits at.
final class Gate: Sendable {
    private let isOpen = Atomic(false)

    func open() { isOpen.store(true, ordering: .sequentiallyConsistent) }

    /// Waits; `whileWaiting` notices that the work is no longer wanted, by throwing.
    func wait(_ whileWaiting: () throws -> Void) throws {
        while !isOpen.load(ordering: .sequentiallyConsistent) {
            try whileWaiting()
            usleep(2_000)
        }
    }
}
