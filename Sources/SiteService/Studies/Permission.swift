// SPDX-License-Identifier: Apache-2.0
// Whether a study may run at this site: the policy and an approval, judged at every decision and every round.

import ClinicalData
package import Federation
import Foundation
import Logging
import Store

/// What lets a study use a data set.
struct Permission: Sendable {
    let study: Study
    let dataset: String
    let policy: SitePolicy
    /// nil when the policy approves by itself.
    let signed: SignedApproval?
    let machine: SiteMachine

    /// Checks what is known only once the table is read.
    ///
    /// - Throws: ``DatasetError`` `refusedByPolicy` or `notApproved`.
    func check(rows: Int, contentHash: Digest) throws {
        let findings = policy.judge(study, federation: nil, dataset: dataset, rows: rows, machine: machine)
        if !findings.isEmpty { throw DatasetError(findings) }
        guard policy.allowsSteps(of: study.training, rows: rows) else {
            throw DatasetError(
                .refusedByPolicy, message: "compute.stepsPerRound: a pass over the rows takes more steps than allowed")
        }
        if let signed, signed.approval.contentHash != contentHash {
            throw DatasetError(.notApproved, objection: .dataChanged)
        }
    }

    /// What the entry of an approval says: who, under which policy, on which data.
    func entryBody(contentHash: Digest) -> [String: CanonicalValue] {
        var body: [String: CanonicalValue] = [
            "contentHash": .string(contentHash.hex), "policyHash": .string(policy.hash.hex),
        ]
        if let signed {
            body["officer"] = .string(signed.approval.officer)
            body["expires"] = .string(signed.approval.expires.text)
            body["officerSignature"] = .string(signed.signature.hex)
        } else {
            body["standing"] = .boolean(true)
        }
        return body
    }
}

extension DatasetError {
    init(_ findings: [PolicyFinding]) {
        self.init(
            .refusedByPolicy, message: findings.map { "\($0.key): \($0.problem)" }.joined(separator: "; "))
    }

    init(_ reason: DeclineReason, objection: ApprovalObjection) {
        self.init(reason, message: "the officer's approval does not hold: \(objection.explanation)")
    }
}

extension Site {
    /// Whether people at this site let the study run, and on which data set.
    ///
    /// - Throws: ``DatasetError`` `withdrawn`, `refusedByPolicy` or `notApproved`, with what an officer must know.
    func permission(for study: Study, hash: Digest, record: SiteStudyRecord?) throws -> Permission {
        if record?.isWithdrawn == true {
            throw DatasetError(.withdrawn, message: "an officer refused it or withdrew")
        }
        let policy: SitePolicy
        do { policy = try settings.policy() } catch {
            throw DatasetError(.refusedByPolicy, message: "the policy cannot be read: \(error)")
        }
        let standing = policy.standingApprovals.approval(name: study.name, hash: hash)
        let dataset = record?.approval?.approval.dataset ?? standing?.dataset
        let findings = policy.judge(study, federation: asker ?? "", dataset: dataset, machine: settings.machine)
        guard findings.isEmpty else { throw DatasetError(findings) }
        if let signed = record?.approval {
            let objection = signed.objection(
                site: settings.site, study: hash, policy: policy, contentHash: nil, at: entryTime)
            if objection == nil {
                return Permission(
                    study: study, dataset: signed.approval.dataset, policy: policy, signed: signed,
                    machine: settings.machine)
            }
            if standing == nil, let objection { throw DatasetError(.notApproved, objection: objection) }
        }
        guard let standing else {
            throw DatasetError(.notApproved, message: "an officer has yet to approve it: `consilium site approve`")
        }
        return Permission(
            study: study, dataset: standing.dataset, policy: policy, signed: nil, machine: settings.machine)
    }

    /// Whether a round of an accepted study may run now.
    ///
    /// - Throws: ``WithheldError`` `stopped`, `paused`, `outsideHours` or `notPermitted`.
    func permitRound(of accepted: AcceptedStudy, record: SiteStudyRecord) throws {
        if record.isWithdrawn { throw WithheldError(.stopped) }
        if record.isPaused { throw WithheldError(.paused) }
        let permission: Permission
        do {
            permission = try self.permission(for: accepted.local.study, hash: accepted.local.hash, record: record)
            try permission.check(
                rows: accepted.local.trainingRows.count, contentHash: accepted.local.table.contentHash)
        } catch let error as DatasetError {
            logger.warning("the study is no longer permitted", metadata: ["cause": "\(error.message)"])
            throw WithheldError(.notPermitted)
        }
        guard permission.dataset == accepted.dataset else { throw WithheldError(.notPermitted) }
        let (day, minute) = Self.localTime(wallMilliseconds())
        guard permission.policy.hours.allow(day, minute: minute) else { throw WithheldError(.outsideHours) }
    }

    /// Whether the machine has the memory that a round is expected to take: withholding is better than being killed.
    ///
    /// - Throws: ``WithheldError`` `notEnoughMemory`.
    nonisolated func requireMemory(for task: RoundTask, of local: LocalStudy) throws {
        guard let shortage = memoryShortage(of: local, task.id.kind) else { return }
        logger.error(
            "too little memory is free for a round",
            metadata: [
                "kind": "\(task.id.kind.rawValue)", "round": "\(task.id.round)",
                "predictedBytes": "\(shortage.predicted)", "freeBytes": "\(shortage.free)",
            ])
        throw WithheldError(.notEnoughMemory)
    }

    /// What work of this kind is expected to take and what is free, where that is less; nil where there is enough.
    nonisolated func memoryShortage(of local: LocalStudy, _ kind: RoundKind) -> (predicted: Int, free: Int)? {
        guard kind != .statistics, let free = settings.freeMemory(),
            // Made from the same model as the network of the local study: it cannot fail.
            let cost = try? StudyCost(local.study, threads: settings.machine.threads)
        else { return nil }
        let rows = kind == .training ? local.trainingRows.count : local.testRows.count
        let predicted = cost.memoryBytes(of: kind, rows: rows)
        return predicted > free ? (predicted, free) : nil
    }

    /// Day of the week and minute of the day in this machine's time zone.
    package static func localTime(_ milliseconds: Int64) -> (TimeWindow.Day, Int) {
        let date = Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
        let parts = Calendar(identifier: .gregorian).dateComponents(in: .current, from: date)
        // The calendar's week begins on Sunday, ours on Monday.
        let day = TimeWindow.Day.allCases[((parts.weekday ?? 1) + 5) % 7]
        return (day, (parts.hour ?? 0) * 60 + (parts.minute ?? 0))
    }

    // MARK: Entries

    /// An entry of this site, signed.
    func entry(_ kind: EntryKind, study: Digest, body: [String: CanonicalValue]) throws -> Entry {
        try Entry(
            kind, study: study, actor: settings.site.rawValue, body: body, at: entryTime,
            signedBy: settings.statementKey)
    }

    var entryTime: EntryTime { EntryTime(seconds: wallMilliseconds() / 1_000) }
}
