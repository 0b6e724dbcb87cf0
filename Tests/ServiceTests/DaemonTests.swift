// SPDX-License-Identifier: Apache-2.0
// The built daemons over real TLS: stopped in every state of a study, and faced with peers they must refuse.

import Federation
import Foundation
import PeerTransport
import Store
import TestSupport
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct DaemonTests {
    /// The two daemons of the tests are told to stop, and say that all is well.
    private static func stop(_ daemons: Daemon...) async throws {
        for daemon in daemons {
            let status = try await daemon.terminate()
            #expect(status == 0, "\(daemon.lines.suffix(3))")
        }
    }

    @Test
    func aStudyGoesOnAfterATerminationInEachOfItsStates() async throws {
        // No round opens without all three.
        let study = TestStudy.make(rounds: 2, minimumSites: 3, everyRounds: 2)
        let federation = try DaemonFederation(members: ["a", "b", "guest"], rows: ["a": 64, "b": 96])
        var aggregator = try await federation.startAggregator()
        #expect(
            try await federation.ask(.submit(study.canonicalBytes)) == .submitted(study: study.hash, wasKnown: false))

        // Gathering: one site has accepted.
        var first = try federation.startSite("a")
        try await eventually("a has accepted") { try await federation.progress()?.acceptedSites == ["a"] }
        #expect(try await federation.progress()?.phase == "gathering")
        try await Self.stop(aggregator, first)

        aggregator = try await federation.startAggregator()
        #expect(try await federation.progress()?.acceptedSites == ["a"])
        first = try federation.startSite("a")
        var second = try federation.startSite("b")

        // Statistics: the others have delivered, the guest has not.
        var guest = try await federation.connect(as: "guest")
        try await guest.join(study.hash)
        let statistics = try await guest.task(.statistics)
        try await eventually("the guest is the last") {
            try await federation.progress()?.pending.map(\.site) == ["guest"]
        }
        try await Self.stop(aggregator, first, second)

        aggregator = try await federation.startAggregator()
        #expect(try await federation.progress()?.pending.map(\.site) == ["guest"])
        first = try federation.startSite("a")
        second = try federation.startSite("b")
        guest = try await federation.connect(as: "guest")
        try await guest.join(study.hash)
        let again = try await guest.task(.statistics)
        #expect(again == statistics, "the same task goes on")
        try await guest.contribute(to: again, of: study)

        // Training: the same again.
        let training = try await guest.task(.training)
        #expect(training.id == RoundID(kind: .training, round: 1, attempt: 1))
        try await eventually("the guest is the last") {
            let progress = try await federation.progress()
            return progress?.roundKind == "training" && progress?.pending.map(\.site) == ["guest"]
        }
        try await Self.stop(first, second, aggregator)

        aggregator = try await federation.startAggregator()
        first = try federation.startSite("a")
        second = try federation.startSite("b")
        guest = try await federation.connect(as: "guest")
        try await guest.join(study.hash)
        #expect(try await guest.task(.training) == training)
        try await guest.contribute(to: training, of: study)
        try await guest.contribute(to: try await guest.task(.training), of: study)
        try await guest.contribute(to: try await guest.task(.evaluation), of: study)
        try await eventually("the study completes") {
            let progress = try await federation.progress()
            return progress?.phase == "completed" && progress?.deliveries == 2
        }

        // Finished.
        try await Self.stop(aggregator, first, second)
        aggregator = try await federation.startAggregator()
        #expect(try await federation.progress()?.phase == "completed")
        try await Self.stop(aggregator)
        let store = try AggregatorStore.openReadOnly(directory: federation.folder + "/aggregator")
        for round in try await store.rounds(study: study.hash) {
            #expect(round.id.attempt == 1)
            #expect(round.participation.map(\.word) == ["included", "included", "included"])
        }
        for site in ["a", "b"] {
            let rounds = try await SiteStore.openReadOnly(directory: "\(federation.folder)/\(site)").rounds(
                study: study.hash)
            #expect(rounds.map(\.id.kind) == [.statistics, .training, .training, .evaluation])
            #expect(rounds.allSatisfy { $0.state == .delivered })
        }
    }

    @Test
    func aSiteStopsAlsoWhileThereIsNoAggregator() async throws {
        let federation = try DaemonFederation(members: ["a"], rows: ["a": 64])
        let aggregator = try await federation.startAggregator()
        try await Self.stop(aggregator)
        let site = try federation.startSite("a")
        try await eventually("it has tried") { site.lines.contains { $0.contains("no connection") } }
        try await Self.stop(site)
    }

    @Test
    func aTakenPortIsSaidClearly() async throws {
        let federation = try DaemonFederation(members: ["a"], rows: [:])
        let aggregator = try await federation.startAggregator()
        let late = try await federation.startAggregator(state: "late")
        let status = try await late.exitStatus()
        #expect(status == 3)
        let error = try #require(late.lines.last { $0.hasPrefix("error:") })
        #expect(error.contains("127.0.0.1:\(federation.port)"))
        #expect(error.contains("another process listens"))
        try await Self.stop(aggregator)
    }

    @Test
    func strangersAreRefusedInOneLineEachAndMembersServedOn() async throws {
        let federation = try DaemonFederation(members: ["a"], rows: [:])
        let aggregator = try await federation.startAggregator()
        let elsewhere = try TestAuthority(name: "Evil Authority")
        let port = federation.port
        func client(_ files: TestAuthority.Files, _ options: String = "-tls1_3") -> String {
            "openssl s_client -connect 127.0.0.1:\(port) -servername localhost \(options)"
                + " -alpn \(TLSIdentity.applicationProtocol) -cert \(files.certificateChainPath)"
                + " -key \(files.privateKeyPath) -CAfile \(federation.authority.rootPath)"
        }
        let member = try federation.authority.leaf(id: "a")
        let cases = [
            ("plain text", "exec 3<>/dev/tcp/127.0.0.1/\(port); printf 'GET /evil HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3"),
            ("TLS 1.2", client(member, "-tls1_2")),
            ("expired", client(try federation.authority.leaf(id: "evil-old", validity: .expired))),
            ("not yet valid", client(try federation.authority.leaf(id: "evil-early", validity: .notYet))),
            ("another authority", client(try elsewhere.leaf(id: "evil-root", trusting: federation.authority))),
            ("no certificate", "openssl s_client -connect 127.0.0.1:\(port) -servername localhost -tls1_3"),
            ("another name", client(try federation.authority.leaf(id: "evil-nurse", role: "nurse"))),
            ("an aggregator", client(try federation.authority.leaf(id: "evil-server", role: "aggregator"))),
            ("no member", client(try federation.authority.leaf(id: "evil-stranger"))),
        ]
        func refusals() -> [String] { aggregator.lines.filter { $0.contains("refused") } }
        for (number, (what, script)) in cases.enumerated() {
            // The input stays open until the server closes: an end of ours would end the connection first.
            let run = try Daemon(
                "/bin/bash", ["-c", "(\(script)) < <(sleep 5)"], log: federation.folder + "/client.log")
            try await eventually("a line about \(what)") { refusals().count > number }
            #expect(refusals().count == number + 1, "\(what): one line")
            _ = try await run.terminate()
        }
        #expect(!aggregator.lines.contains { $0.lowercased().contains("evil") })
        let site = try await federation.connect(as: "a")
        try await site.say(.hello(versions: [1], software: "test"))
        let welcome = try await site.hear()
        guard case .welcome(1, "test", _) = welcome else { throw TestFailure("no welcome") }
        await site.connection.close()
        try await Self.stop(aggregator)
    }
}
