// SPDX-License-Identifier: Apache-2.0
// `consilium site status`: on one screen, whether this hospital takes part as it should, and what to do if not.

import ArgumentParser
import Federation
import Store
import StudyFiles
import WireProtocol

struct SiteStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say whether this hospital takes part, and what to do if not.",
        discussion: """
            Healthy means: the daemon runs, has shaken hands with the aggregator, and its
            policy and data let it compute. Works also when the daemon is stopped.

            Exit status 1: something is wrong; each line says what to do.

            Examples:
              consilium site status
              consilium site status --config sites/cleveland/site.yaml --json -
            """)

    @OptionGroup var location: SiteLocation
    @OptionGroup var json: JSONOption

    private struct Problem: Codable {
        var what: String
        var hint: String
    }

    private struct Work: Codable {
        var study: String
        var kind: String
        var round: Int
        var state: String
        var seconds: Double
    }

    private struct Result: Codable {
        var site: String
        var isHealthy: Bool
        var isConnected: Bool
        var federation: String
        var problems: [Problem]
        var work: [Work]
        var waitingStudies: Int
        /// Of the last vector that the aggregator confirmed, RFC 3339.
        var lastDelivery: String?
    }

    func run() async throws {
        let site = try location.load()
        var result = Result(
            site: site.site.rawValue, isHealthy: true, isConnected: false, federation: "", problems: [], work: [],
            waitingStudies: 0)
        await lookAtDaemon(site, &result)
        lookAtPolicyAndData(site, &result)
        try await lookAtStudies(site, &result)
        result.isHealthy = result.problems.isEmpty
        show(result)
        try json.write(result)
        if !result.isHealthy { throw ExitCode(1) }
    }

    private func lookAtDaemon(_ site: SiteConfiguration, _ result: inout Result) async {
        do {
            guard case .status(let status) = try await site.ask(.status) else {
                result.problems.append(
                    Problem(what: "the daemon gave another answer than asked", hint: "see its log"))
                return
            }
            result.isConnected = status.isConnected
            result.federation = status.federation
            guard !status.isConnected else { return }
            result.problems.append(
                Problem(what: status.trouble, hint: "check the network, the certificate and the aggregator's address"))
        } catch let error as CommandError {
            result.problems.append(Problem(what: error.message, hint: error.hint))
        } catch {
            result.problems.append(Problem(what: "the daemon cannot be asked", hint: "see its log"))
        }
    }

    private func lookAtPolicyAndData(_ site: SiteConfiguration, _ result: inout Result) {
        do { _ = try site.policy() } catch let error as CommandError {
            result.problems.append(Problem(what: "everything is refused: \(error.message)", hint: error.hint))
        } catch {
            result.problems.append(
                Problem(what: "everything is refused: the policy cannot be read", hint: "check its file"))
        }
        if site.datasets.isEmpty {
            result.problems.append(
                Problem(
                    what: "no data set is registered", hint: "list one under `datasets` in the site's configuration"))
        }
    }

    private func lookAtStudies(_ site: SiteConfiguration, _ result: inout Result) async throws {
        // A daemon that has never run has no store; the problem of the daemon says enough.
        guard let store = try? site.store() else { return }
        let now = wallMilliseconds()
        var last: Int64?
        for record in try await store.studies() {
            let isOpen = record.outcome == nil && !record.isWithdrawn
            let rounds = try await store.rounds(study: record.hash)
            for round in rounds {
                if round.state == .delivered, let time = round.finishedMilliseconds { last = max(last ?? 0, time) }
                guard isOpen, round.state == .computing || round.state == .ready else { continue }
                result.work.append(
                    Work(
                        study: record.name, kind: round.id.kind.rawValue, round: round.id.round,
                        state: round.state == .ready ? "waiting for the aggregator" : "computing",
                        seconds: Double(now - round.startedMilliseconds) / 1_000))
            }
            guard isOpen else { continue }
            if case .declined(.notApproved) = record.decision { result.waitingStudies += 1 }
            if let problem = problem(record, rounds.last) { result.problems.append(problem) }
        }
        result.lastDelivery = last.map { EntryTime(seconds: $0 / 1_000).text }
    }

    /// What keeps a study that people let run from running.
    private func problem(_ record: SiteStudyRecord, _ latest: SiteRoundRecord?) -> Problem? {
        if record.isPaused {
            return Problem(what: "\(record.name) is paused", hint: "go on with `consilium site resume`")
        }
        if case .declined(let reason) = record.decision, reason != .notApproved {
            return Problem(
                what: "\(record.name) is declined: \(reason.explanation)",
                hint: "see `consilium site preview` and the daemon's log")
        }
        if record.decision == .accepted, let latest, latest.state == .withheld {
            return Problem(
                what: "\(record.name): nothing was sent in the last round: \(latest.reason ?? "see the log")",
                hint: latest.reason == WithholdReason.notEnoughMemory.rawValue
                    ? "free memory on this machine, lower `threads` in site.yaml, or ask the operator for a smaller batch"
                    : "see the daemon's log; `consilium data check` looks at the table")
        }
        return nil
    }

    private func show(_ result: Result) {
        let console = json.console
        console.line("\(result.site): \(result.isHealthy ? "healthy" : "NOT healthy")")
        if result.isConnected { console.line("connected to the aggregator of \(result.federation)") }
        for problem in result.problems {
            console.line("! \(problem.what)")
            console.line("  \(problem.hint)")
        }
        for work in result.work {
            console.line(
                "\(work.study): \(work.kind) round \(work.round), \(work.state) for \(Int(work.seconds)) s")
        }
        if result.waitingStudies > 0 {
            console.line(
                "\(result.waitingStudies) \(result.waitingStudies == 1 ? "study waits" : "studies wait") for an "
                    + "officer: `consilium site studies`")
        }
        console.line("last vector delivered: \(result.lastDelivery ?? "never")")
    }
}
