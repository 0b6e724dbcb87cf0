// SPDX-License-Identifier: Apache-2.0
// O9: the set whose sum may be unmasked, as the aggregator proposes it and as a quorum certifies it.

package import Federation

/// U with the inputs it stands for (O9).
///
/// Bytes: `fl/secagg/v1 set` LF || context || manifest hash || bitmap of U || SHA-256 over the input statements of U with
/// their signatures, ascending. Members sign exactly these bytes.
package struct SurvivorSet: Hashable, Sendable {
    fileprivate static let label = "fl/secagg/v1 set\n"

    package var context: Digest
    package var manifest: Digest
    package var survivors: PositionSet
    /// SHA-256 over the survivors' input statements with their signatures, ascending.
    package var inputs: Digest

    package init(context: Digest, manifest: Digest, survivors: PositionSet, inputs: Digest) {
        self.context = context
        self.manifest = manifest
        self.survivors = survivors
        self.inputs = inputs
    }

    /// SHA-256 over signed input statements, one after the other as they are given: ascending by site.
    package static func hash(of inputs: [InputStatement]) -> Digest { sha256(inputs.flatMap(\.bytes)) }

    /// SHA-256 of ``bytes``: what releases and the result name.
    package var hash: Digest { sha256(bytes) }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.digest(manifest)
        writer.raw(survivors.bitmap)
        writer.digest(inputs)
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        try self.init(&reader, rosterCount: rosterCount)
        try reader.end()
    }

    fileprivate init(_ reader: inout SecureSumReader, rosterCount: Int) throws(SecureSumError) {
        context = try reader.digest()
        manifest = try reader.digest()
        survivors = try reader.positionSet(rosterCount: rosterCount)
        inputs = try reader.digest()
    }
}

/// The aggregator's proposal of a set. One for each context.
///
/// Bytes: the set || signature over `fl/secagg/v1 propose` LF || SHA-256 of the set. The signature is over other bytes
/// than a member's, so that a proposal is never a member's consent.
package struct SetProposal: Hashable, Sendable {
    private static let label = "fl/secagg/v1 propose\n"

    package var set: SurvivorSet
    package var signature: [UInt8]

    package init(set: SurvivorSet, signature: [UInt8]) {
        self.set = set
        self.signature = signature
    }

    package init(set: SurvivorSet, signedBy key: StatementKey) throws(SecureSumError) {
        self.init(set: set, signature: try Signature.make(key, Self.message(set)))
    }

    package func isSigned(by key: StatementPublicKey) -> Bool {
        key.verifies(signature, of: Self.message(set), domain: "")
    }

    package var bytes: [UInt8] { self.set.bytes + signature }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: SurvivorSet.label)
        set = try SurvivorSet(&reader, rosterCount: rosterCount)
        signature = try reader.signature()
        try reader.end()
    }

    private static func message(_ set: SurvivorSet) -> [UInt8] {
        var writer = ByteWriter(label: label)
        writer.digest(set.hash)
        return writer.bytes
    }
}

/// A set with the signatures of a quorum of its members.
///
/// Bytes: the set || u32 count || count × (u32 position, signature over the set), ascending.
package struct SetCertificate: Hashable, Sendable {
    package var set: SurvivorSet
    /// Ascending.
    package var signatures: [PositionSignature]

    package init(set: SurvivorSet, signatures: [PositionSignature]) {
        self.set = set
        self.signatures = signatures
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: "")
        writer.raw(set.bytes)
        writer.positionSignatures(signatures)
        return writer.bytes
    }

    /// Reads a certificate whose signers are members of its set; whether they are a quorum and their signatures are
    /// theirs, ``RoundRules`` checks.
    ///
    /// - Throws: `.malformed`.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: SurvivorSet.label)
        set = try SurvivorSet(&reader, rosterCount: rosterCount)
        signatures = try reader.positionSignatures(rosterCount: rosterCount)
        try reader.end()
        guard signatures.allSatisfy({ set.survivors.contains($0.position) }) else { throw .malformed }
    }
}
