// SPDX-License-Identifier: Apache-2.0
// What parties ask of the registry: to join, to renew, to come back.

package import Enrolment
import Federation
import Logging
package import PeerTransport
import Store

extension Registry {
    /// Answers the bytes of a request at the port for newcomers.
    ///
    /// - Parameters:
    ///   - source: the address that is counted.
    ///   - serverKeyHash: SHA-256 of the SubjectPublicKeyInfo that the server showed on this connection.
    package func answer(_ bytes: [UInt8], source: String, serverKeyHash: [UInt8]) async -> EnrolmentReply {
        do {
            if let request = try? EnrolmentRequest(bytes: bytes) {
                return try await alone { try await join(request, source: source, serverKeyHash: serverKeyHash) }
            }
            if let request = try? RenewalRequest(bytes: bytes) {
                return try await alone { try await comeBack(request) }
            }
            return .refused(.malformed)
        } catch {
            logger.error("a request to join could not be recorded", metadata: ["error": "\(error)"])
            return .refused(.unavailable)
        }
    }

    /// Answers a renewal over a member's connection.
    package func renew(_ bytes: [UInt8], from identity: PeerIdentity) async -> [UInt8]? {
        do {
            let request = try RenewalRequest(bytes: bytes)
            guard member(for: identity) == request.party else { return EnrolmentReply.refused(.notMember).bytes }
            return try await alone { try await renew(request, isReturn: false) }.bytes
        } catch let error as EnrolmentError {
            return EnrolmentReply.refused(error).bytes
        } catch is CancellationError {
            // The connection has ended; the site asks again over the next.
            return nil
        } catch {
            logger.error("a renewal could not be recorded", metadata: ["error": "\(error)"])
            return EnrolmentReply.refused(.unavailable).bytes
        }
    }

    /// How the matter of an earlier request stands; nil when there is none. Nothing is counted.
    package func standing(of bytes: [UInt8]) -> EnrolmentReply? {
        if let request = try? EnrolmentRequest(bytes: bytes), let invitation = machine.invitations[request.tokenID],
            invitation.submission?.identity == request.identity
        {
            switch invitation.phase {
            case .open, .waiting: return .waiting(folder.descriptor)
            case .issued: return invitation.certificate.map(issued)
            case .declined: return .refused(.declined)
            case .dead: return .refused(.deadToken)
            }
        }
        guard let request = try? RenewalRequest(bytes: bytes) else { return nil }
        if returns[request.party] == request { return .waiting(folder.descriptor) }
        if case .again(let certificate) = book.judge(
            request, federation: folder.descriptor.federation, isReturn: true, now: clock())
        {
            return issued(certificate.bytes)
        }
        return .refused(.declined)
    }

    // MARK: Joining

    private func join(_ request: EnrolmentRequest, source: String, serverKeyHash: [UInt8]) async throws
        -> EnrolmentReply
    {
        let now = clock()
        var next = machine
        let actions = next.handle(.requested(request, source: source, serverKeyHash: serverKeyHash), now: now)
        var changes: [MembershipChange] = []
        var answer = EnrolmentStateMachine.Answer.refused(.unavailable)
        for action in actions {
            switch action {
            case .store(let invitation): changes.append(.invitation(try stored(invitation)))
            case .recordRequest(let invitation):
                logger.notice("somebody asks to join", metadata: ["party": "\(invitation.party)"])
                var body = facts(invitation.party)
                if let submission = invitation.submission {
                    body["keys"] = .string(submission.keys.hash.hex)
                    body["publicKey"] = .string(submission.publicKeyHash.hex)
                }
                changes.append(.entry(try entry(.enrolmentRequested, body, at: now)))
            case .alarm(let alarm, let party): changes.append(.entry(try sound(alarm, party, at: now)))
            case .reply(let reply): answer = reply
            case .issue: break
            }
        }
        try await store.apply(changes)
        machine = next
        switch answer {
        case .waiting: return .waiting(folder.descriptor)
        case .issued(let certificate): return issued(certificate)
        case .refused(let error): return .refused(error)
        }
    }

    private func issued(_ certificate: [UInt8]) -> EnrolmentReply {
        .issued(folder.descriptor, leaf: certificate, issuer: folder.authority.issuingBytes)
    }

    private func sound(_ alarm: EnrolmentStateMachine.Alarm, _ party: PartyName, at now: Int64) throws -> Entry {
        metrics.count("membership_alarms_total")
        logger.error("ALARM of the membership", metadata: ["alarm": "\(alarm.rawValue)", "party": "\(party)"])
        var body = facts(party)
        body["alarm"] = .string(alarm.rawValue)
        return try entry(.incident, body, at: now)
    }

    // MARK: Renewing

    /// Issues the next certificate of a member that may have it.
    func renew(_ request: RenewalRequest, isReturn: Bool) async throws -> EnrolmentReply {
        let now = clock()
        switch book.judge(request, federation: folder.descriptor.federation, isReturn: isReturn, now: now) {
        case .again(let certificate): return issued(certificate.bytes)
        case .refused(let error, let alarm):
            if let alarm { try await store.apply([.entry(try sound(alarm, request.party, at: now))]) }
            return .refused(error)
        case .issue(let hashes):
            guard let member = book.members[request.party] else { return .refused(.notMember) }
            let checked = try CertificateRequest(bytes: request.certificateRequest, party: request.party.id)
            let certificate = try folder.authority.issue(
                to: request.party, keys: member.keys, publicKey: checked.publicKey, at: now, random: random)
            var next = book
            next.renewed(certificate, replacing: request.replacedSerial, request: hashes.request)
            var changes: [MembershipChange] = [.returnEnded(request.party)]
            for serial in [request.replacedSerial, certificate.serial] {
                if let record = next.certificates[serial] { changes.append(.certificate(record)) }
            }
            if let member = next.members[request.party] { changes.append(.member(member)) }
            var body = facts(request.party)
            body["replaced"] = .string(request.replacedSerial.hex)
            body["serial"] = .string(certificate.serial.hex)
            changes.append(.entry(try entry(.keyRotated, body, at: now)))
            try await store.apply(changes)
            book = next
            returns[request.party] = nil
            publish()
            metrics.count("certificates_renewed_total")
            logger.info("certificate renewed", metadata: ["party": "\(request.party)"])
            return issued(certificate.bytes)
        }
    }

    // MARK: Coming back

    private func comeBack(_ request: RenewalRequest) async throws -> EnrolmentReply {
        let now = clock()
        switch book.judge(request, federation: folder.descriptor.federation, isReturn: true, now: now) {
        case .issue:
            if returns[request.party] != request {
                try await store.apply([.returnAsked(request, at: now)])
                returns[request.party] = request
                logger.notice("a member asks to come back", metadata: ["party": "\(request.party)"])
            }
            return .waiting(folder.descriptor)
        case .again(let certificate): return issued(certificate.bytes)
        case .refused(let error, let alarm):
            if let alarm { try await store.apply([.entry(try sound(alarm, request.party, at: now))]) }
            return .refused(error)
        }
    }
}
