// SPDX-License-Identifier: Apache-2.0
// The aggregator's key folder: the issuing authority, the server's own certificate and the keys that speak for both.

import Crypto
package import Enrolment
package import Federation
package import Randomness
import Store

/// What `consilium federation init` makes and the aggregator runs on. The root's key is not in it.
///
///     identity.pem         the server's key and certificate, then the issuing one
///     enrolment.pem        the same with the root, for the port for newcomers
///     authority.pem        the root certificate
///     issuing.key, issuing.pem
///     authority.key        the authority's statement key: deny lists
///     statement.key        the aggregator's statement key: rosters and entries
///     log.key              the log's key
///     seal.key             seals the proof keys of tokens in the store
///     descriptor.bin       what newcomers pin
///     deny.bin, roster.bin the newest ones that members were told, which a store restored from a backup may not know
package struct AuthorityFolder: Sendable {
    package let path: String
    package let authority: CertificateAuthority
    package let descriptor: FederationDescriptor
    package let authorityKey: StatementKey
    package let statementKey: StatementKey
    package let issuingEnd: Int64
    private let sealKey: SymmetricKey

    /// The files of a TLS endpoint.
    package static func identity(in path: String) -> String { path + "/identity.pem" }
    package static func enrolment(in path: String) -> String { path + "/enrolment.pem" }
    package static func root(in path: String) -> String { path + "/authority.pem" }

    /// What a new federation is.
    package struct Plan: Sendable {
        package var federation: String
        /// Names and addresses by which the server is reached.
        package var hosts: [String]
        package var newMembers: FederationDescriptor.NewMembers

        package init(federation: String, hosts: [String], newMembers: FederationDescriptor.NewMembers) {
            self.federation = federation
            self.hosts = hosts
            self.newMembers = newMembers
        }
    }

    /// Makes a federation: a root, whose key is returned and kept by nobody else, and everything in `path`.
    package static func make(
        _ plan: Plan, at path: String, now: Int64, random: RandomSource = .system
    ) throws -> (root: [UInt8], rootKey: TLSKey) {
        try SecretFile.prepareFolder(path)
        guard !SecretFile.exists(path + "/descriptor.bin") else {
            throw SecretFile.Failure(
                "there is a federation in \(path) already",
                hint: "choose another folder; an authority is never replaced")
        }
        let rootKey = random.tlsKey()
        let root = try CertificateAuthority.makeRoot(federation: plan.federation, key: rootKey, at: now, random: random)
        let key = random.tlsKey()
        let issuing = try CertificateAuthority.makeIssuing(
            federation: plan.federation, key: key, root: root, rootKey: rootKey, at: now, random: random)
        var publicKeys: [String: StatementPublicKey] = [:]
        for name in ["authority", "statement", "log"] {
            let (statementKey, seed) = random.statementKey()
            try KeyFile.create("\(path)/\(name).key", seed: seed)
            publicKeys[name] = statementKey.publicKey
        }
        guard let authorityKey = publicKeys["authority"], let aggregatorKey = publicKeys["statement"],
            let logKey = publicKeys["log"]
        else { throw EnrolmentError.unavailable }
        try SecretFile.write(random.bytes(32), to: path + "/seal.key")
        try SecretFile.write(Array(key.pem.utf8), to: path + "/issuing.key")
        try SecretFile.writePublic(Array(PEM.text(issuing).utf8), to: path + "/issuing.pem")
        try SecretFile.writePublic(Array(PEM.text(root).utf8), to: Self.root(in: path))
        try SecretFile.writePublic(Array((plan.hosts.joined(separator: "\n") + "\n").utf8), to: path + "/hosts")
        let descriptor = FederationDescriptor(
            federation: plan.federation, rootHash: rootKey.publicKeyHash, logKey: logKey, aggregatorKey: aggregatorKey,
            authorityKey: authorityKey, newMembers: plan.newMembers)
        // Last: a folder without it was not finished.
        try SecretFile.writePublic(descriptor.bytes, to: path + "/descriptor.bin")
        try AuthorityFolder(path).renewOwnCertificate(now: now, random: random)
        return (root, rootKey)
    }

    /// Opens the folder.
    ///
    /// - Throws: `SecretFile.Failure` for what is missing, unreadable or exposed.
    package init(_ path: String) throws {
        try SecretFile.prepareFolder(path)
        self.path = path
        func text(_ name: String) throws -> String {
            String(decoding: try SecretFile.readPublic("\(path)/\(name)"), as: UTF8.self)
        }
        do {
            descriptor = try FederationDescriptor(bytes: try SecretFile.readPublic(path + "/descriptor.bin"))
            let root = try PEM.certificates(try text("authority.pem"))[0]
            let issuing = try PEM.certificates(try text("issuing.pem"))[0]
            let key = try TLSKey(pem: String(decoding: try SecretFile.read(path + "/issuing.key"), as: UTF8.self))
            authority = try CertificateAuthority(
                federation: descriptor.federation, root: root, issuing: issuing, key: key)
            guard CertificateChain.publicKeyHash(ofCertificate: root) == descriptor.rootHash else {
                throw EnrolmentError.badSignature
            }
        } catch is EnrolmentError {
            throw SecretFile.Failure(
                "the files in \(path) do not belong together", hint: "restore the folder from a backup")
        }
        issuingEnd = authority.issuingEnd
        authorityKey = try KeyFile.load(path + "/authority.key")
        statementKey = try KeyFile.load(path + "/statement.key")
        sealKey = SymmetricKey(data: try SecretFile.read(path + "/seal.key"))
    }

    // MARK: The issuing certificate

    /// Replaces the issuing certificate by one of the same key that holds for another year, and the server's own with it.
    ///
    /// The same key, because certificates and rosters that members hold must still verify under it.
    /// - Returns: when the new one ends, in seconds since 1970.
    /// - Throws: `SecretFile.Failure`, also for the root of another federation.
    package static func renewIssuing(
        at path: String, rootKey: TLSKey, now: Int64, random: RandomSource = .system
    ) throws -> Int64 {
        let folder = try AuthorityFolder(path)
        guard rootKey.publicKeyHash == folder.descriptor.rootHash else {
            throw SecretFile.Failure(
                "the root's key is not that of the federation in \(path)", hint: "check both folders")
        }
        let key = try TLSKey(pem: String(decoding: try SecretFile.read(path + "/issuing.key"), as: UTF8.self))
        let issuing = try CertificateAuthority.makeIssuing(
            federation: folder.descriptor.federation, key: key, root: folder.authority.rootBytes, rootKey: rootKey,
            at: now, random: random)
        try SecretFile.writePublic(Array(PEM.text(issuing).utf8), to: path + "/issuing.pem")
        let renewed = try AuthorityFolder(path)
        try renewed.renewOwnCertificate(now: now, random: random)
        return renewed.issuingEnd
    }

    // MARK: The server's own certificate

    /// When the server's certificate is to be replaced; the past when there is none that fits its key.
    package var ownRenewalTime: Int64 {
        guard let text = try? SecretFile.read(Self.identity(in: path)),
            let leaf = try? PEM.identity(String(decoding: text, as: UTF8.self))
        else { return 0 }
        return leaf.certificate.renewalTime
    }

    /// Makes a new key and certificate for the server, in one step for each file.
    package func renewOwnCertificate(now: Int64, random: RandomSource = .system) throws {
        let hosts = String(decoding: try SecretFile.readPublic(path + "/hosts"), as: UTF8.self)
            .split(separator: "\n").map(String.init)
        guard let name = SiteID("aggregator") else { return }
        let key = random.tlsKey()
        let leaf = try authority.issue(
            to: PartyName(.aggregator, name), keys: descriptor.aggregatorKeys, publicKey: key.key.publicKey,
            hosts: hosts,
            at: now, random: random)
        let chain = key.pem + leaf.pem + PEM.text(authority.issuingBytes)
        try SecretFile.write(Array((chain + PEM.text(authority.rootBytes)).utf8), to: Self.enrolment(in: path))
        try SecretFile.write(Array(chain.utf8), to: Self.identity(in: path))
    }

    /// SHA-256 of the SubjectPublicKeyInfo that the port for newcomers shows; empty when its file cannot be read.
    package var shownKeyHash: [UInt8] {
        guard let text = try? SecretFile.read(Self.enrolment(in: path)),
            let leaf = try? PEM.identity(String(decoding: text, as: UTF8.self))
        else { return [] }
        return leaf.certificate.publicKeyHash.bytes
    }

    // MARK: What members were told

    /// The newest deny list and roster that members were told; nil before the first.
    ///
    /// - Throws: `SecretFile.Failure` when they are there and cannot be read.
    func told() throws -> (denyList: DenyList, roster: Roster)? {
        guard SecretFile.exists(path + "/deny.bin"), SecretFile.exists(path + "/roster.bin") else { return nil }
        guard let list = try? DenyList(bytes: try SecretFile.read(path + "/deny.bin")),
            let roster = try? Roster(bytes: try SecretFile.read(path + "/roster.bin")),
            list.isSigned(by: descriptor.authorityKey), roster.isSigned(by: descriptor.aggregatorKey)
        else {
            throw SecretFile.Failure(
                "deny.bin or roster.bin in \(path) is damaged",
                hint: "restore both from a backup; without them a restored store readmits whom it does not know revoked"
            )
        }
        return (list, roster)
    }

    /// Keeps what members are told from now on.
    func keep(_ denyList: DenyList, _ roster: Roster) throws {
        try SecretFile.write(denyList.bytes, to: path + "/deny.bin")
        try SecretFile.write(roster.bytes, to: path + "/roster.bin")
    }

    // MARK: Sealing

    /// AES-256-GCM with a random nonce in front; `token` is bound to it.
    package func seal(_ secret: [UInt8], for token: [UInt8]) throws -> [UInt8] {
        let box = try AES.GCM.seal(secret, using: sealKey, authenticating: token)
        guard let bytes = box.combined else { throw EnrolmentError.unavailable }
        return Array(bytes)
    }

    package func unseal(_ bytes: [UInt8], for token: [UInt8]) throws -> [UInt8] {
        Array(try AES.GCM.open(AES.GCM.SealedBox(combined: bytes), using: sealKey, authenticating: token))
    }
}
