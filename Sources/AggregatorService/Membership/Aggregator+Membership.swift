// SPDX-License-Identifier: Apache-2.0
// The membership as administrators command it, over the control socket or with a certificate of theirs.

import Enrolment
import Federation
import Logging
package import PeerTransport
import WireProtocol

/// What somebody may ask of the aggregator.
package enum ControlRights: Sendable {
    /// Operators, and users of this machine's control socket.
    case all
    /// Auditors.
    case reading

    func allows(_ request: ControlRequest) -> Bool {
        switch (self, request) {
        case (.all, _), (.reading, .status), (.reading, .metrics): true
        case (.reading, .membership(.renew)): true
        case (.reading, .membership(let command)): command.isReading
        case (.reading, _): false
        }
    }
}

extension Registry {
    /// What the holder of this certificate may command over the members' port; nil for sites and strangers.
    package nonisolated func rights(of identity: PeerIdentity) -> ControlRights? {
        switch member(for: identity)?.role {
        case .operator: .all
        case .auditor: .reading
        default: nil
        }
    }

    /// Carries out an administrator's command.
    ///
    /// - Parameter address: where newcomers connect.
    func carryOut(_ command: MembershipCommand, address: String) async -> ControlReply {
        do {
            var reply = MembershipReply()
            switch command {
            case .invite(let role, let name, let lifetime):
                let token = try await invite(try Self.party(role, name), lifetime: lifetime, address: address)
                (reply.token, reply.expiry) = (token.text, token.expiry)
            case .approve(let role, let name, let words): try await approve(try Self.party(role, name), words: words)
            case .decline(let role, let name): try await decline(try Self.party(role, name))
            case .revoke(let role, let name): try await revoke(try Self.party(role, name))
            case .renew:
                return .error(
                    message: "a certificate is renewed over the connection that shows it", hint: "use --remote")
            case .list:
                let all = overview()
                (reply.epoch, reply.roster) = (all.epoch, all.roster)
                reply.parties = all.parties.map {
                    MembershipReply.Party(
                        role: $0.party.role.rawValue, name: $0.party.id.rawValue, state: $0.state, words: $0.words,
                        until: $0.until)
                }
            }
            return .membership(reply)
        } catch let error as RegistryError {
            return .error(message: error.message, hint: error.hint)
        } catch {
            logger.error("a command about the membership failed", metadata: ["error": "\(error)"])
            return .error(
                message: "the aggregator could not record this", hint: "see the aggregator's log and free disk space")
        }
    }

    private static func party(_ role: String, _ name: SiteID) throws -> PartyName {
        guard let role = PartyRole(rawValue: role) else {
            throw RegistryError(message: "there is no such role", hint: "use site, operator or auditor")
        }
        return PartyName(role, name)
    }
}
