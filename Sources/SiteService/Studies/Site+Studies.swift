// SPDX-License-Identifier: Apache-2.0
// A site and its studies: decide, load the table, notice a changed source, conclude.

import ClinicalData
import Execution
import Federation
import Logging
import ModelFiles
import Store
import StudyFiles
import WireProtocol

extension Site {
    /// Answers an offered study: as policy and officers say, or not at all.
    func decide(on bytes: [UInt8]) async throws {
        guard let study = try? Study(canonicalBytes: bytes) else {
            logger.warning("the aggregator offered a study that this version does not understand")
            tell(.decision(study: Study.hash(ofCanonicalBytes: bytes), .declined(.notUnderstood)))
            return
        }
        let hash = study.hash
        let record = try await store.study(hash)
        let decision: StudyDecision
        do {
            studies[hash] = try await accept(study, hash: hash, record: record)
            decision = .accepted
        } catch let error as DatasetError {
            logger.notice(
                "declined a study",
                metadata: [
                    "study": "\(study.name)", "reason": "\(error.reason.explanation)", "cause": "\(error.message)",
                ])
            decision = .declined(error.reason)
            // An approval with the content it was given for outlives data that changed: else the next offer would fix
            // the changed content. Only a person or the policy takes it away.
            if error.reason.isDecision { studies[hash] = nil }
            let isNews = error.reason.isDecision || record?.decision != .accepted
            if isNews, try await mayRemember(record) {
                try await store.recordStudy(
                    hash: hash, name: study.name, canonicalBytes: bytes, decision: decision, dataset: nil,
                    contentHash: nil,
                    entry: record?.decision == decision
                        ? nil
                        : try entry(.studyDeclined, study: hash, body: ["reason": .string(error.reason.rawValue)]),
                    at: wallMilliseconds())
            }
        }
        tell(.decision(study: hash, decision))
    }

    /// Whether the site notes that it declined a study: an aggregator that offers ever new ones fills no disk.
    private func mayRemember(_ record: SiteStudyRecord?) async throws -> Bool {
        if record != nil { return true }
        return try await store.declinedStudyCount() < Self.largestDeclinedCount
    }

    private static let largestDeclinedCount = 64

    private func accept(_ study: Study, hash: Digest, record: SiteStudyRecord?) async throws -> AcceptedStudy {
        let permission = try permission(for: study, hash: hash, record: record)
        let dataset = permission.dataset
        let accepted: AcceptedStudy
        if let known = studies[hash], known.dataset == dataset, known.fingerprint == datasets.fingerprint(of: dataset) {
            accepted = known
        } else {
            accepted = try await load(study, dataset: dataset)
        }
        guard !accepted.local.trainingRows.isEmpty else {
            throw DatasetError(.noUsableRows, message: "no row has a label and belongs to the training part")
        }
        let contentHash = accepted.local.table.contentHash
        try permission.check(rows: accepted.local.trainingRows.count, contentHash: contentHash)
        if let record, record.decision == .accepted {
            // The table is fixed at approval: another content needs another approval.
            guard record.contentHash == contentHash || permission.signed?.approval.contentHash == contentHash else {
                throw DatasetError(.dataRefused, message: "the data set changed since the study was approved")
            }
            if record.contentHash == contentHash { return accepted }
        }
        try await store.recordStudy(
            hash: hash, name: study.name, canonicalBytes: study.canonicalBytes, decision: .accepted,
            dataset: dataset, contentHash: contentHash,
            entry: try entry(.studyApproved, study: hash, body: permission.entryBody(contentHash: contentHash)),
            at: wallMilliseconds())
        logger.notice(
            "accepted a study",
            metadata: ["study": "\(study.name)", "hash": "\(hash.short)", "dataset": "\(dataset)"])
        return accepted
    }

    private func load(_ study: Study, dataset: String) async throws -> AcceptedStudy {
        let datasets = datasets
        let fingerprint = datasets.fingerprint(of: dataset)
        let local = try await workers.runIfActive {
            try LocalStudy(study: study, table: try datasets.table(named: dataset, for: study.data))
        }
        return AcceptedStudy(local: local, dataset: dataset, fingerprint: fingerprint)
    }

    /// The study of a task, with its table checked against the source.
    ///
    /// - Throws: ``WithheldError`` for a study the site has not accepted, or whose data changed.
    func currentStudy(_ hash: Digest) async throws -> AcceptedStudy {
        guard var accepted = studies[hash], let record = try await store.study(hash) else {
            throw WithheldError(.taskMismatch)
        }
        try permitRound(of: accepted, record: record)
        let fingerprint = datasets.fingerprint(of: accepted.dataset)
        guard fingerprint != accepted.fingerprint else { return accepted }
        // The file was touched; only its content matters.
        let reloaded: AcceptedStudy
        do { reloaded = try await load(accepted.local.study, dataset: accepted.dataset) } catch is DatasetError {
            throw WithheldError(.dataChanged)
        }
        guard reloaded.local.table.contentHash == accepted.local.table.contentHash else {
            throw WithheldError(.dataChanged)
        }
        accepted.fingerprint = reloaded.fingerprint
        studies[hash] = accepted
        return accepted
    }

