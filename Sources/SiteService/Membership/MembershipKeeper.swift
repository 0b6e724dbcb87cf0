// SPDX-License-Identifier: Apache-2.0
// Keeps a site a member: renews its certificate in time, and believes rosters only after checking them.

package import Enrolment
package import Federation
package import Logging
import PeerTransport
package import Randomness
import Store
import WireProtocol

/// A member's care for its own membership.
package actor MembershipKeeper {
    private let folder: PartyFolder
    private let random: RandomSource
    private let clock: @Sendable () -> Int64
    private let logger: Logger
    private let descriptor: FederationDescriptor
    private let root: [UInt8]
    private let keys: (statement: StatementKey, witness: StatementKey)
    /// Keys of new sites that our officer has approved.
    private let approved: Set<Digest>
    /// Between 0 and 1, drawn once: where in the last part of its time a renewal falls, so that sites do not come at once.
    private let jitter: Double
    private var memory: RosterCheck.Memory?

    /// - Throws: `SecretFile.Failure`
    package init(
        folder: PartyFolder, approved: Set<Digest> = [], random: RandomSource = .system,
        clock: @escaping @Sendable () -> Int64, logger: Logger
    ) throws {
        self.folder = folder
        self.random = random
        self.clock = clock
        self.logger = logger
        self.approved = approved
        descriptor = try folder.descriptor()
        root = try folder.root()
        keys = try folder.keys(random: random)
        jitter = Double(random.bytes(2).reduce(0) { $0 << 8 | Int($1) }) / 65_536
        memory = try folder.acceptedRoster().map { RosterCheck.Memory($0) }
    }

    // MARK: Certificate

    /// When the certificate ends, in seconds since 1970; nil when it cannot be read.
    package func certificateEnd() -> Int64? { try? folder.identity().certificate.notAfter }

    /// A request for the next certificate when it is time: from two thirds of its life on, spread over a tenth of it.
    package func renewalDue() throws -> [UInt8]? {
        let certificate = try folder.identity().certificate
        let spread = Double(certificate.notAfter - certificate.notBefore) / 10
        guard clock() >= certificate.renewalTime + Int64(jitter * spread) else { return nil }
        let (_, request) = try folder.nextRequest(for: certificate.party.id, replacing: certificate, random: random)
        return try RenewalRequest(
            federation: descriptor.federation, party: certificate.party, replacedSerial: certificate.serial,
            certificateRequest: request, signedBy: keys.statement
        ).bytes
    }

    /// Takes the answer to a renewal: a certificate that fits is in use from the next connection on.
    package func received(reply bytes: [UInt8]) async {
        do {
            switch try EnrolmentReply(bytes: bytes) {
            case .issued(let told, let leaf, let issuer):
                let old = try folder.identity().certificate
                // The answer to a request that was repeated because the first answer took long.
                if leaf == old.bytes { return }
                let (key, _) = try folder.nextRequest(for: old.party.id, replacing: old, random: random)
                let certificate = try await CertificateChain.verify(
                    leaf: leaf, issuer: issuer, root: root, federation: descriptor.federation, at: clock())
                guard told == descriptor, certificate.party == old.party, certificate.keysHash == old.keysHash,
                    certificate.publicKeyHash == key.publicKeyHash
                else { throw EnrolmentError.wrongName }
                try folder.install(key, leaf: certificate, issuer: issuer, root: root, descriptor: descriptor)
                logger.notice("the certificate was renewed")
            case .refused(let error):
                logger.error("the renewal was refused", metadata: ["reason": "\(error.explanation)"])
            case .waiting: break
            }
        } catch {
            logger.error("the answer to a renewal is not usable", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Roster

    /// Checks a roster; one that is accepted is on disk when this returns.
    ///
    /// - Returns: what speaks against it; empty when it is accepted.
    @discardableResult
    package func received(roster bytes: [UInt8], denyList: [UInt8]) async -> [RosterCheck.Objection] {
        guard let roster = try? Roster(bytes: bytes), let list = try? DenyList(bytes: denyList),
            let own = try? folder.identity().certificate
        else {
            logger.error("the aggregator sent an unreadable roster")
            return [.badSignature]
        }
        let check = RosterCheck(
            descriptor: descriptor, root: root, ownSite: own.party.id,
            ownKeys: PartyKeys(statement: keys.statement.publicKey, witness: keys.witness.publicKey), approved: approved
        )
        let objections = await check.objections(to: roster, denyList: list, after: memory)
        guard objections.isEmpty else {
            logger.error(
                "REFUSED a roster; the last one stays",
                metadata: ["objections": "\(objections)", "epoch": "\(roster.content.epoch)"])
            return objections
        }
        guard memory?.hash != roster.hash else { return [] }
        do {
            try folder.accept(roster, list)
            memory = RosterCheck.Memory(roster)
            logger.info("roster accepted", metadata: ["epoch": "\(roster.content.epoch)"])
        } catch {
            logger.error("a roster could not be kept", metadata: ["error": "\(error)"])
        }
        return []
    }

    /// The number of the roster that holds here; nil before the first.
    package var rosterEpoch: UInt64? { memory?.epoch }
}
