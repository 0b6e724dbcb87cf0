// SPDX-License-Identifier: Apache-2.0
// Starts the daemons of a demo, gives them a study, follows it to its end, and stops them.

import Enrolment
import Federation
import Foundation
import Simulation
import SiteService
import Store
import StudyFiles
import WireProtocol

/// A federation of real processes on this machine, over real TLS.
struct DemoFederation: Sendable {
    let study: Study
    let sites: [SampleSite]
    let folder: DemoFolder
    let project: ProjectFiles
    let seed: UInt64?

    /// What the parties' stores hold after the run.
    struct Records: Sendable {
        var study: StudyRecord
        var rounds: [RoundRecord]
        var sites: [SiteRecords]
        var seconds: Double
        /// Parties that did not stop when they were asked.
        var killed: [String]
    }

    func run(display: SharedDisplay) async throws -> Records {
        let began = ContinuousClock.now
        let children = ChildProcesses()
        do {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await children.watch()
                    return false
                }
                group.addTask {
                    try await start(children)
                    try await follow(display)
                    return true
                }
                defer { group.cancelAll() }
                while let isDone = try await group.next(), !isDone {}
            }
        } catch {
            let reason = await children.reason(behind: error)
            _ = await children.stop()
            throw reason
        }
        let seconds = (ContinuousClock.now - began).inSeconds
        await display.finish()
        let killed = await children.stop()
        return try await records(seconds: seconds, killed: killed)
    }

    // MARK: Parties

    private func start(_ children: ChildProcesses) async throws {
        try await children.add(daemon("aggregator", program: "consilium-aggregator", file: "aggregator.yaml"))
        let ports = try await listeningPorts()
        let port = ports.port
        try folder.writeAggregatorEnvironment(port: port, enrolmentPort: ports.enrolmentPort)
        _ = try await wait(for: "take commands") {
            FileManager.default.fileExists(atPath: folder.controlSocket) ? true : nil
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for site in sites { group.addTask { try await join(site.configuration.site) } }
            try await group.waitForAll()
        }
        for site in sites {
            let name = site.configuration.site
            try folder.writeEnvironment(of: name, port: port, seed: seed.map { SiteSeed.value($0, of: name) })
            try await children.add(daemon(name.rawValue, program: "consilium-site", file: "site.yaml"))
        }
    }

    /// What people do at both ends: invite, join, compare six words, approve.
    private func join(_ site: SiteID) async throws {
        let socket = folder.controlSocket
        @Sendable func order(_ command: MembershipCommand) async throws -> MembershipReply {
            guard case .membership(let reply) = try await ControlClient.ask(.membership(command), at: socket) else {
                throw CommandError(.notDone, "the aggregator gave another answer than asked", hint: "see its log")
            }
            return reply
        }
        let role = PartyRole.site.rawValue
        let token = try await order(
            .invite(role: role, name: site, lifetime: JoinToken.standardLifetime)
        ).token
        let client = JoinClient(folder: try PartyFolder(folder.keys(of: site)), clock: { wallSeconds() })
        let approval = Approval()
        _ = try await client.join(try JoinToken(text: token)) { progress in
            guard case .waiting(let words) = progress else { return }
            await approval.once {
                _ = try await order(.approve(role: role, name: site, words: words.description))
            }
        }
        try await approval.check()
    }

    private func daemon(_ party: String, program: String, file: String) throws -> ChildProcess {
        try ChildProcess(
            name: party, program: project.programs.appending(path: program),
            arguments: ["--config", folder.root.appending(path: "\(party)/\(file)").path, "--stop-at-end-of-input"],
            environment: try folder.environment(of: party), log: folder.log(of: party))
    }

    private struct Ports: Decodable {
        var port: Int
        var enrolmentPort: Int
    }

    /// The ports that the aggregator announces once it listens.
    private func listeningPorts() async throws -> Ports {
        try await wait(for: "listen") {
            (try? Data(contentsOf: folder.listening)).flatMap { try? JSONDecoder().decode(Ports.self, from: $0) }
        }
    }

    /// Looks until the aggregator has done something; that it ended meanwhile is noticed by the watch beside this.
    private func wait<Value>(for deed: String, _ look: () -> Value?) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if let value = look() { return value }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw CommandError(
            .notDone, "the aggregator did not \(deed) within 30 seconds", hint: "use --keep and read its log")
    }

    // MARK: The study

    private func follow(_ display: SharedDisplay) async throws {
        let socket = folder.controlSocket
        _ = try await ControlClient.ask(.submit(study.canonicalBytes), at: socket)
        let watch = StudyWatch(
            study: study.hash, minimumSites: study.federation.minimumSites,
            expectedSites: Set(sites.map(\.configuration.site)),
            store: try AggregatorStore.openReadOnly(directory: folder.aggregatorState.path),
            interval: .milliseconds(100))
        try await watch.follow(
            ask: { try await ControlClient.status(at: socket) }, onChange: { await display.show($0) })
    }

    private func records(seconds: Double, killed: [String]) async throws -> Records {
        let store = try AggregatorStore.openReadOnly(directory: folder.aggregatorState.path)
        let hash = study.hash
        guard let record = try await store.study(hash) else {
            throw CommandError(.notDone, "the aggregator's store lacks the study", hint: "use --keep and read its log")
        }
        var records: [SiteRecords] = []
        for site in sites {
            let name = site.configuration.site
            let store = try SiteStore.openReadOnly(directory: folder.site(name).appending(path: "state").path)
            records.append(try await SiteRecords(store, site: name, study: hash))
        }
        return Records(
            study: record, rounds: try await store.rounds(study: hash), sites: records, seconds: seconds,
            killed: killed)
    }
}

/// One approval, given once however often the words are shown.
private actor Approval {
    private var isGiven = false
    private var failure: (any Error)?

    func once(_ body: @Sendable () async throws -> Void) async {
        guard !isGiven else { return }
        isGiven = true
        do { try await body() } catch { failure = error }
    }

    func check() throws {
        if let failure { throw failure }
    }
}
