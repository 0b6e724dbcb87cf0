// SPDX-License-Identifier: Apache-2.0
// A signed record of one step: what happened, said by whom, in canonical JSON that nobody can alter unseen.

/// What an entry is about. The words are those of the log; a reader refuses others.
package enum EntryKind: String, CaseIterable, Hashable, Sendable {
    case enrolmentRequested = "ca.enrol.requested"
    case enrolmentApproved = "ca.enrol.approved"
    case membershipRevoked = "ca.enrol.revoked"
    case rosterEpoch = "roster.epoch"
    case keyRotated = "key.rotate"
    case studyProposed = "job.proposed"
    case studyApproved = "job.approved"
    case studyDeclined = "job.declined"
    case studyPaused = "job.paused"
    case studyResumed = "job.resumed"
    case studyWithdrawn = "job.withdrawn"
    case roundOpened = "round.open"
    case roundReleased = "round.release"
    case roundFailed = "round.failed"
    case studyEnded = "job.ended"
    case modelExported = "model.export"
    case accessQueried = "access.query"
    case incident = "incident"
}

/// One entry, signed by its actor.
///
/// Bytes: canonical JSON with the keys `actor`, `body`, `job` (absent when no study is meant), `sig`, `time`, `type`
/// and `v` = 1. `sig` is the hexadecimal Ed25519 signature by the actor's statement key over `fl/audit/v1` LF and the
/// same JSON without `sig`. An entry holds no value of a patient, no count of a small cell and no path or host name.
package struct Entry: Hashable, Sendable {
    /// So that it fits the log's record with room to spare.
    package static let largestByteCount = 16_000
    private static let domain = "fl/audit/v1\n"

    package let kind: EntryKind
    /// When the actor says it happened, UTC to the second; informative.
    package let time: EntryTime
    /// The study it belongs to.
    package let study: Digest?
    /// A site's identifier, or the role that acted.
    package let actor: String
    package let body: [String: CanonicalValue]
    package let signature: [UInt8]

    /// Signs a new entry.
    ///
    /// - Throws: ``EntryError/tooLong``, or what the signing library throws.
    package init(
        _ kind: EntryKind, study: Digest?, actor: String, body: [String: CanonicalValue], at time: EntryTime,
        signedBy key: StatementKey
    ) throws {
        self.kind = kind
        self.time = time
        self.study = study
        self.actor = actor
        self.body = body
        let unsigned = Self.fields(kind: kind, time: time, study: study, actor: actor, body: body)
        signature = try key.sign(CanonicalValue.object(unsigned).bytes, domain: Self.domain)
        guard bytes.count <= Self.largestByteCount else { throw EntryError.tooLong }
    }

    /// Reads an entry; the signature is not checked, see ``isSigned(by:)``.
    ///
    /// - Throws: ``EntryError``, ``CanonicalJSONError`` or ``DocumentError``.
    package init(bytes: [UInt8]) throws {
        guard bytes.count <= Self.largestByteCount else { throw EntryError.tooLong }
        let value = try CanonicalValue(canonicalBytes: bytes)
        guard case .object(let object) = value, case .object(let body)? = object["body"] else {
            throw EntryError.malformed
        }
        let fields = try DocumentReader(value.documentNode, path: "entry").fields([
            "actor", "body", "job", "sig", "time", "type", "v",
        ])
        _ = try fields.required("v").integer(1...1)
        guard let time = EntryTime(text: try fields.required("time").string()),
            let signature = [UInt8](hex: try fields.required("sig").string()), signature.count == 64
        else { throw EntryError.malformed }
        kind = try fields.required("type").keyword(EntryKind.self)
        self.time = time
        study = try fields[optional: "job"]?.digest()
        actor = try fields.required("actor").string(maximumLength: 63)
        self.body = body
        self.signature = signature
        // Integers and strings look alike to the reader: only what is written again the same is accepted.
        guard self.bytes == bytes else { throw EntryError.malformed }
    }

    package var bytes: [UInt8] {
        var fields = Self.fields(kind: kind, time: time, study: study, actor: actor, body: body)
        fields["sig"] = .string(signature.hex)
        return CanonicalValue.object(fields).bytes
    }

    /// Whether the holder of `key` said exactly this.
    package func isSigned(by key: StatementPublicKey) -> Bool {
        let unsigned = Self.fields(kind: kind, time: time, study: study, actor: actor, body: body)
        return key.verifies(signature, of: CanonicalValue.object(unsigned).bytes, domain: Self.domain)
    }

    private static func fields(
        kind: EntryKind, time: EntryTime, study: Digest?, actor: String, body: [String: CanonicalValue]
    ) -> [String: CanonicalValue] {
        var fields: [String: CanonicalValue] = [
            "v": .integer(1), "type": .string(kind.rawValue), "time": .string(time.text), "actor": .string(actor),
            "body": .object(body),
        ]
        if let study { fields["job"] = .string(study.hex) }
        return fields
    }
}

/// Why bytes are not an entry.
package enum EntryError: Error, Equatable, Sendable {
    case tooLong
    case malformed
}
