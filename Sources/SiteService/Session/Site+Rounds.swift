// SPDX-License-Identifier: Apache-2.0
// A site's half of one round: inputs, computation, durable vector, upload, tidying up.

import Execution
import Federation
import Logging
import ModelFiles
import Randomness
import RingArithmetic
import Store
import WireProtocol

extension Site {
    /// Takes part in a round, unless it is at it already.
    func participate(in task: RoundTask) async throws {
        let hash = task.hash
        guard active[hash] == nil else { return }
        let cancellation = Cancellation(study: task.study)
        active[hash] = cancellation
        defer { active[hash] = nil }
        do {
            let upload = try await vector(for: task, hash: hash, cancellation: cancellation)
            try await deliver(upload, of: task.id.kind, task: hash, cancellation: cancellation)
        } catch let withheld as WithheldError {
            metrics.count("rounds_total", ["kind": task.id.kind.rawValue, "outcome": "withheld"])
            metrics.count("withheld_total", ["reason": withheld.reason.rawValue])
            logger.warning(
                "withheld from a round",
                metadata: [
                    "kind": "\(task.id.kind.rawValue)", "round": "\(task.id.round)",
                    "reason": "\(withheld.reason.rawValue)",
                ])
            if try await store.round(taskHash: hash) != nil {
                try await store.finishRound(
                    taskHash: hash, state: .withheld, reason: withheld.reason.rawValue, at: wallMilliseconds())
                try CheckpointFile.remove(task: hash, from: vault)
            }
            tell(.withheld(task: hash, withheld.reason))
        } catch is CancellationError where !isStopping {
            // The round ended while the vector was being made: the news of it came before there was a file to remove.
            try await forgetVector(of: hash, reason: "abandoned")
        }
        // Only now: before, it would have kept the round waiting.
        if !isStopping, let record = try await store.study(task.study), record.decision == .accepted {
            if record.outcome != nil { concluded.insert(task.study) }
            try await keepInputs(task.inputs, of: task.study)
        }
        if !isStopping { try await removeDiscardedControls(atEndOf: hash) }
    }

    // MARK: Computation

    /// The packed vector of a task: from disk when it was computed before, else computed and stored first.
    private func vector(for task: RoundTask, hash: Digest, cancellation: Cancellation) async throws -> StoredFile {
        let accepted = try await currentStudy(task.study)
        guard task.fits(accepted.local.study), task.inputs.allSatisfy({ accepted.local.admits($0) }) else {
            throw WithheldError(.taskMismatch)
        }
        guard try await !store.hasAnswered(task.id, of: task.study, otherThan: hash) else {
            logger.error(
                "the aggregator asks again for what this site has answered: its state went back in time",
                metadata: ["kind": "\(task.id.kind.rawValue)", "round": "\(task.id.round)"])
            throw WithheldError(.answeredBefore)
        }
        guard try await !store.mayHaveAnswered(task.id, of: task.study) else { throw WithheldError(.restored) }
        let record = try await store.beginRound(
            taskHash: hash, study: task.study, id: task.id, at: wallMilliseconds())
        switch record.state {
        case .computing: break
        case .ready, .delivered:
            guard let saved = record.upload, let file = try? vault.file(saved) else {
                // A delivered vector is removed when its round has ended: only an aggregator that went back asks.
                throw WithheldError(record.state == .delivered ? .answeredBefore : .localFailure)
            }
            return file
        case .withheld: throw WithheldError(record.reason.flatMap(WithholdReason.init(rawValue:)) ?? .localFailure)
        case .ended: throw CancellationError()
        }
        try requireMemory(for: task, of: accepted.local)
        var files: [String: StoredFile] = [:]
        for input in task.inputs {
            files[input.name] = try await fetch(input, for: (hash, cancellation))
        }
        try cancellation.check()
        try await store.markPosition()
        // The seed is on disk before the first bit drawn from it is used; a repeated round repeats its bytes.
        let random = random
        let seed = try await store.roundingSeed(for: task.study) { random.bytes(32) }
        let roundingKey = Digest(of: seed + hash.bytes, domain: "consilium/rounding/v1\n").bytes
        let ownControls = try await ownControls(of: task.study, before: task.id.round)
        let checkpoints = CheckpointFile(vault: vault, task: hash, pause: settings.checkpointPause)
        let computation = RoundComputation(
            local: accepted.local, task: task, model: files["model"], serverControls: files["controls"],
            ownControls: ownControls, roundingKey: roundingKey, updates: updates, vault: vault, memory: memory,
            checkpoints: checkpoints, clock: clock)
        let progress = progressReporter(task: hash, cancellation: cancellation)
        let began = clock.now
        let result = try await workers.runIfActive { () -> Result<ComputedRound, any Error> in
            Result {
                // Again, now that it is this round's turn.
                try self.requireMemory(for: task, of: accepted.local)
                return try computation.run(onProgress: progress)
            }
        }
        metrics.computed(task.id.kind, in: clock.now - began)
        let computed: ComputedRound
        do { computed = try result.get() } catch let error where !(error is WithheldError || error is CancellationError)
        {
            logger.error("a round's computation failed", metadata: ["error": "\(error)"])
            throw WithheldError(.localFailure)
        }
        try await store.recordUpload(
            taskHash: hash, upload: computed.upload, controls: computed.controls, loss: computed.loss,
            rows: computed.rows,
            computeSeconds: computed.seconds, at: wallMilliseconds())
        try checkpoints.remove()
        return computed.upload
    }

