// SPDX-License-Identifier: Apache-2.0
// The coordinator's rounds: open, admit and check uploads, sum, close or abandon, finish.

import Execution
import Federation
import Logging
import ModelFiles
import NeuralNetworks
import RingArithmetic
import Store
import WireProtocol

extension Coordinator {
    func perform(_ action: StudyStateMachine.Action, study hash: Digest) async throws {
        switch action {
        case .open(let id, let cohort): try await open(id, cohort: cohort, study: hash)
        case .ask(let site):
            if let task = runs[hash]?.current?.task { memberSession(of: site)?.send(.roundOpen(task)) }
        case .sum(let id, let survivors): startSum(id, survivors: survivors, study: hash)
        case .abandon(let id, let reason): try await abandon(id, reason: reason, study: hash)
        case .finish(let outcome): try await finish(outcome, study: hash)
        }
    }

    // MARK: Opening

    private func open(_ id: RoundID, cohort: [SiteID], study hash: Digest) async throws {
        guard let run = runs[hash] else { return }
        var inputs: [BlobReference] = []
        if id.kind != .statistics, let model = run.model { inputs.append(model.blob) }
        if id.kind == .training, run.study.federation.strategy.usesControls, let controls = run.controls {
            inputs.append(controls)
        }
        let task = RoundTask(study: hash, id: id, sites: cohort.count, inputs: inputs)
        let layout: RingLayout
        do { layout = try Self.layout(of: run, task: task) } catch {
            // Only a ring too narrow for the cohort gets here; the study's terms were checked when it was read.
            runs[hash]?.progress.explanation = AbortReason.ringTooNarrow.explanation
            try await advance(hash, .stop)
            return
        }
        let current = CurrentRound(
            task: task, taskHash: task.hash, cohort: cohort, sum: RoundSum(layout: layout, memory: sumMemory),
            opened: now)
        try await store.openRound(
            study: hash, id: id, taskHash: current.taskHash, taskBytes: task.canonicalBytes, cohort: cohort,
            entry: try entry(.roundOpened(task)), at: wallMilliseconds())
        try await store.markPosition()
        runs[hash]?.current = current
        logger.info(
            "round opened",
            metadata: [
                "study": "\(hash.short)", "kind": "\(id.kind.rawValue)", "round": "\(id.round)",
                "attempt": "\(id.attempt)", "sites": "\(cohort.count)",
            ])
        // The deny list counts at every start of a round, whatever it said when the site connected.
        for site in cohort { memberSession(of: site)?.send(.roundOpen(task)) }
    }

    static func layout(of run: StudyRun, task: RoundTask) throws -> RingLayout {
        switch task.id.kind {
        case .statistics: try StatisticsSum(contract: run.study.data).layout
        case .training:
            try UpdateSum(
                terms: run.study.federation, parameterCount: run.model?.description.network.parameterCount ?? 0,
                sites: task.sites
            ).layout
        case .evaluation: try EvaluationSum(task: run.study.task, bins: run.study.evaluation.bins).layout
        }
    }

    // MARK: Uploads

    /// Whether `site` may upload its vector for `task` now. Called by the session's reader, outside the event queue.
    func admitUpload(from site: SiteID, task: Digest, byteCount: Int) -> UploadAdmission {
        guard let hash = order.first(where: { runs[$0]?.current?.taskHash == task }), let current = runs[hash]?.current
        else {
            return .notAwaited(isIncluded: order.contains { runs[$0]?.lastInclusion[site] == task })
        }
        guard !current.received.contains(site) else { return .alreadyReceived }
        // The answer to the site's earlier upload is on its way: it is to ask again in a moment.
        guard !current.beingStored.contains(site) else { return .obstructed }
        guard case .collecting(let round)? = runs[hash]?.machine.phase, round.awaits(site) else {
            return .notAwaited(isIncluded: false)
        }
        guard byteCount == current.sum.layout.packedByteCount else {
            post(.refusedUpload(site, task: task, .wrongLength))
            return .refused(.wrongLength)
        }
        do {
            return .spool(try vault.partialUpload(named: current.uploadName(site)))
        } catch {
            logger.error("cannot spool an upload", metadata: ["site": "\(site)", "error": "\(error)"])
            return .obstructed
        }
    }

