// SPDX-License-Identifier: Apache-2.0
// What people ask of the aggregator: submit a study, look, stop one.

import Federation
import Logging
import NeuralNetworks
import Store
import WireProtocol

extension Coordinator {
    func answer(_ request: ControlRequest) async -> ControlReply {
        do {
            switch request {
            case .submit(let bytes): return try await submit(bytes)
            case .status: return .status(status())
            case .metrics: return .metrics(try await measurements())
            case .stop(let hash): return try await stop(hash)
            case .membership:
                return .error(
                    message: "this aggregator's members have certificates of another authority",
                    hint: "change the members file and restart it")
            }
        } catch {
            logger.error("a command failed", metadata: ["error": "\(error)"])
            return .error(
                message: "the aggregator could not write its store",
                hint: "see the aggregator's log and free disk space")
        }
    }

    /// Every metric as text, gauges as they are now.
    private func measurements() async throws -> String {
        metrics.gauge("member_sites", settings.members.sites.count)
        metrics.gauge("connected_sites", sessions.count)
        metrics.gauge("healthy_sites", sessions.keys.count { conditions[$0]?.isEmpty == true })
        metrics.gauge(
            "running_studies", runs.values.count { if case .finished = $0.machine.phase { false } else { true } })
        metrics.gauge("entries", try await store.entryLog.count())
        return metrics.text()
    }

    private func submit(_ bytes: [UInt8]) async throws -> ControlReply {
        let study: Study
        do { study = try Study(canonicalBytes: bytes) } catch {
            return .error(
                message: "the aggregator does not understand the study",
                hint: "check it with `consilium study check`, and that both programs have the same version")
        }
        let hash = study.hash
        guard runs[hash] == nil else { return .submitted(study: hash, wasKnown: true) }
        if settings.members.sites.count < study.federation.minimumSites {
            return .error(
                message:
                    "the study needs \(study.federation.minimumSites) sites, the federation has \(settings.members.sites.count)",
                hint: "lower federation.minimumSites or add sites")
        }
        let parameterBytes =
            4
            * ((try? Network(
                study.model, inputs: study.data.features.count, head: study.task.head
            ).parameterCount) ?? 0)
        guard parameterBytes <= settings.maximumModelBytes else {
            return .error(
                message: "the model has \(parameterBytes) bytes, this aggregator allows \(settings.maximumModelBytes)",
                hint: "make the model smaller or raise limits.maximumModelBytes in the aggregator's configuration")
        }
        _ = try await store.submit(
            study: hash, name: study.name, canonicalBytes: bytes, entry: try entry(.studyProposed(hash)),
            at: wallMilliseconds())
        add(
            StudyRun(
                study: study, hash: hash, canonicalBytes: bytes,
                machine: StudyStateMachine(study: study, expectedSites: settings.members.sites), submitted: now))
        logger.notice("study submitted", metadata: ["study": "\(hash.short)", "name": "\(study.name)"])
        for site in sessions.keys.sorted() { sessions[site]?.send(.studyOffer(bytes)) }
        return .submitted(study: hash, wasKnown: false)
    }

    private func stop(_ hash: Digest) async throws -> ControlReply {
        guard let run = runs[hash] else {
            return .error(message: "no study has this hash", hint: "list them with `consilium study status`")
        }
        if case .finished = run.machine.phase {
            return .error(message: "the study has ended already", hint: "see `consilium study status`")
        }
        try await advance(hash, .stop)
        return .stopped(study: hash)
    }

    func add(_ run: StudyRun) {
        runs[run.hash] = run
        order.append(run.hash)
    }

    func status() -> FederationStatus {
        FederationStatus(
            federation: federation, connectedSites: sessions.keys.sorted().map(\.rawValue),
            studies: order.compactMap { runs[$0]?.status(now: now) }, sites: members())
    }

    /// Members, and whoever else is connected or takes part in a study that runs.
    private func members() -> [MemberStatus] {
        var names = settings.members.sites.union(sessions.keys)
        for run in runs.values {
            if case .finished = run.machine.phase { continue }
            names.formUnion(run.accepted)
        }
        return names.sorted().map { site in
            MemberStatus(
                site: site.rawValue, isConnected: sessions[site] != nil,
                obstacles: conditions[site].map { $0.map(\.rawValue) })
        }
    }
}