    /// Notes the inputs of a study's latest round, and removes those of earlier ones that nobody needs any more.
    func keepInputs(_ inputs: [BlobReference], of study: Digest) async throws {
        var previous = latestInputs.updateValue(inputs, forKey: study) ?? []
        if concluded.contains(study) {
            // A round that its study's end has overtaken comes here last.
            latestInputs[study] = nil
            previous += inputs
        }
        var kept = Set(latestInputs.values.joined().map(\.digest.hex))
        kept.formUnion(try await store.neededFiles(in: .models))
        for blob in previous where !kept.contains(blob.digest.hex) {
            if let file = try? vault.file(blob) { try vault.remove(file) }
            try vault.removePartialModel(blob.digest)
        }
    }

    private func ownControls(of study: Digest, before round: Int) async throws -> StoredFile? {
        guard let record = try await store.latestModel(study: study, role: .controls, before: round) else { return nil }
        return try vault.file(record.blob)
    }

    /// Progress from the training thread, at most four times a second; also where a computation notices its end.
    private func progressReporter(
        task: Digest, cancellation: Cancellation
    ) -> @Sendable (Int) throws -> Void {
        let reporter = ProgressReporter(clock: clock) { [workInput] count in
            workInput.yield(.progress(task, count: count))
        }
        return { count in
            try cancellation.check()
            reporter.report(count)
        }
    }

    // MARK: Transfers

    /// A blob by its digest: from the vault, or from the aggregator over as many links as it takes.
    func fetch(_ blob: BlobReference, for round: (task: Digest, cancellation: Cancellation)?) async throws -> StoredFile
    {
        if let file = try? vault.file(blob) { return file }
        let reporter = round.map { round in
            ProgressReporter(clock: clock) { [workInput] count in
                workInput.yield(.downloaded(round.task, byteCount: count))
            }
        }
        while true {
            try round?.cancellation.check()
            let link = try await currentLink()
            do {
                let file = try vault.partialModel(blob.digest)
                return try await link.download(blob, into: file) { reporter?.report($0) }
            } catch LinkError.blobUnavailable {
                throw WithheldError(.taskMismatch)
            } catch let error as StoreError where error.code == .wrongDigest {
                throw WithheldError(.taskMismatch)
            } catch let error as StoreError {
                logger.error("cannot store a download", metadata: ["error": "\(error)"])
                throw WithheldError(.localFailure)
            } catch is LinkError {
                await abandon(link)
            }
        }
    }