    /// Has a complete upload checked and synced by a worker.
    func uploadSpooled(_ work: UploadWork) {
        guard let hash = awaiting(work.site, task: work.task) else {
            work.file.discard()
            return
        }
        runs[hash]?.current?.beingStored.insert(work.site)
        enqueue(work)
    }

    /// Adds a durable upload to the sum, records it, and only then gives the receipt.
    func uploadStored(_ site: SiteID, task: Digest, _ result: UploadStorage) async throws {
        guard let hash = awaiting(site, task: task), let sum = runs[hash]?.current?.sum else {
            if case .stored(let file) = result { try vault.remove(file) }
            return
        }
        runs[hash]?.current?.beingStored.remove(site)
        switch result {
        case .stored(let file):
            do {
                if let refusal = try await workers.runIfActive({ try sum.add(site, file: file) }) {
                    try vault.remove(file)
                    return try await refuse(site, task: task, refusal, study: hash)
                }
            } catch let error where error is StoreError || error is RingError {
                return obstructed(site, cause: "\(error)")
            }
            try await store.recordUpload(taskHash: task, site: site, file: file, at: wallMilliseconds())
            metrics.count("uploads_total", ["result": "accepted"])
            metrics.count("received_bytes_total", by: file.byteCount)
            runs[hash]?.current?.received.insert(site)
            runs[hash]?.current?.bytesUp += file.byteCount
            runs[hash]?.current?.lastUpload = now
            runs[hash]?.progress.bytesUp += UInt64(file.byteCount)
            sessions[site]?.send(.uploadResult(task: task, refused: nil))
            try await advance(hash, .round(.uploaded(site)))
        case .refused(let reason): try await refuse(site, task: task, reason, study: hash)
        case .superseded: break
        case .obstructed(let cause): obstructed(site, cause: cause)
        }
    }

    /// The study whose round under way awaits the vector of `site` for `task`.
    private func awaiting(_ site: SiteID, task: Digest) -> Digest? {
        guard let hash = order.first(where: { runs[$0]?.current?.taskHash == task }),
            case .collecting(let round)? = runs[hash]?.machine.phase, round.awaits(site)
        else { return nil }
        return hash
    }

    private func refuse(_ site: SiteID, task: Digest, _ reason: RefusalReason, study hash: Digest) async throws {
        metrics.count("uploads_total", ["result": "refused"])
        logger.warning("upload refused", metadata: ["site": "\(site)", "reason": "\(reason.rawValue)"])
        sessions[site]?.send(.uploadResult(task: task, refused: reason))
        try await advance(hash, .round(.refused(site, reason)))
    }

    /// The site keeps its vector and offers it again when it reconnects.
    private func obstructed(_ site: SiteID, cause: String) {
        logger.error("cannot store an upload", metadata: ["site": "\(site)", "error": "\(cause)"])
        sessions[site]?.refuse(.unavailable)
    }

    // MARK: Closing

    private func startSum(_ id: RoundID, survivors: [SiteID], study hash: Digest) {
        guard let run = runs[hash], let current = run.current else { return }
        // A site that has declined since it delivered is in the sum, so it counts as a member here.
        let members = run.accepted.union(survivors).count
        enqueue(
            SumWork(
                study: run.study, id: id, survivors: survivors, members: members, sites: current.task.sites,
                sum: current.sum, model: run.model, controls: run.controls, moments: run.moments, vault: vault))
    }

    /// Sums again after the server could not write, once its pause is over.
    func sumObstructed(_ hash: Digest) {
        guard let again = runs[hash]?.current?.sumAgain, now >= again,
            case .summing(let id, let survivors)? = runs[hash]?.machine.phase
        else { return }
        runs[hash]?.current?.sumAgain = nil
        startSum(id, survivors: survivors, study: hash)
    }

