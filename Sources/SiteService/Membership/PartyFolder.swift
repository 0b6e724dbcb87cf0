// SPDX-License-Identifier: Apache-2.0
// A party's key folder: the keys it made itself, the certificate it was given, and a request under way.

package import Enrolment
package import Federation
package import Randomness
import Store

/// What `consilium site join` fills and the daemon runs on.
///
///     identity.pem      TLS key and certificate, then the issuing certificate; replaced in one step at each renewal
///     authority.pem     the federation's root
///     statement.key     signs entries, requests and decisions
///     witness.key       cosigns the log
///     descriptor.bin    what was pinned by joining
///     enrolment         host and port of the port for newcomers
///     join.token        until the certificate is here; a secret
///     next.key, next.csr  the key of the certificate asked for
///     roster.bin, deny.bin  the last roster that was accepted
///
/// Mode 0600 in a folder of mode 0700. No private key ever leaves it.
package struct PartyFolder: Sendable {
    package let path: String

    /// Makes the folder or checks that it is private.
    package init(_ path: String) throws {
        try SecretFile.prepareFolder(path)
        self.path = path
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Whether the party has joined; else its certificates come from elsewhere, or it has yet to join.
    package static func isMember(_ path: String) -> Bool {
        SecretFile.exists(path + "/descriptor.bin") && SecretFile.exists(path + "/identity.pem")
    }

    // MARK: What is there

    package func identity() throws -> (key: TLSKey, certificate: IssuedCertificate) {
        try readable("identity.pem") {
            try PEM.identity(String(decoding: try SecretFile.read(file("identity.pem")), as: UTF8.self))
        }
    }

    package func descriptor() throws -> FederationDescriptor {
        try readable("descriptor.bin") { try FederationDescriptor(bytes: try SecretFile.read(file("descriptor.bin"))) }
    }

    /// DER.
    package func root() throws -> [UInt8] {
        try readable("authority.pem") {
            try PEM.certificates(String(decoding: try SecretFile.read(file("authority.pem")), as: UTF8.self))[0]
        }
    }

    /// Host and port for newcomers and those who come back.
    package func enrolmentEndpoint() throws -> (host: String, port: Int) {
        let lines = String(decoding: try SecretFile.read(file("enrolment")), as: UTF8.self).split(separator: "\n")
        guard lines.count == 2, let port = Int(lines[1]) else { throw damaged("enrolment") }
        return (String(lines[0]), port)
    }

    /// The two keys that stay; made when they are absent.
    package func keys(random: RandomSource) throws -> (statement: StatementKey, witness: StatementKey) {
        var found: [StatementKey] = []
        for name in ["statement.key", "witness.key"] {
            if !SecretFile.exists(file(name)) {
                try KeyFile.create(file(name), seed: random.statementKey().seed)
            }
            found.append(try KeyFile.load(file(name)))
        }
        return (found[0], found[1])
    }

    // MARK: A request under way

    /// The token of a join that has not ended; nil when there is none.
    package func pendingToken() throws -> JoinToken? {
        guard SecretFile.exists(file("join.token")) else { return nil }
        return try readable("join.token") {
            try JoinToken(text: String(decoding: try SecretFile.read(file("join.token")), as: UTF8.self))
        }
    }

    func keep(_ token: JoinToken) throws {
        guard let endpoint = token.endpoint else { throw EnrolmentError.malformed }
        try SecretFile.write(Array("\(endpoint.host)\n\(endpoint.port)\n".utf8), to: file("enrolment"))
        try SecretFile.write(Array((token.text + "\n").utf8), to: file("join.token"))
    }

    /// The key and the request for the next certificate: the same ones until it is here, so a repetition is one.
    ///
    /// - Parameter current: The certificate in use. A request for its own key is what a crash left behind when that
    ///   certificate came, and is not asked again.
    package func nextRequest(
        for party: SiteID, replacing current: IssuedCertificate? = nil, random: RandomSource
    ) throws -> (key: TLSKey, request: [UInt8]) {
        if SecretFile.exists(file("next.csr")),
            let key = try? TLSKey(pem: String(decoding: try SecretFile.read(file("next.key")), as: UTF8.self)),
            let request = try? SecretFile.read(file("next.csr")),
            let checked = try? CertificateRequest(bytes: request, party: party),
            checked.publicKeyHash == key.publicKeyHash, checked.publicKeyHash != current?.publicKeyHash
        {
            return (key, request)
        }
        let key = random.tlsKey()
        let request = try CertificateRequest.make(for: party, key: key)
        try SecretFile.write(Array(key.pem.utf8), to: file("next.key"))
        try SecretFile.write(request, to: file("next.csr"))
        return (key, request)
    }

    /// Takes a certificate into use.
    package func install(
        _ key: TLSKey, leaf: IssuedCertificate, issuer: [UInt8], root: [UInt8], descriptor: FederationDescriptor
    ) throws {
        try SecretFile.write(Array(PEM.text(root).utf8), to: file("authority.pem"))
        try SecretFile.write(descriptor.bytes, to: file("descriptor.bin"))
        try SecretFile.write(Array((key.pem + leaf.pem + PEM.text(issuer)).utf8), to: file("identity.pem"))
        for name in ["join.token", "next.csr", "next.key"] { SecretFile.remove(file(name)) }
    }

    // MARK: The roster

    func acceptedRoster() throws -> Roster? {
        guard SecretFile.exists(file("roster.bin")) else { return nil }
        return try readable("roster.bin") { try Roster(bytes: try SecretFile.read(file("roster.bin"))) }
    }

    func accept(_ roster: Roster, _ denyList: DenyList) throws {
        try SecretFile.write(denyList.bytes, to: file("deny.bin"))
        try SecretFile.write(roster.bytes, to: file("roster.bin"))
    }

    private func readable<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch is EnrolmentError { throw damaged(name) }
    }

    private func damaged(_ name: String) -> SecretFile.Failure {
        SecretFile.Failure("\(file(name)) is damaged", hint: "restore it from a backup, or join again with a new token")
    }
}
