// SPDX-License-Identifier: Apache-2.0
// What the aggregator says about each step of a study, before it is signed. Pure.

/// Kind, study and body of an entry, without time, actor and signature.
///
/// The fields of each kind are those of `protocol/entries.md`.
package struct EntryContent: Hashable, Sendable {
    /// The name under which an aggregator signs.
    package static let aggregator = "aggregator"
    /// The most survivors that are named: so many of the longest names fit an entry.
    package static let mostNamedSurvivors = 200

    package let kind: EntryKind
    package let study: Digest?
    package let body: [String: CanonicalValue]

    private init(_ kind: EntryKind, study: Digest?, body: [String: CanonicalValue]) {
        self.kind = kind
        self.study = study
        self.body = body
    }

    /// Connections of one site take over from each other so often that two daemons seem to have its identity.
    package static func sharedIdentity(_ site: SiteID) -> EntryContent {
        EntryContent(
            .incident, study: nil,
            body: ["alarm": .string("sharedIdentity"), "role": .string("site"), "name": .string(site.rawValue)])
    }

    /// A study was submitted; what it asks for is in the bytes that its hash names.
    package static func studyProposed(_ study: Digest) -> EntryContent {
        EntryContent(.studyProposed, study: study, body: [:])
    }

    /// A cohort is about to be asked.
    package static func roundOpened(_ task: RoundTask) -> EntryContent {
        var body = attempt(task.id, task: task.hash)
        body["sites"] = .count(task.sites)
        for input in task.inputs { body[input.name] = .string(input.digest.hex) }
        return EntryContent(.roundOpened, study: task.study, body: body)
    }

    /// A sum was formed over the sites that delivered.
    ///
    /// - Parameters:
    ///   - sum: SHA-256 of the packed sum.
    ///   - files: what the round produced, by role.
    ///   - clipRate: of a training round, in `0...1`.
    package static func roundReleased(
        _ id: RoundID, of study: Digest, task: Digest, participation: [ParticipationRecord], sum: Digest,
        files: [String: Digest], clipRate: Double?
    ) -> EntryContent {
        let survivors = participation.filter { $0.participation == .included }.map(\.site.rawValue).sorted {
            $0.utf8.lexicographicallyPrecedes($1.utf8)
        }
        let names = CanonicalValue.strings(survivors)
        var body = attempt(id, task: task)
        body["survivors"] = .count(survivors.count)
        body["survivorsHash"] = .string(Digest(of: names.bytes, domain: "").hex)
        if survivors.count <= mostNamedSurvivors { body["sites"] = names }
        body["absent"] = absences(participation)
        body["sum"] = .string(sum.hex)
        for (role, digest) in files { body[role] = .string(digest.hex) }
        if let clipRate, clipRate.isFinite { body["clipRate"] = .decimal(clipRate) }
        return EntryContent(.roundReleased, study: study, body: body)
    }

    /// An attempt came to nothing.
    ///
    /// - Parameter reason: ``AbortReason/word``, or ``studyEndedReason``.
    package static func roundFailed(
        _ id: RoundID, of study: Digest, task: Digest, participation: [ParticipationRecord], reason: String
    ) -> EntryContent {
        var body = attempt(id, task: task)
        body["reason"] = .string(reason)
        body["absent"] = absences(participation)
        return EntryContent(.roundFailed, study: study, body: body)
    }

    /// Why a round failed that was open when its study was ended.
    package static let studyEndedReason = "studyEnded"

    /// A study is over.
    ///
    /// - Parameter model: the one that is released; nil when there is none.
    package static func studyEnded(_ outcome: StudyOutcome, of study: Digest, model: Digest?) -> EntryContent {
        var body: [String: CanonicalValue] = ["outcome": .string(outcome.word)]
        if let model { body["model"] = .string(model.hex) }
        if case .degraded(let reason) = outcome {
            body["reason"] = .string(reason.word)
            if case .requiredSitesMissing(let sites) = reason { body["missing"] = .strings(sites.map(\.rawValue)) }
        }
        return EntryContent(.studyEnded, study: study, body: body)
    }

    /// A site has confirmed that it holds the released model.
    package static func modelExported(_ model: Digest, of study: Digest, to site: SiteID) -> EntryContent {
        EntryContent(
            .modelExported, study: study, body: ["model": .string(model.hex), "site": .string(site.rawValue)])
    }

    private static func attempt(_ id: RoundID, task: Digest) -> [String: CanonicalValue] {
        [
            "kind": .string(id.kind.rawValue), "round": .count(id.round), "attempt": .count(id.attempt),
            "task": .string(task.hex),
        ]
    }

    /// How many sites are not in the sum, by reason: names would not fit, and are in the aggregator's records.
    private static func absences(_ participation: [ParticipationRecord]) -> CanonicalValue {
        var counts: [String: CanonicalValue] = [:]
        let absent = participation.filter { $0.participation != .included }
        for (word, records) in Dictionary(grouping: absent, by: \.participation.word) {
            counts[word] = .count(records.count)
        }
        return .object(counts)
    }
}

extension Entry {
    /// Signs what an aggregator says.
    ///
    /// - Throws: ``EntryError/tooLong``, or what the signing library throws.
    package init(_ content: EntryContent, at time: EntryTime, signedBy key: StatementKey) throws {
        try self.init(
            content.kind, study: content.study, actor: EntryContent.aggregator, body: content.body, at: time,
            signedBy: key)
    }
}