    func summed(_ hash: Digest, _ id: RoundID, _ outcome: SumOutcome, sum: Digest?) async throws {
        guard let run = runs[hash], let current = run.current, case .summing(id, let survivors) = run.machine.phase
        else { return }
        var summary = RoundSummary(
            seconds: (now - current.opened).inSeconds,
            overheadSeconds: (now - (current.lastUpload ?? current.opened)).inSeconds,
            survivors: survivors.count, bytesUp: current.bytesUp, bytesDown: current.bytesDown)
        var metrics: [(name: String, value: Double)] = []
        var models: [ModelRecord] = []
        switch outcome {
        case .failed(let reason):
            try await advance(hash, .summingFailed(reason))
            return
        case .obstructed(let cause):
            logger.error("cannot finish the round, trying again", metadata: ["error": "\(cause)"])
            runs[hash]?.progress.explanation = "the aggregator cannot write its files; see its log"
            runs[hash]?.current?.sumAgain = now + .seconds(1)
            return
        case .statistics(let result):
            runs[hash]?.model = result.model
            models.append(ModelRecord(role: .model, round: 0, blob: result.model.blob))
            metrics.append(("trainingRows", Double(result.rows)))
        case .training(let result):
            summary.loss = result.loss
            summary.examples = result.examples
            summary.clipRate = result.clipRate
            runs[hash]?.model = result.model
            models.append(ModelRecord(role: .model, round: id.round, blob: result.model.blob))
            if let controls = result.controls {
                runs[hash]?.controls = controls
                models.append(ModelRecord(role: .controls, round: id.round, blob: controls))
            }
            if let moments = result.moments {
                runs[hash]?.moments = moments
                models.append(ModelRecord(role: .moments, round: id.round, blob: moments))
            }
            runs[hash]?.progress.loss = result.loss
            runs[hash]?.progress.examplesPerSecond = Double(result.examples) / max(summary.seconds, 1e-9)
        case .evaluation(let result):
            metrics = result.metrics.named
            runs[hash]?.progress.accuracy = result.metrics.accuracy
            runs[hash]?.progress.auc = result.metrics.auc?.middle
        }
        runs[hash]?.progress.explanation = ""
        guard let sum else { return try await advance(hash, .summingFailed(.implausibleSum)) }
        let records = run.machine.latestRecords
        let entry = try entry(
            .roundReleased(
                id, of: hash, task: current.taskHash, participation: records, sum: sum,
                files: Dictionary(uniqueKeysWithValues: models.map { ($0.role.rawValue, $0.blob.digest) }),
                clipRate: summary.clipRate))
        try await store.closeRound(
            study: hash, id: id, summary: summary, participation: records, metrics: metrics, models: models,
            entry: entry, at: wallMilliseconds())
        self.metrics.roundClosed(id.kind, seconds: summary.seconds)
        current.sum.release()
        try await dropReplaced(by: models, of: run)
        let uploads = try await uploads(of: current)
        logger.info(
            "round closed",
            metadata: [
                "study": "\(hash.short)", "kind": "\(id.kind.rawValue)", "round": "\(id.round)",
                "survivors": "\(survivors.count)", "seconds": "\(summary.seconds)",
            ])
        tell(current.cohort, task: current.taskHash, included: Set(survivors))
        runs[hash]?.noteClosed(current.taskHash, survivors: survivors)
        runs[hash]?.current = nil
        try await advance(hash, .summed)
        leftovers.append(uploads)
    }

    /// Tells sites that a task has ended: `closed` says that the site's own vector is in the sum.
    func tell(_ sites: [SiteID], task: Digest, included: Set<SiteID>) {
        for site in sites {
            sessions[site]?.send(.roundEnded(task: task, included.contains(site) ? .closed : .abandoned))
        }
    }

    /// The uploads of a round, which have served.
    private func uploads(of round: CurrentRound) async throws -> FileRemoval {
        FileRemoval(
            uploads: try await store.uploads(taskHash: round.taskHash).map(\.file),
            names: round.cohort.map { round.uploadName($0) }, vault: vault)
    }

