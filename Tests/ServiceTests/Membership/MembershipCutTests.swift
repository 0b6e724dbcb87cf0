// SPDX-License-Identifier: Apache-2.0
// Both ends of a membership are killed, or lose their power, at every durable write: it goes on where it was.

import AggregatorService
import Enrolment
import Federation
import Foundation
import PeerTransport
import PowerCut
import Randomness
import SiteService
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(5)), .serialized)
struct MembershipCutTests {
    private static func fates(_ cut: Int) -> [UnsyncedFate] {
        [.kept, cut % 2 == 0 ? .lost : .torn(seed: UInt64(cut))]
    }

    /// What was on disk at some moments of a join and a renewal.
    private struct Story {
        var token: JoinToken
        var operations: [DiskOperation] = []
        /// Operations before the request went out, before the certificate was in use, before the renewal went out.
        var asked = 0
        var joined = 0
        var renewing = 0
        var first: IssuedCertificate
        var second: IssuedCertificate
        var renewal: RenewalRequest
    }

    /// Joins and renews as `watched/a`.
    private func tell(_ federation: EnrolledFederation, age: Int64) async throws -> Story {
        let name = "watched/a"
        let watched = URL(filePath: federation.folder).resolvingSymlinksInPath().path + "/watched"
        try SecretFile.prepareFolder(watched)
        let recording = DiskRecording(of: watched)
        let token = try await federation.invite("a")
        let asked = LockedValue(0)
        let first = try await federation.finish("a") { onProgress in
            try await federation.client(name).join(token) { progress in
                if asked.get() == 0 { asked.set(recording.count) }
                await onProgress(progress)
            }
        }
        let joined = recording.count
        federation.pass(seconds: age)
        let folder = try PartyFolder(federation.keys(name))
        let keeper = try MembershipKeeper(folder: folder, clock: { federation.now }, logger: quietLogger)
        let request = try #require(try await keeper.renewalDue())
        let renewing = recording.count
        let site = RawSite(over: try await federation.connect(name))
        try await site.say(.hello(versions: [1], software: "test"))
        try await site.say(.renewal(request))
        let answer = try await site.hear { if case .renewed = $0 { true } else { false } }
        guard case .renewed(let reply) = answer else { throw TestFailure("no reply") }
        await keeper.received(reply: reply)
        recording.stop()
        return Story(
            token: token, operations: recording.operations(), asked: asked.get(), joined: joined, renewing: renewing,
            first: first, second: try folder.identity().certificate, renewal: try RenewalRequest(bytes: request))
    }

    @Test func aPartyThatIsKilledAtAnyWriteJoinsAndRenewsAllTheSame() async throws {
        let age = CertificateAuthority.leafLifetime * 8 / 10
        try await EnrolledFederation.run(startingEarlier: age) { federation in
            let story = try await tell(federation, age: age)
            #expect(story.asked > 10 && story.joined > story.asked && story.renewing > story.joined)
            #expect(story.first != story.second && federation.now > story.token.expiry)
            for cut in 0...story.operations.count {
                let disk = CutDisk(after: story.operations.prefix(cut))
                for fate in Self.fates(cut) {
                    let name = "cut-\(cut)-\(fate == .kept)"
                    try disk.write(to: federation.keys(name)) { _ in fate }
                    do { try await goOn("\(name)/a", cut, story, federation) } catch {
                        Issue.record("cut after operation \(cut) of \(story.operations.count), \(fate): \(error)")
                    }
                }
            }
            #expect(try await federation.entries(.incident).isEmpty, "nobody is taken for a thief")
        }
    }

