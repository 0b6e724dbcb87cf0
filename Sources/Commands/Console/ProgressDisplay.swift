// SPDX-License-Identifier: Apache-2.0
// Live progress of a study, with two faces: a picture that is redrawn in a terminal, plain lines in a pipe.

import Federation
import Simulation
import Store
import WireProtocol

/// Shows the moments of one study to people.
///
/// In a terminal the last lines are redrawn at most ten times a second; in a pipe there is one line for each round that
/// ends and for each change of state.
struct ProgressDisplay {
    private let console: Console
    private var drawnLines = 0
    private var drawn: ContinuousClock.Instant?
    private var latest: (moment: FederationMoment, members: Int?)?
    private var said = ""

    init(_ console: Console) { self.console = console }

    /// - Parameter members: how many sites could take part, when it is known.
    mutating func show(_ moment: FederationMoment, members: Int?) {
        guard !console.isQuiet else { return }
        latest = (moment, members)
        if console.isTerminal {
            let now = ContinuousClock.now
            if let drawn, now - drawn < .milliseconds(100) { return }
            drawn = now
            redraw(Self.picture(moment, members: members))
            return
        }
        for round in moment.endedRounds { console.line(RoundMetrics(round).line(of: moment.status.rounds)) }
        let state = Self.state(moment, members: members)
        if state != said {
            said = state
            if !state.isEmpty { console.line(state) }
        }
    }

    /// Draws what the limit on drawing may have held back, and lets the picture stand.
    mutating func finish() {
        if console.isTerminal, !console.isQuiet, let latest {
            redraw(Self.picture(latest.moment, members: latest.members))
        }
        drawnLines = 0
        latest = nil
    }

    private mutating func redraw(_ lines: [String]) {
        // Up over the old picture, then each line cleared before it is written, and what is left below cleared.
        let up = drawnLines > 0 ? "\u{1B}[\(drawnLines)A" : ""
        let body = lines.map { "\u{1B}[2K\($0.prefix(Console.columns))\n" }.joined()
        console.raw(up + body + "\u{1B}[J")
        drawnLines = lines.count
    }

    // MARK: Words

    /// The picture of a moment: four or five lines.
    static func picture(_ moment: FederationMoment, members: Int?) -> [String] {
        let status = moment.status
        let done = status.phase == "completed" ? status.rounds : max(0, status.round - (isTraining(status) ? 1 : 0))
        let width = 40
        let filled = status.rounds > 0 ? min(width, width * done / status.rounds) : 0
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        var lines = [
            "\(status.name)  \(phase(status))",
            "[\(bar)] \(done)/\(status.rounds) rounds",
            "loss \(Figures.fixed(status.loss))  accuracy \(Figures.fixed(status.accuracy))  "
                + "AUC \(Figures.fixed(status.auc))  \(Figures.count(Int(status.examplesPerSecond))) examples/s",
            sites(moment, members: members) + "  received \(Figures.bytes(Int(clamping: status.bytesUp)))"
                + "  sent \(Figures.bytes(Int(clamping: status.bytesDown)))",
        ]
        let waiting = status.pending.prefix(3).map { "\($0.site) (\($0.isConnected ? $0.stage : "not connected"))" }
        let more = status.pending.count > 3 ? ", \(status.pending.count - 3) more" : ""
        let last = waiting.isEmpty ? status.explanation : "waiting for " + waiting.joined(separator: ", ") + more
        if !last.isEmpty { lines.append(last) }
        return lines
    }

    /// What a pipe is told when it changes.
    static func state(_ moment: FederationMoment, members: Int?) -> String {
        let status = moment.status
        let explanation = status.explanation.isEmpty ? "" : ": \(status.explanation)"
        switch status.phase {
        case "gathering": return "gathering: \(sites(moment, members: members))\(explanation)"
        case "waiting" where !status.explanation.isEmpty: return "waiting for sites\(explanation)"
        case "completed": return "completed: \(status.deliveries) of \(status.acceptedSites.count) sites have the model"
        case "degraded", "stopped": return status.phase + explanation
        default: return ""
        }
    }

    private static func isTraining(_ status: StudyStatus) -> Bool {
        status.roundKind == RoundKind.training.rawValue && !status.isFinished
    }

    private static func phase(_ status: StudyStatus) -> String {
        switch status.phase {
        case "collecting", "summing", "waiting":
            let attempt = status.attempt > 1 ? ", attempt \(status.attempt)" : ""
            return "\(status.phase): \(status.roundKind) round \(status.round)\(attempt)"
        case "completed": return "completed: \(status.deliveries) of \(status.acceptedSites.count) sites have the model"
        default: return status.phase
        }
    }

    private static func sites(_ moment: FederationMoment, members: Int?) -> String {
        let accepted = moment.status.acceptedSites.count
        let total = members.map { " of \($0)" } ?? ""
        return "\(moment.connectedSites.count)\(total) sites connected, \(accepted) accepted"
    }
}

extension RoundMetrics {
    /// One line for people about a round that has ended.
    func line(of rounds: Int) -> String {
        let name =
            switch kind {
            case RoundKind.training.rawValue: "round \(round)/\(rounds)"
            case RoundKind.evaluation.rawValue: "evaluation \(round)/\(rounds)"
            default: kind
            }
        guard state == RoundState.closed.rawValue else { return "\(name): attempt \(attempt) \(state)" }
        var parts = [Figures.plural(survivors, "site")]
        if let loss { parts.append("loss \(Figures.fixed(loss))") }
        if let accuracy { parts.append("accuracy \(Figures.fixed(accuracy))") }
        if let auc { parts.append("AUC \(Figures.fixed(auc))") }
        if let examplesPerSecond { parts.append("\(Figures.count(Int(examplesPerSecond))) examples/s") }
        parts.append(Figures.seconds(seconds))
        let absent = participation.filter { $0.outcome != Participation.included.word }
        if !absent.isEmpty {
            parts.append("without " + absent.map { "\($0.site) (\($0.outcome))" }.joined(separator: ", "))
        }
        return "\(name): \(parts.joined(separator: ", "))"
    }
}
