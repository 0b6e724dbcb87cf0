// SPDX-License-Identifier: Apache-2.0
// One invitation and how far it has come.

package import Federation

/// What an authority keeps of a token and of the request made with it.
package struct Invitation: Hashable, Sendable {
    /// Where it stands. Only ``Phase/open`` and ``Phase/waiting`` change.
    package enum Phase: String, CaseIterable, Hashable, Sendable {
        case open
        /// A proved request is here; a person has yet to decide.
        case waiting
        case issued
        case declined
        /// Five wrong proofs.
        case dead
    }

    package let tokenID: [UInt8]
    package let party: PartyName
    /// In place of the secret: ``JoinToken/proofKey``.
    package let proofKey: [UInt8]
    /// Seconds since 1970.
    package let expiry: Int64
    package var phase: Phase
    package var wrongProofs: Int
    package var submission: Submission?
    /// The certificate that was issued, in DER.
    package var certificate: [UInt8]?

    package init(
        tokenID: [UInt8], party: PartyName, proofKey: [UInt8], expiry: Int64, phase: Phase = .open,
        wrongProofs: Int = 0, submission: Submission? = nil, certificate: [UInt8]? = nil
    ) {
        self.tokenID = tokenID
        self.party = party
        self.proofKey = proofKey
        self.expiry = expiry
        self.phase = phase
        self.wrongProofs = wrongProofs
        self.submission = submission
        self.certificate = certificate
    }
}

/// A proved request.
package struct Submission: Hashable, Sendable {
    /// ``EnrolmentRequest/identity``.
    package let identity: Digest
    package let certificateRequest: [UInt8]
    package let keys: PartyKeys
    package let publicKeyHash: Digest
    package let received: Int64

    package init(
        identity: Digest, certificateRequest: [UInt8], keys: PartyKeys, publicKeyHash: Digest, received: Int64
    ) {
        self.identity = identity
        self.certificateRequest = certificateRequest
        self.keys = keys
        self.publicKeyHash = publicKeyHash
        self.received = received
    }

    /// The words to compare by telephone.
    package func words(party: SiteID, descriptor: FederationDescriptor) -> SixWords {
        SixWords(
            rootHash: descriptor.rootHash, party: party, publicKeyHash: publicKeyHash, keys: keys,
            descriptorHash: descriptor.hash)
    }
}
