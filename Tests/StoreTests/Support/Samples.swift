// SPDX-License-Identifier: Apache-2.0
// Values that the store's tests keep and expect back.

import Federation
import Store
import Testing

func digest(_ text: String) -> Digest { Digest(of: Array(text.utf8), domain: "test/") }

/// An entry that tells some step.
func sampleEntry(_ kind: EntryKind = .roundOpened, study: Digest? = nil) throws -> Entry {
    try Entry(
        kind, study: study, actor: EntryContent.aggregator, body: [:], at: EntryTime(seconds: 1),
        signedBy: try #require(StatementKey(seed: [UInt8](repeating: 1, count: 32))))
}

func site(_ name: String) throws -> SiteID { try #require(SiteID(name)) }

func blob(_ name: String, _ content: String) -> BlobReference {
    BlobReference(name: name, digest: digest(content), byteCount: content.utf8.count)
}

/// A finished upload in a vault.
func storedUpload(_ content: [UInt8], named name: String, in vault: FileVault) throws -> StoredFile {
    let file = try vault.newUpload(named: name)
    try content.withUnsafeBytes { try file.append($0) }
    return try file.finish()
}

func expectError<Value>(
    _ code: StoreError.Code, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Value
) async -> StoreError? {
    do {
        _ = try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as StoreError {
        #expect(error.code == code, comment, sourceLocation: sourceLocation)
        #expect(!error.message.isEmpty && !error.hint.isEmpty, sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("another error was thrown: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

/// The story that several suites tell: a study with one closed and one open round.
struct SampleStudy {
    let hash = digest("study")
    let opened = RoundID(kind: .training, round: 1, attempt: 1)
    let sites: [SiteID]

    init() throws { sites = [try site("alpha"), try site("beta"), try site("gamma")] }

    var task: Digest { digest("task") }

    var summary: RoundSummary {
        RoundSummary(
            seconds: 2.5, overheadSeconds: 0.25, survivors: 2, bytesUp: 4_000_000_000_000, bytesDown: 17, loss: 0.5,
            examples: 480, clipRate: 0.125)
    }

    var participation: [ParticipationRecord] {
        [
            ParticipationRecord(site: sites[0], participation: .included, uploadTime: .milliseconds(1500)),
            ParticipationRecord(site: sites[1], participation: .connectionLost(.uploading), uploadTime: nil),
            ParticipationRecord(site: sites[2], participation: .included, uploadTime: .milliseconds(250)),
        ]
    }

    var metrics: [(name: String, value: Double)] { [("accuracy", 0.75), ("auc", 0.875)] }

    var models: [ModelRecord] {
        [
            ModelRecord(role: .model, round: 1, blob: blob("model", "model 1")),
            ModelRecord(role: .controls, round: 1, blob: blob("controls", "controls 1")),
            ModelRecord(role: .moments, round: 1, blob: blob("moments", "moments 1")),
        ]
    }

    func submit(to store: AggregatorStore) async throws {
        try await store.submit(
            study: hash, name: "heart", canonicalBytes: [1, 2, 3],
            entry: try sampleEntry(.studyProposed, study: hash), at: 1000)
    }

    func open(in store: AggregatorStore) async throws {
        try await store.openRound(
            study: hash, id: opened, taskHash: task, taskBytes: [4, 5], cohort: sites,
            entry: try sampleEntry(.roundOpened, study: hash), at: 2000)
    }

    func close(in store: AggregatorStore) async throws {
        try await store.closeRound(
            study: hash, id: opened, summary: summary, participation: participation, metrics: metrics, models: models,
            entry: try sampleEntry(.roundReleased, study: hash), at: 3000)
    }
}