    /// What a person or the daemon does after the cut.
    private func goOn(_ name: String, _ cut: Int, _ story: Story, _ federation: EnrolledFederation) async throws {
        let folder = try PartyFolder(federation.keys(name))
        if cut < story.asked {
            // Nobody has heard of it yet: anything may be made anew, but nothing stands in the way.
            _ = try folder.pendingToken()
            _ = try folder.keys(random: .system)
            _ = try folder.nextRequest(for: story.token.party, random: .system)
        } else if cut <= story.joined {
            // The command is repeated, days later, with the token that was kept; without one it had done its work.
            if let kept = try folder.pendingToken() {
                #expect(kept == story.token)
                // An address has one request in two seconds.
                federation.pass(seconds: 4)
                let again = try await federation.client(name).join(kept) { _ in }
                #expect(again == story.first)
            }
            #expect(PartyFolder.isMember(folder.path))
            #expect(try folder.identity().certificate == story.first)
            #expect(try folder.pendingToken() == nil)
        } else {
            #expect(PartyFolder.isMember(folder.path))
            let current = try folder.identity().certificate
            #expect(current == story.first || current == story.second)
            let due = story.second.notAfter - 3_600
            let keeper = try MembershipKeeper(folder: folder, clock: { due }, logger: quietLogger)
            let request = try RenewalRequest(bytes: try #require(try await keeper.renewalDue()))
            let asked = try CertificateRequest(bytes: request.certificateRequest, party: story.token.party)
            #expect(asked.publicKeyHash != current.publicKeyHash, "no certificate is asked for an old key")
            #expect(request.replacedSerial == current.serial)
            // The authority has answered the first one; another would be a thief's.
            if current == story.first, cut >= story.renewing {
                #expect(request.certificateRequest == story.renewal.certificateRequest)
            }
        }
    }

    // MARK: The authority

    /// Everything that an authority has promised.
    private func state(of registry: Registry) async throws -> String {
        let all = await registry.overview()
        let parties = all.parties.map { "\($0.party) \($0.state) \($0.words) \($0.until)" }
        // The roster names its deny list.
        return parties.joined(separator: "\n") + "\n\(all.epoch) \(String(describing: all.roster))"
    }

    @Test func anAuthorityLosesNothingItAcknowledged() async throws {
        var watching: DiskRecording?
        let authority = try TestRegistry { watching = DiskRecording(of: $0) }
        let recording = try #require(watching)
        var steps: [(operations: Int, state: String)] = []
        do {
            let registry = try await authority.open()
            func acknowledge() async throws { steps.append((recording.count, try await state(of: registry))) }
            try await acknowledge()
            let token = try await registry.invite(TestRegistry.party("a"), lifetime: 3_600, address: "localhost:1")
            try await acknowledge()
            let newcomer = try authority.newcomer("a", token, at: registry)
            guard case .waiting = await authority.ask(newcomer, registry) else { throw TestFailure("not waiting") }
            try await acknowledge()
            try await authority.approve("a", registry)
            try await acknowledge()
            let second = try await registry.invite(TestRegistry.party("b"), lifetime: 3_600, address: "localhost:1")
            try await acknowledge()
            let other = try authority.newcomer("b", second, at: registry)
            guard case .waiting = await authority.ask(other, registry) else { throw TestFailure("not waiting") }
            try await acknowledge()
            try await registry.decline(TestRegistry.party("b"))
            try await acknowledge()
            try await registry.revoke(TestRegistry.party("a"))
            try await acknowledge()
        }
        recording.stop()
        let operations = recording.operations()
        #expect(operations.count > 200 && zip(steps, steps.dropFirst()).allSatisfy { $0.state != $1.state })
        for cut in try #require(steps.first).operations...operations.count {
            let fate = Self.fates(cut)[cut % 4 / 2]
            let copy = "\(authority.folder)/cut-\(cut)"
            try CutDisk(after: operations.prefix(cut)).write(to: copy) { _ in fate }
            let acknowledged = try #require(steps.lastIndex { $0.operations <= cut })
            do {
                let registry = try await authority.open(
                    in: copy, durability: .lostOnPowerCutForSimulationOnly)
                let found = try await state(of: registry)
                #expect(
                    steps[acknowledged...].prefix(2).map(\.state).contains(found),
                    "cut after operation \(cut) of \(operations.count), \(fate): step \(acknowledged) was acknowledged")
            } catch {
                Issue.record("cut after operation \(cut) of \(operations.count), \(fate): \(error)")
            }
            try FileManager.default.removeItem(atPath: copy)
        }
    }
}
