// SPDX-License-Identifier: Apache-2.0
// An officer's signed word that a study may use a data set.

/// What an officer signs: which study, on which data, under which policy, until when.
///
/// Bytes: canonical JSON; the signature is Ed25519 by the officer's key over `consilium/approval/v1` LF and them.
package struct Approval: Hashable, Sendable {
    package static let domain = "consilium/approval/v1\n"

    package var study: Digest
    package var site: SiteID
    package var dataset: String
    /// Of the encoded table when the officer looked.
    package var contentHash: Digest
    package var policyHash: Digest
    package var officer: String
    package var expires: EntryTime

    package init(
        study: Digest, site: SiteID, dataset: String, contentHash: Digest, policyHash: Digest, officer: String,
        expires: EntryTime
    ) {
        self.study = study
        self.site = site
        self.dataset = dataset
        self.contentHash = contentHash
        self.policyHash = policyHash
        self.officer = officer
        self.expires = expires
    }

    package var canonicalBytes: [UInt8] {
        CanonicalValue.object([
            "study": .string(study.hex), "site": .string(site.rawValue), "dataset": .string(dataset),
            "contentHash": .string(contentHash.hex), "policyHash": .string(policyHash.hex),
            "officer": .string(officer), "expires": .string(expires.text),
        ]).bytes
    }

    /// Reads canonical bytes.
    ///
    /// - Throws: ``CanonicalJSONError`` or ``DocumentError``.
    package init(canonicalBytes: [UInt8]) throws {
        let reader = DocumentReader(try CanonicalValue(canonicalBytes: canonicalBytes).documentNode, path: "approval")
        let fields = try reader.fields([
            "study", "site", "dataset", "contentHash", "policyHash", "officer", "expires",
        ])
        guard let site = SiteID(try fields.required("site").string()),
            let expires = EntryTime(text: try fields.required("expires").string())
        else { throw reader.error("names no site or no time", hint: "make it again with `consilium site approve`") }
        self.init(
            study: try fields.required("study").digest(), site: site,
            dataset: try fields.required("dataset").string(maximumLength: 63),
            contentHash: try fields.required("contentHash").digest(),
            policyHash: try fields.required("policyHash").digest(),
            officer: try fields.required("officer").string(maximumLength: 63), expires: expires)
        guard self.canonicalBytes == canonicalBytes else { throw CanonicalJSONError.notCanonical }
    }
}

/// Why an approval does not hold, or holds no longer.
package enum ApprovalObjection: String, Error, CaseIterable, Hashable, Sendable {
    case otherSite
    case otherStudy
    case unknownOfficer
    case badSignature
    case expired
    case policyChanged
    case dataChanged

    /// A sentence part for people.
    package var explanation: String {
        switch self {
        case .otherSite: "it was given for another site"
        case .otherStudy: "it was given for another study"
        case .unknownOfficer: "no officer of the policy has this name"
        case .badSignature: "the officer's signature does not fit"
        case .expired: "it has expired"
        case .policyChanged: "the policy has changed since it was given"
        case .dataChanged: "the data set has changed since it was given"
        }
    }
}

/// An approval with its signature.
package struct SignedApproval: Hashable, Sendable {
    package var approval: Approval
    package var signature: [UInt8]

    package init(approval: Approval, signature: [UInt8]) {
        self.approval = approval
        self.signature = signature
    }

    package init(_ approval: Approval, signedBy key: StatementKey) throws {
        self.init(approval: approval, signature: try key.sign(approval.canonicalBytes, domain: Approval.domain))
    }

    /// Why it does not hold now; nil when it does.
    ///
    /// - Parameter contentHash: of the data set as it is now; nil when it was not read.
    package func objection(
        site: SiteID, study: Digest, policy: SitePolicy, contentHash: Digest?, at now: EntryTime
    ) -> ApprovalObjection? {
        guard approval.site == site else { return .otherSite }
        guard approval.study == study else { return .otherStudy }
        guard let officer = policy.officer(named: approval.officer) else { return .unknownOfficer }
        guard officer.key.verifies(signature, of: approval.canonicalBytes, domain: Approval.domain) else {
            return .badSignature
        }
        guard now < approval.expires else { return .expired }
        guard approval.policyHash == policy.hash else { return .policyChanged }
        guard contentHash == nil || contentHash == approval.contentHash else { return .dataChanged }
        return nil
    }
}