    /// Removes the files that `models` replace; not left for later, because the next round may make the same bytes
    /// again, under the same name.
    private func dropReplaced(by models: [ModelRecord], of run: StudyRun) async throws {
        let replaced = [
            models.contains { $0.role == .controls } ? run.controls : nil,
            models.contains { $0.role == .moments } ? run.moments : nil,
        ].compactMap { $0 }.filter { old in !models.contains { $0.blob.digest == old.digest } }
        var unused: [BlobReference] = []
        for blob in replaced {
            // Studies that differ in name only share their files.
            if try await !store.isLatestModel(blob.digest) { unused.append(blob) }
        }
        guard !unused.isEmpty else { return }
        let vault = vault
        let removed = unused
        try await workers.runIfActive { for blob in removed { try vault.remove(try vault.file(blob)) } }
    }

    private func abandon(_ id: RoundID, reason: AbortReason, study hash: Digest) async throws {
        guard let run = runs[hash], let current = run.current else { return }
        logger.warning(
            "round abandoned",
            metadata: [
                "study": "\(hash.short)", "kind": "\(id.kind.rawValue)", "round": "\(id.round)",
                "attempt": "\(id.attempt)", "reason": "\(reason.word)",
            ])
        runs[hash]?.progress.explanation = "attempt \(id.attempt) abandoned: \(reason.explanation)"
        let records = run.machine.latestRecords
        let entry = try entry(
            .roundFailed(id, of: hash, task: current.taskHash, participation: records, reason: reason.word))
        try await store.abandonRound(
            study: hash, id: id, reason: reason.word, participation: records, entry: entry, at: wallMilliseconds())
        metrics.count("rounds_total", ["kind": id.kind.rawValue, "outcome": "abandoned"])
        current.sum.release()
        enqueue(try await uploads(of: current))
        tell(current.cohort, task: current.taskHash, included: [])
        runs[hash]?.current = nil
    }

    // MARK: The end

    private func finish(_ outcome: StudyOutcome, study hash: Digest) async throws {
        guard let run = runs[hash] else { return }
        var explanation = run.progress.explanation
        if case .degraded(let reason) = outcome { explanation = reason.explanation }
        let released = run.model?.blob.digest
        var entries: [Entry] = []
        if let current = run.current {
            entries.append(
                try entry(
                    .roundFailed(
                        current.task.id, of: hash, task: current.taskHash, participation: [],
                        reason: EntryContent.studyEndedReason)))
        }
        entries.append(try entry(.studyEnded(outcome, of: hash, model: released)))
        try await store.finishStudy(
            hash: hash, outcome: outcome.word, explanation: explanation, releasedModel: released, entries: entries,
            at: wallMilliseconds())
        runs[hash]?.progress.explanation = explanation
        if let current = run.current {
            // Stopped in the middle of a round.
            current.sum.release()
            enqueue(try await uploads(of: current))
            tell(current.cohort, task: current.taskHash, included: [])
            runs[hash]?.current = nil
        }
        sumMemory.release()
        metrics.count("studies_ended_total", ["outcome": outcome.word])
        logger.notice("study ended", metadata: ["study": "\(hash.short)", "outcome": "\(outcome.word)"])
        for site in run.accepted.sorted() {
            sessions[site]?.send(.studyEnded(study: hash, outcome.ending, model: run.model?.blob))
        }
    }

    /// Notes that a site holds the released model.
    func delivered(_ model: Digest, of study: Digest, to site: SiteID) async throws {
        guard let run = runs[study], case .finished = run.machine.phase, run.model?.blob.digest == model,
            run.accepted.contains(site), !run.deliveries.contains(site)
        else { return }
        try await store.recordDelivery(
            study: study, site: site, entry: try entry(.modelExported(model, of: study, to: site)),
            at: wallMilliseconds())
        runs[study]?.deliveries.insert(site)
    }

    /// Signs what this aggregator says.
    func entry(_ content: EntryContent) throws -> Entry {
        try Entry(content, at: EntryTime(seconds: wallMilliseconds() / 1_000), signedBy: settings.statementKey)
    }

    /// The file of a blob that `site` may have: an input of a round that asks it, or the last model of its study.
    func blob(_ digest: Digest, for site: SiteID) -> StoredFile? {
        for hash in order {
            guard let run = runs[hash], run.accepted.contains(site) else { continue }
            let known = (run.current?.task.inputs ?? []) + [run.model?.blob].compactMap { $0 }
            if let blob = known.first(where: { $0.digest == digest }) { return try? vault.file(blob) }
        }
        return nil
    }
}
