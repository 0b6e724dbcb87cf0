// SPDX-License-Identifier: Apache-2.0
// What happened in a simulated run, in words: virtual time, party, event.

import Foundation
import Logging
import Synchronization

/// The lines of one run; the same seed gives the same lines, byte for byte.
package final class TortureTrace: Sendable {
    private struct State {
        var lines: [String] = []
        var problems: [String] = []
    }

    /// Whether lines are kept; problems always are.
    let isKept: Bool
    private let state = Mutex(State())
    private let time: @Sendable () -> Duration

    init(isKept: Bool, time: @escaping @Sendable () -> Duration) {
        self.isKept = isKept
        self.time = time
    }

    package var lines: [String] { state.withLock { $0.lines } }
    /// Invariants that broke, each said once.
    package var problems: [String] { state.withLock { $0.problems } }

    /// Notes an event. `text` is only made when lines are kept.
    func note(_ party: String, _ text: @autoclosure () -> String) {
        guard isKept else { return }
        let line = format(party, text())
        state.withLock { $0.lines.append(line) }
    }

    /// Notes that an invariant broke.
    func violation(_ text: String) {
        let line = format("INVARIANT", text)
        state.withLock { state in
            if isKept { state.lines.append(line) }
            if state.problems.count < 20, !state.problems.contains(text) { state.problems.append(text) }
        }
    }

    private func format(_ party: String, _ text: String) -> String {
        let seconds = String(format: "%9.3f", time() / .seconds(1))
        return "\(seconds) s  \(party.padding(toLength: 12, withPad: " ", startingAt: 0)) \(text)"
    }

    /// A party's logger, which writes here while `isAlive`.
    func logger(_ party: String, folder: String, isAlive: @escaping @Sendable () -> Bool) -> Logger {
        var logger = Logger(label: party) { _ in
            Handler(trace: self, party: party, folder: folder, isAlive: isAlive)
        }
        logger.logLevel = isKept ? .info : .critical
        return logger
    }

    private struct Handler: LogHandler {
        let trace: TortureTrace
        let party: String
        /// Differs from one process to the next; left out of the lines.
        let folder: String
        let isAlive: @Sendable () -> Bool
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            guard isAlive() else { return }
            let values = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let text = ([event.message.description] + values).joined(separator: " ")
            trace.note(
                party,
                text.replacingOccurrences(of: folder, with: "").replacingOccurrences(of: "\n", with: "; "))
        }
    }
}
