// SPDX-License-Identifier: Apache-2.0
// The aggregator of a whole attempt in one process, and when which party is killed.

import Federation
import SecureAggregation

/// The aggregator's machine with its disk.
final class LocalAggregator {
    private(set) var machine: AggregatorRoundStateMachine
    private var records: [AggregatorRoundStateMachine.Record] = []
    private var headers: [DealHeader] = []

    init(rules: RoundRules) { machine = AggregatorRoundStateMachine(rules: rules) }

    var state: AggregatorRoundStateMachine.State { machine.state }

    @discardableResult
    func perform(
        _ event: (inout AggregatorRoundStateMachine) throws -> [AggregatorRoundStateMachine.Action]
    ) rethrows -> [AggregatorRoundStateMachine.Action] {
        let new = try event(&machine)
        for case .record(let record) in new { records.append(record) }
        return new
    }

    /// Stores a deal and takes its header.
    func store(_ header: DealHeader) throws {
        try perform { try $0.receive(header) }
        headers.append(header)
    }

    /// Kills it and starts it from its disk. What it has not recorded, sites have to say again.
    func restart() throws {
        machine = AggregatorRoundStateMachine(rules: machine.rules, replaying: records)
        guard state == .dealing else { return }
        for header in headers { try perform { try $0.receive(header) } }
    }
}

/// At which of the boundaries between messages the party at hand is killed and started again.
final class CrashSchedule {
    private let strikes: (Int) -> Bool
    /// How many boundaries there were.
    private(set) var boundaries = 0

    init(_ strikes: @escaping (Int) -> Bool = { _ in false }) { self.strikes = strikes }

    func strikesNext() -> Bool {
        defer { boundaries += 1 }
        return strikes(boundaries)
    }
}
