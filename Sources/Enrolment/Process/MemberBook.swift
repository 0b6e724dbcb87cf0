// SPDX-License-Identifier: Apache-2.0
// The members, their certificates and what each may renew; no clock, no store.

package import Federation

/// A party that has been approved.
package struct Member: Hashable, Sendable {
    package var party: PartyName
    package var keys: PartyKeys
    /// The newest certificate.
    package var certificate: IssuedCertificate
    package var isRevoked: Bool
    /// The roster epoch since which it has these keys.
    package var sinceEpoch: UInt64

    package init(
        party: PartyName, keys: PartyKeys, certificate: IssuedCertificate, isRevoked: Bool = false, sinceEpoch: UInt64
    ) {
        self.party = party
        self.keys = keys
        self.certificate = certificate
        self.isRevoked = isRevoked
        self.sinceEpoch = sinceEpoch
    }
}

/// A certificate that was given out, and the request that replaced it.
package struct CertificateRecord: Hashable, Sendable {
    package var certificate: IssuedCertificate
    /// SHA-256 of the certificate request it came from.
    package var requestHash: Digest
    /// The certificate request that replaced it.
    package var successor: Digest?

    package init(certificate: IssuedCertificate, requestHash: Digest, successor: Digest? = nil) {
        self.certificate = certificate
        self.requestHash = requestHash
        self.successor = successor
    }
}

/// Members and certificates, as far as renewal needs them.
package struct MemberBook: Sendable {
    /// Seconds after expiry in which a member may still come back.
    package static let returnPeriod: Int64 = 30 * 86_400

    package private(set) var members: [PartyName: Member] = [:]
    /// By serial number.
    package private(set) var certificates: [[UInt8]: CertificateRecord] = [:]

    package init(members: [Member] = [], certificates: [CertificateRecord] = []) {
        for member in members { self.members[member.party] = member }
        for record in certificates { self.certificates[record.certificate.serial] = record }
    }

    /// What is to be done about a renewal.
    package enum Verdict: Hashable, Sendable {
        case issue(CertificateRequestHash)
        /// The answer was lost: the same once more.
        case again(IssuedCertificate)
        case refused(EnrolmentError, alarm: EnrolmentStateMachine.Alarm?)
    }

    /// The key that a new certificate will bind.
    package struct CertificateRequestHash: Hashable, Sendable {
        package var request: Digest
        package var publicKey: Digest
    }

    /// Judges a renewal of a certificate that is valid, or when `isReturn` of one that has expired.
    ///
    /// - Parameter now: seconds since 1970; ten minutes of difference between clocks are tolerated.
    package func judge(_ request: RenewalRequest, federation: String, isReturn: Bool, now: Int64) -> Verdict {
        guard request.federation == federation, let member = members[request.party] else {
            return .refused(.notMember, alarm: nil)
        }
        guard !member.isRevoked else { return .refused(.revoked, alarm: nil) }
        guard request.isSigned(by: member.keys.statement) else { return .refused(.badSignature, alarm: nil) }
        let checked: CertificateRequest
        do {
            checked = try CertificateRequest(bytes: request.certificateRequest, party: request.party.id)
        } catch {
            return .refused(error, alarm: nil)
        }
        let hash = Digest(of: request.certificateRequest, domain: "")
        guard let replaced = certificates[request.replacedSerial], replaced.certificate.party == request.party else {
            return .refused(.notMember, alarm: nil)
        }
        if let successor = replaced.successor {
            if successor == hash, member.certificate.publicKeyHash == checked.publicKeyHash {
                return .again(member.certificate)
            }
            return .refused(.replacedSerial, alarm: .serialReplaced)
        }
        if certificates.values.contains(where: { $0.certificate.publicKeyHash == checked.publicKeyHash }) {
            return .refused(.knownKey, alarm: .keyReused)
        }
        let late = now - replaced.certificate.notAfter
        if isReturn {
            guard late > -CertificateAuthority.clockTolerance else { return .refused(.notExpired, alarm: nil) }
            guard late < Self.returnPeriod else { return .refused(.tooLate, alarm: nil) }
        }
        return .issue(CertificateRequestHash(request: hash, publicKey: checked.publicKeyHash))
    }

    /// Adds a member with its first certificate, or one that comes back with a new token and new keys.
    package mutating func add(_ member: Member, request: Digest) {
        members[member.party] = member
        certificates[member.certificate.serial] = CertificateRecord(
            certificate: member.certificate, requestHash: request)
    }

    /// Notes a renewal.
    package mutating func renewed(_ certificate: IssuedCertificate, replacing serial: [UInt8], request: Digest) {
        members[certificate.party]?.certificate = certificate
        certificates[serial]?.successor = request
        certificates[certificate.serial] = CertificateRecord(certificate: certificate, requestHash: request)
    }

    /// Takes a member's rights away.
    ///
    /// - Returns: the hashes of its certificates' keys, all of which are to be denied.
    package mutating func revoke(_ party: PartyName) -> [Digest] {
        members[party]?.isRevoked = true
        return certificates.values.filter { $0.certificate.party == party }.map(\.certificate.publicKeyHash)
            .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    /// The sites that take part, by name.
    package var sites: [Member] {
        members.values.filter { $0.party.role == .site && !$0.isRevoked }.sorted { $0.party < $1.party }
    }
}