    private func deliver(
        _ upload: StoredFile, of kind: RoundKind, task: Digest, cancellation: Cancellation
    ) async throws {
        while true {
            try cancellation.check()
            let link = try await currentLink()
            let verdict: UploadVerdict
            do {
                verdict = try await link.upload(task: task, file: upload)
            } catch let error as CancellationError {
                throw error
            } catch let error as StoreError {
                // The file is gone because the round has ended meanwhile, or it cannot be read.
                try cancellation.check()
                logger.error("cannot read a vector", metadata: ["error": "\(error)"])
                throw WithheldError(.localFailure)
            } catch {
                await abandon(link)
                continue
            }
            switch verdict {
            case .accepted:
                metrics.count("rounds_total", ["kind": kind.rawValue, "outcome": "delivered"])
                metrics.count("sent_bytes_total", by: upload.byteCount)
                try await store.finishRound(taskHash: task, state: .delivered, reason: nil, at: wallMilliseconds())
            case .refused(let reason):
                metrics.count("rounds_total", ["kind": kind.rawValue, "outcome": "refused"])
                logger.error("the aggregator refused the vector", metadata: ["reason": "\(reason.rawValue)"])
                try await store.finishRound(
                    taskHash: task, state: .ended, reason: reason.rawValue, at: wallMilliseconds())
            case .roundOver: break
            }
            return
        }
    }

    /// The round has ended: its vector has served, and SCAFFOLD's control counts from now on.
    func tidy(after task: Digest, wasClosed: Bool) async throws {
        let settled = try await store.settleControls(taskHash: task, isKept: wasClosed)
        if let settled, let record = try await store.round(taskHash: task) {
            try await dropOlderControls(record)
            if !wasClosed { discardedControls.append(settled) }
        }
        try await forgetVector(of: task, reason: wasClosed ? "closed" : "abandoned")
        try await removeDiscardedControls()
    }

    /// Removes controls of rounds that did not count, while no other round is under way: repeated, a round makes equal
    /// controls, which are the same file, and the store names them only a moment later.
    ///
    /// - Parameter own: the round that calls at its end, whose controls the store names already.
    private func removeDiscardedControls(atEndOf own: Digest? = nil) async throws {
        guard !discardedControls.isEmpty else { return }
        var needed = try await store.neededFiles(in: .models)
        needed.formUnion(latestInputs.values.joined().map(\.digest.hex))
        // Looked at after the last pause: from here on nothing else runs.
        guard active.keys.allSatisfy({ $0 == own }) else { return }
        for blob in discardedControls where !needed.contains(blob.digest.hex) {
            if let file = try? vault.file(blob) { try vault.remove(file) }
        }
        discardedControls = []
    }

    /// Controls of rounds before the latest have served.
    private func dropOlderControls(_ record: SiteRoundRecord) async throws {
        guard let latest = try await store.latestModel(study: record.study, role: .controls) else { return }
        let replaced = try await store.forgetModels(study: record.study, role: .controls, before: latest.round)
        try await removeUnlessNeeded(replaced.map(\.blob))
    }

    /// Removes files of models and controls; equal ones are one file, which another round or study may need.
    private func removeUnlessNeeded(_ blobs: [BlobReference]) async throws {
        var needed = try await store.neededFiles(in: .models)
        needed.formUnion(latestInputs.values.joined().map(\.digest.hex))
        for blob in blobs where !needed.contains(blob.digest.hex) {
            if let file = try? vault.file(blob) { try vault.remove(file) }
        }
    }

    /// Removes the vector of a task that has ended.
    func forgetVector(of task: Digest, reason: String) async throws {
        guard let record = try await store.round(taskHash: task) else { return }
        if let upload = record.upload { try vault.remove(upload) }
        try CheckpointFile.remove(task: task, from: vault)
        guard !record.state.isSettled else { return }
        try await store.finishRound(taskHash: task, state: .ended, reason: reason, at: wallMilliseconds())
    }
}
