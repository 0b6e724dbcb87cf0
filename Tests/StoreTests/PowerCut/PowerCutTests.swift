// SPDX-License-Identifier: Apache-2.0
// The power is cut at every write of a whole story: what was acknowledged is there, and no half step is.

import Federation
import PowerCut
import Store
import Testing

@Suite(.timeLimit(.minutes(5))) struct PowerCutTests {
    // MARK: The aggregator

    /// Everything that an aggregator's store and vault say. Reading a file's digest shows that it is whole.
    private func state(of store: AggregatorStore, _ vault: FileVault) async throws -> String {
        var lines: [String] = []
        for study in try await store.studies() {
            lines.append("\(study)")
            lines.append("\(try await store.decisions(study: study.hash))")
            for round in try await store.rounds(study: study.hash) {
                lines.append("\(round.id) \(round.state) \(String(describing: round.summary))")
                lines.append("\(round.participation.count) \(round.metrics.sorted { $0.key < $1.key })")
                guard round.state == .open else { continue }
                for upload in try await store.uploads(taskHash: round.taskHash) {
                    lines.append("\(upload)")
                    try vault.file(upload.file).verify()
                }
            }
            for model in try await store.models(study: study.hash) {
                lines.append("\(model)")
                try vault.file(model.record.blob).verify()
            }
        }
        return lines.joined(separator: "\n")
    }

    private func reopenedAggregator(_ folder: String) async throws -> String {
        // What is cut is the story, not the look at what is left of it: this one needs no syncs.
        let vault = try FileVault(directory: folder, durability: .lostOnPowerCutForSimulationOnly)
        let store = try AggregatorStore.open(directory: folder, durability: .lostOnPowerCutForSimulationOnly)
        for folder in FileVault.Folder.allCases {
            try vault.removeAll(in: folder, except: try await store.neededFiles(in: folder))
        }
        return try await state(of: store, vault)
    }

    @Test func anAggregatorLosesNothingItAcknowledged() async throws {
        let sample = try SampleStudy()
        var scenario = try CutScenario(empty: "")
        let vault = try FileVault(directory: scenario.path)
        let store = try AggregatorStore.open(directory: scenario.path)
        func acknowledge() async throws { scenario.acknowledge(try await state(of: store, vault)) }
        try await acknowledge()
        try await sample.submit(to: store)
        try await acknowledge()
        for site in sample.sites {
            try await store.recordDecision(study: sample.hash, site: site, .accepted, at: 3)
            try await acknowledge()
        }
        try await sample.open(in: store)
        try await acknowledge()
        for (number, site) in sample.sites.enumerated() {
            // Longer than a sector, and not a multiple of it.
            let vector = [UInt8](repeating: UInt8(number + 1), count: 1_300)
            let file = try storedUpload(vector, named: "task-\(site)", in: vault)
            try await store.recordUpload(taskHash: sample.task, site: site, file: file, at: 4)
            try await acknowledge()
        }
        let model = try vault.newFile(in: .models)
        try model.append(floats: [Float](repeating: 0.5, count: 700))
        let blob = try model.finish().reference("model")
        try await store.closeRound(
            study: sample.hash, id: sample.opened, summary: sample.summary, participation: sample.participation,
            metrics: sample.metrics, models: [ModelRecord(role: .model, round: 1, blob: blob)],
            entry: try sampleEntry(), at: 5)
        try await acknowledge()
        for upload in try await store.uploads(taskHash: sample.task) { try vault.remove(upload.file) }
        let second = RoundID(kind: .training, round: 2, attempt: 1)
        try await store.openRound(
            study: sample.hash, id: second, taskHash: digest("second"), taskBytes: [1], cohort: sample.sites,
            entry: try sampleEntry(), at: 6)
        try await acknowledge()
        try await store.abandonRound(
            study: sample.hash, id: second, reason: "tooFewSites", participation: sample.participation,
            entry: try sampleEntry(), at: 7)
        try await acknowledge()
        try await store.finishStudy(
            hash: sample.hash, outcome: "degraded", explanation: "too few", releasedModel: blob.digest,
            entries: [try sampleEntry(.studyEnded)], at: 8)
        try await acknowledge()

        let checked = try await scenario.checkEveryCut(reopenedAggregator)
        #expect(checked > 100, "the story has dozens of writes")
    }

    // MARK: A site

    private func state(of store: SiteStore, _ vault: FileVault) async throws -> String {
        var lines: [String] = []
        for study in try await store.studies() {
            lines.append("\(study)")
            let seed = try? await store.roundingSeed(for: study.hash) { throw StoreError.noSeed }
            lines.append("\(seed ?? [])")
            for round in try await store.rounds(study: study.hash) {
                lines.append("\(round)")
                if let upload = round.upload, round.state == .ready { try vault.file(upload).verify() }
                if let controls = round.controls { try vault.file(controls).verify() }
            }
            for model in try await store.models(study: study.hash) {
                lines.append("\(model)")
                try vault.file(model.blob).verify()
            }
            for evaluation in try await store.evaluations(study: study.hash) {
                lines.append("\(evaluation.subject) \(evaluation.metrics.sorted { $0.key < $1.key })")
            }
        }
        return lines.joined(separator: "\n")
    }

    private func reopenedSite(_ folder: String) async throws -> String {
        let vault = try FileVault(directory: folder, durability: .lostOnPowerCutForSimulationOnly)
        let store = try SiteStore.open(directory: folder, durability: .lostOnPowerCutForSimulationOnly)
        for folder in FileVault.Folder.allCases {
            try vault.removeAll(in: folder, except: try await store.neededFiles(in: folder))
        }
        return try await state(of: store, vault)
    }

    @Test func aSiteLosesNothingItAcknowledged() async throws {
        let sample = try SampleStudy()
        var scenario = try CutScenario(empty: "")
        let vault = try FileVault(directory: scenario.path)
        let store = try SiteStore.open(directory: scenario.path)
        func acknowledge() async throws { scenario.acknowledge(try await state(of: store, vault)) }
        try await acknowledge()
        try await store.recordStudy(
            hash: sample.hash, name: "heart", canonicalBytes: [1], decision: .accepted, dataset: "d",
            contentHash: digest("table"), at: 0)
        try await acknowledge()
        _ = try await store.roundingSeed(for: sample.hash) { [UInt8](repeating: 7, count: 32) }
        try await acknowledge()
        for number in 1...2 {
            let task = digest("task \(number)")
            try await store.beginRound(
                taskHash: task, study: sample.hash, id: RoundID(kind: .training, round: number, attempt: 1), at: 1)
            try await acknowledge()
            let upload = try storedUpload(
                [UInt8](repeating: UInt8(number), count: 2_000), named: task.hex, in: vault)
            let controls = try vault.newFile(in: .models)
            try controls.append(floats: [Float](repeating: Float(number), count: 200))
            try await store.recordUpload(
                taskHash: task, upload: upload, controls: try controls.finish().reference("controls"), loss: 0.5,
                rows: 9, computeSeconds: 1, at: 2)
            try await acknowledge()
            try await store.finishRound(taskHash: task, state: .delivered, reason: nil, at: 3)
            try await acknowledge()
            try await store.settleControls(taskHash: task, isKept: true)
            try await acknowledge()
            try vault.remove(upload)
        }
        let model = try vault.newFile(in: .models)
        try model.append(floats: [1, 2, 3])
        try await store.recordModel(
            study: sample.hash, round: 2, blob: try model.finish().reference("model"), role: .global, isReleased: true)
        try await acknowledge()
        try await store.recordEvaluation(
            study: sample.hash, subject: .global, split: .test, metrics: [("accuracy", 0.5), ("auc", 0.75)])
        try await acknowledge()
        try await store.finishStudy(hash: sample.hash, outcome: "completed", explanation: nil, at: 4)
        try await acknowledge()

        let checked = try await scenario.checkEveryCut(reopenedSite)
        #expect(checked > 100, "the story has dozens of writes")
    }

    // MARK: The instrument

    /// Shows that the cuts find something: without syncs, acknowledged steps are lost or half done.
    @Test func withoutSyncsTheCutsFindLosses() async throws {
        let directory = try TestDirectory()
        let recording = DiskRecording(of: directory.path)
        let vault = try FileVault(
            directory: directory("state"), durability: .lostOnPowerCutForSimulationOnly)
        let file = try storedUpload([UInt8](repeating: 9, count: 4_000), named: "upload", in: vault)
        recording.stop()
        let disk = CutDisk(after: recording.operations())
        var losses = 0
        for seed in 0..<64 {
            let copy = try TestDirectory()
            try disk.write(to: copy("disk")) { _ in .torn(seed: UInt64(seed)) }
            let found = try? FileVault(directory: copy("disk/state")).file(file.saved)
            if (try? found?.verify()) == nil { losses += 1 }
        }
        #expect(losses > 32, "unsynced content or names rarely survive whole")
        let copy = try TestDirectory()
        try disk.write(to: copy("disk")) { _ in .kept }
        try FileVault(directory: copy("disk/state")).file(file.saved).verify()
    }
}

extension StoreError {
    fileprivate static let noSeed = StoreError(.unknown, "no seed", hint: "none")
}
