// SPDX-License-Identifier: Apache-2.0
// What people ask of a site's daemon: approve, decline, pause, resume, withdraw, look.

import Federation
import Logging
package import PeerTransport
import Store
package import WireProtocol

extension Site {
    /// Serves one connection of the people's command on this machine.
    package nonisolated func serveControl(_ connection: any PeerConnection) async {
        do {
            while let frame = try await connection.nextFrame() {
                let request = try SiteControlRequest(decoding: frame.controlBytes)
                let reply = await answer(request)
                try await connection.send(Frame(controlBytes: reply.encoded()))
            }
        } catch {
            logger.info("control connection ended", metadata: ["cause": "\(error)"])
        }
        await connection.close()
    }

    /// Carries out one command.
    package func answer(_ request: SiteControlRequest) async -> SiteControlReply {
        do {
            switch request {
            case .approve(let signed): return try await approve(signed)
            case .decide(let study, let action): return try await act(action, on: study)
            case .status: return .status(status)
            }
        } catch {
            logger.error("a command failed", metadata: ["error": "\(error)"])
            return .error(
                message: "the site could not write its store", hint: "see the site's log and free disk space")
        }
    }

    private var status: SiteStatus {
        SiteStatus(
            site: settings.site.rawValue, isConnected: isConnected, federation: asker ?? "",
            trouble: isConnected ? "" : trouble,
            tasks: active.keys.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) })
    }

    private func approve(_ signed: SignedApproval) async throws -> SiteControlReply {
        let hash = signed.approval.study
        guard let record = try await store.study(hash) else { return Self.unknownStudy }
        guard !record.isWithdrawn else {
            return .error(
                message: "an officer has refused the study or withdrawn from it, for good",
                hint: "ask the operator for a new study")
        }
        let policy: SitePolicy
        do { policy = try settings.policy() } catch {
            return .error(message: "the policy cannot be read", hint: "see `consilium site policy check`")
        }
        if let objection = signed.objection(
            site: settings.site, study: hash, policy: policy, contentHash: nil, at: entryTime)
        {
            return .error(
                message: "the approval does not hold: \(objection.explanation)",
                hint: "make it again with `consilium site approve`")
        }
        try await store.recordApproval(signed)
        try await decide(on: record.canonicalBytes)
        return try await standing(of: hash)
    }

    private func act(_ action: SiteControlRequest.StudyAction, on hash: Digest) async throws -> SiteControlReply {
        guard let record = try await store.study(hash) else { return Self.unknownStudy }
        guard record.outcome == nil, !record.isWithdrawn else {
            return .error(message: "the site's part in the study is over", hint: "see `consilium site studies`")
        }
        switch action {
        case .pause, .resume:
            let isPaused = action == .pause
            guard record.decision == .accepted else {
                return .error(message: "the site takes no part in the study", hint: "approve it first")
            }
            guard record.isPaused != isPaused else { break }
            try await store.pauseStudy(
                hash, isPaused: isPaused, entry: entry(isPaused ? .studyPaused : .studyResumed, study: hash, body: [:]))
            if isPaused { halt(hash, reason: .paused) }
        case .decline, .withdraw:
            let hasTakenPart = record.decision == .accepted
            if action == .withdraw, !hasTakenPart {
                return .error(message: "the site takes no part in the study", hint: "use `consilium site decline`")
            }
            if action == .decline, hasTakenPart {
                return .error(
                    message: "the site takes part in the study already", hint: "use `consilium site withdraw`")
            }
            try await store.withdrawStudy(hash, entry: entry(.studyWithdrawn, study: hash, body: [:]))
            halt(hash, reason: .stopped)
            try await decide(on: record.canonicalBytes)
        }
        return try await standing(of: hash)
    }

    /// Ends what is being computed for a study, and tells the aggregator not to wait.
    private func halt(_ hash: Digest, reason: WithholdReason) {
        // Not only what the store knows: a round that is just beginning is not in it yet.
        for (task, cancellation) in active where cancellation.study == hash {
            cancellation.cancel()
            tell(.withheld(task: task, reason))
        }
    }

    private func standing(of hash: Digest) async throws -> SiteControlReply {
        guard let record = try await store.study(hash) else { return Self.unknownStudy }
        return .decided(study: hash, record.decision)
    }

    private static let unknownStudy = SiteControlReply.error(
        message: "no study with this hash was offered to the site", hint: "list them with `consilium site studies`")
}
