// SPDX-License-Identifier: Apache-2.0
// After a restart: every study as the store knows it, and the round that was under way goes on collecting.

import Execution
import Federation
import Logging
import ModelFiles
import Store

extension Coordinator {
    /// Rebuilds all studies from the store.
    ///
    /// A round that was open is continued under the same task, with the uploads that were received durably; a round
    /// whose sum was not finished is summed again from its uploads.
    /// - Throws: ``StoreError``, or an error that says which study in the store cannot be read.
    func restore() async throws {
        if try await store.noticeRestore(at: wallMilliseconds()) {
            logger.warning(
                "the store is older than what ran here: the rounds that were open are abandoned and tried again",
                metadata: ["hint": "this is expected after `consilium restore`"])
        }
        try await sweepFiles()
        for record in try await store.studies() {
            let study = try Study(canonicalBytes: record.canonicalBytes)
            var run = StudyRun(
                study: study, hash: record.hash, canonicalBytes: record.canonicalBytes,
                machine: StudyStateMachine(study: study, expectedSites: settings.members.sites), submitted: now)
            let accepted = Set(try await store.decisions(study: record.hash).filter(\.isAccepted).map(\.site))
            run.model = try await version(.model, of: record.hash)
            run.deliveries = try await store.deliveries(study: record.hash)
            run.controls = try await store.latestModel(study: record.hash, role: .controls)?.blob
            run.moments = try await store.latestModel(study: record.hash, role: .moments)?.blob
            try await restoreProgress(of: &run, record: record, accepted: accepted)
            add(run)
        }
        if !order.isEmpty { logger.info("studies restored", metadata: ["count": "\(order.count)"]) }
    }

    /// Removes what a crash left behind; partial uploads of open rounds are kept, their sites go on where they end.
    private func sweepFiles() async throws {
        var uploads = try await store.neededFiles(in: .uploads)
        for study in try await store.studies() where study.outcome == nil {
            guard let round = try await store.latestRound(study: study.hash), round.state == .open else { continue }
            for site in round.cohort { uploads.insert(CurrentRound.uploadName(site, task: round.taskHash)) }
        }
        let models = try await store.neededFiles(in: .models)
        let kept = uploads
        let vault = vault
        try await workers.runIfActive {
            try vault.removeAll(in: .models, except: models)
            try vault.removeAll(in: .uploads, except: kept)
        }
    }

    private func version(_ role: ModelRecord.Role, of study: Digest) async throws -> ModelVersion? {
        guard let record = try await store.latestModel(study: study, role: role) else { return nil }
        let file = try vault.file(record.blob)
        return ModelVersion(blob: record.blob, description: try StudyModel(try ModelFile.read(file.path)))
    }

    private func restoreProgress(of run: inout StudyRun, record: StudyRecord, accepted: Set<SiteID>) async throws {
        let rounds = try await store.rounds(study: record.hash)
        run.progress.loss = rounds.last { $0.summary?.loss != nil }?.summary?.loss
        let evaluation = rounds.last { $0.id.kind == .evaluation && $0.state == .closed }
        run.progress.accuracy = evaluation?.metrics["accuracy"]
        run.progress.auc = evaluation?.metrics["auc"]
        if let outcome = record.outcome.flatMap({ StudyOutcome(word: $0, explanation: record.explanation) }) {
            run.machine = StudyStateMachine(
                finished: outcome, study: run.study, accepted: accepted)
            run.progress.explanation = record.explanation ?? ""
            return
        }
        guard let last = rounds.last else {
            for site in accepted.sorted() {
                _ = run.machine.handle(.accepted(site), now: now)
                _ = run.machine.handle(.disconnected(site), now: now)
            }
            return
        }
        for round in rounds where round.state == .closed {
            let included = round.participation.filter { $0.word == Participation.included.word }
            run.noteClosed(round.taskHash, survivors: included.map(\.site))
        }
        let missed = Set(run.study.federation.requiredSites).filter { site in
            rounds.contains { round in
                round.id.kind == .training && round.state == .closed
                    && !round.participation.contains { $0.site == site && $0.word == Participation.included.word }
            }
        }
        guard last.state == .open else {
            run.machine = StudyStateMachine(
                study: run.study, expectedSites: settings.members.sites, accepted: accepted, missedRequired: missed,
                next: StudyStateMachine.successor(of: last.id, wasClosed: last.state == .closed, study: run.study),
                cohort: nil, uploaded: [], now: now)
            return
        }
        try await restoreOpenRound(last, of: &run, accepted: accepted, missed: missed)
    }

    private func restoreOpenRound(
        _ round: RoundRecord, of run: inout StudyRun, accepted: Set<SiteID>, missed: Set<SiteID>
    ) async throws {
        let task = try RoundTask(canonicalBytes: round.taskBytes)
        let sum = RoundSum(layout: try Self.layout(of: run, task: task), memory: sumMemory)
        var current = CurrentRound(
            task: task, taskHash: round.taskHash, cohort: round.cohort, sum: sum, opened: now)
        var uploadTimes: [SiteID: Duration] = [:]
        for upload in try await store.uploads(taskHash: round.taskHash) {
            let file = try vault.file(upload.file)
            guard try sum.add(upload.site, file: file) == nil else { continue }
            current.received.insert(upload.site)
            uploadTimes[upload.site] = .milliseconds(upload.receivedMilliseconds - round.openedMilliseconds)
            current.bytesUp += file.byteCount
        }
        run.current = current
        run.machine = StudyStateMachine(
            study: run.study, expectedSites: settings.members.sites, accepted: accepted, missedRequired: missed,
            next: round.id, cohort: round.cohort, uploaded: current.received.sorted(),
            uploadTimes: uploadTimes, now: now)
    }
}
