// SPDX-License-Identifier: Apache-2.0
// What the server asks for in one round, and its identity: every upload is bound to the hash of its task.

/// The kinds of round. All of them are sums of integer vectors; they differ in what the integers mean.
package enum RoundKind: String, CaseIterable, Hashable, Sendable {
    case statistics
    case training
    case evaluation
}

/// Which round of a study, and the how-manieth attempt at it.
package struct RoundID: Hashable, Sendable {
    package var kind: RoundKind
    /// 0 for the statistics round, else the number of the training round, counted from 1; an evaluation round has the
    /// number of the training round whose model it judges.
    package var round: Int
    /// Counted from 1.
    package var attempt: Int

    package init(kind: RoundKind, round: Int, attempt: Int) {
        self.kind = kind
        self.round = round
        self.attempt = attempt
    }
}

/// A file used in a round, named by its content.
package struct BlobReference: Hashable, Sendable {
    /// What the file is for: `model` or `controls`.
    package var name: String
    package var digest: Digest
    package var byteCount: Int

    package init(name: String, digest: Digest, byteCount: Int) {
        self.name = name
        self.digest = digest
        self.byteCount = byteCount
    }
}

/// One round's task as the sites receive it. The layout of the vector is not in it: a site derives it from the study.
package struct RoundTask: Hashable, Sendable {
    package var study: Digest
    package var id: RoundID
    /// The number of sites asked; the ring is wide enough for the sum over all of them.
    package var sites: Int
    package var inputs: [BlobReference]

    package init(study: Digest, id: RoundID, sites: Int, inputs: [BlobReference]) {
        self.study = study
        self.id = id
        self.sites = sites
        self.inputs = inputs
    }

    package func input(_ name: String) -> BlobReference? { inputs.first { $0.name == name } }

    /// SHA-256 of the canonical bytes under the domain `consilium/task/v1`.
    package var hash: Digest { Digest(of: canonicalBytes, domain: "consilium/task/v1\n") }

    package var canonicalBytes: [UInt8] {
        CanonicalValue.object([
            "study": .string(study.hex), "kind": .string(id.kind.rawValue), "round": .count(id.round),
            "attempt": .count(id.attempt), "sites": .count(sites),
            "inputs": .array(
                inputs.map { input in
                    .object([
                        "name": .string(input.name), "sha256": .string(input.digest.hex), "bytes": .count(input.byteCount),
                    ])
                }),
        ]).bytes
    }

    /// Reads canonical bytes.
    ///
    /// - Throws: ``CanonicalJSONError`` or ``DocumentError`` for anything that is not exactly one valid task.
    package init(canonicalBytes: [UInt8]) throws {
        let reader = DocumentReader(try CanonicalValue(canonicalBytes: canonicalBytes).documentNode, path: "task")
        let fields = try reader.fields(["study", "kind", "round", "attempt", "sites", "inputs"])
        var inputs: [BlobReference] = []
        for element in try fields.required("inputs").elements() {
            let input = try element.fields(["name", "sha256", "bytes"])
            inputs.append(
                BlobReference(
                    name: try input.required("name").string(maximumLength: 40),
                    digest: try input.required("sha256").digest(),
                    byteCount: try input.required("bytes").integer(0...1 << 40)))
        }
        self.init(
            study: try fields.required("study").digest(),
            id: RoundID(
                kind: try fields.required("kind").keyword(RoundKind.self),
                round: try fields.required("round").integer(0...1_000_000),
                attempt: try fields.required("attempt").integer(1...1_000_000)),
            sites: try fields.required("sites").integer(1...1_000_000), inputs: inputs)
        guard self.canonicalBytes == canonicalBytes else { throw CanonicalJSONError.notCanonical }
    }
}

extension DocumentReader {
    package func digest() throws(DocumentError) -> Digest {
        guard let digest = Digest(hex: try string()) else {
            throw error("is not a SHA-256", hint: "64 lower-case hexadecimal digits")
        }
        return digest
    }
}