    // MARK: The end of a study

    /// Keeps the released model, judges it on this site's own test rows, and confirms. Repeating it changes nothing.
    func conclude(_ hash: Digest, outcome: String, model: BlobReference?) async throws {
        guard let record = try await store.study(hash), record.decision == .accepted else { return }
        if record.outcome == nil {
            do {
                if let model { try await receive(model, of: record) }
            } catch let error as WithheldError where error.reason == .localFailure {
                // The disk, most likely. Nobody tells this end again while the connection holds.
                reportUnusable(error.reason.rawValue)
                try await clock.sleep(for: .seconds(5))
                workInput.yield(.studyEnded(hash, outcome, model))
                return
            } catch let error as WithheldError {
                return reportUnusable(error.reason.rawValue)
            } catch let error as ModelFileError {
                return reportUnusable(error.code.rawValue)
            }
            // The site may have missed how rounds ended: no vector of the study serves any more.
            for round in active.values where round.study == hash { round.cancel() }
            for round in try await store.rounds(study: hash) {
                try await forgetVector(of: round.taskHash, reason: outcome)
            }
            try await store.finishStudy(hash: hash, outcome: outcome, explanation: nil, at: wallMilliseconds())
            concluded.insert(hash)
            try await keepInputs([], of: hash)
            memory.release()
            logger.notice("study ended", metadata: ["study": "\(hash.short)", "outcome": "\(outcome)"])
        }
        if let model { tell(.modelReceived(study: hash, model: model.digest)) }
    }

    /// The study stays open here: the aggregator tells its end again at the next connection.
    private func reportUnusable(_ reason: String) {
        logger.error("the released model cannot be used", metadata: ["reason": "\(reason)"])
    }

    private func receive(_ model: BlobReference, of record: SiteStudyRecord) async throws {
        let hash = record.hash
        let accepted = try await accepted(record)
        guard accepted?.local.admits(model) ?? true else { throw WithheldError(.taskMismatch) }
        let file = try await fetch(model, for: nil)
        try await workers.runIfActive { try file.makeDurable() }
        var round = 0
        if let accepted {
            let results = try await workers.runIfActive {
                // A model of the site's own is for comparison only: it must not end the daemon.
                let trainsAlone = self.memoryShortage(of: accepted.local, .training) == nil
                return try accepted.local.judge(modelAt: file.path, trainsAlone: trainsAlone)
            }
            for result in results.evaluations {
                try await store.recordEvaluation(
                    study: hash, subject: result.subject, split: .test, metrics: result.metrics)
            }
            round = results.round
        }
        try await store.recordModel(study: hash, round: round, blob: model, role: .global, isReleased: true)
    }

    /// The study in memory; after a restart it is made again from the record, if its data is still what it was.
    private func accepted(_ record: SiteStudyRecord) async throws -> AcceptedStudy? {
        if let known = studies[record.hash] { return known }
        guard let dataset = record.dataset, let study = try? Study(canonicalBytes: record.canonicalBytes),
            let loaded = try? await load(study, dataset: dataset),
            loaded.local.table.contentHash == record.contentHash
        else {
            logger.warning(
                "cannot judge the model: the data set is not what it was", metadata: ["study": "\(record.hash.short)"])
            return nil
        }
        studies[record.hash] = loaded
        return loaded
    }
}

extension LocalStudy {
    /// How the released model and one trained here alone do on this site's test rows. Stays at the site.
    func judge(
        modelAt path: String, trainsAlone: Bool
    ) throws -> (
        round: Int, evaluations: [(subject: EvaluationRecord.Subject, metrics: [(name: String, value: Double)])]
    ) {
        let (file, parameters) = try ModelFile.readWithParameters(path)
        let model = try StudyModel(file)
        guard model.studyHash == hash else { throw WithheldError(.taskMismatch) }
        let sum = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        func metrics(_ parameters: [Float], _ preprocessing: Preprocessing) throws -> [(name: String, value: Double)] {
            let counts = try evaluationCounts(
                sum, preprocessing: preprocessing, parameters: parameters, rows: testRows)
            return try sum.metrics(of: counts, labelRange: labelRange).named
        }
        var results: [(EvaluationRecord.Subject, [(name: String, value: Double)])] = [
            (.global, try metrics(parameters, model.preprocessing))
        ]
        if trainsAlone, let alone = try trainAlone() {
            results.append((.localOnly, try metrics(alone.parameters, alone.preprocessing)))
        }
        return (model.round, results)
    }
}
