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
    /// The largest file of a round, in bytes.
    package static let largestByteCount = 1 << 36
    /// What a file of a round may be for.
    package static let inputNames = ["model", "controls"]

    /// What the file is for; in a task one of ``inputNames``.
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
                        "name": .string(input.name), "sha256": .string(input.digest.hex),
                        "bytes": .count(input.byteCount),
                    ])
                }),
        ]).bytes
    }

    /// Reads canonical bytes.
    ///
    /// - Throws: ``CanonicalJSONError`` or ``DocumentError`` for anything that is not exactly one valid task; whether a
    ///   study asks for it is another question, see ``fits(_:)``.
    package init(canonicalBytes: [UInt8]) throws {
        let reader = DocumentReader(try CanonicalValue(canonicalBytes: canonicalBytes).documentNode, path: "task")
        let fields = try reader.fields(["study", "kind", "round", "attempt", "sites", "inputs"])
        var inputs: [BlobReference] = []
        for element in try fields.required("inputs").elements() {
            let input = try element.fields(["name", "sha256", "bytes"])
            let nameReader = try input.required("name")
            let name = try nameReader.string()
            guard BlobReference.inputNames.contains(name), !inputs.contains(where: { $0.name == name }) else {
                throw nameReader.error("is not a known input, or is one twice", hint: "model or controls, once each")
            }
            inputs.append(
                BlobReference(
                    name: name, digest: try input.required("sha256").digest(),
                    byteCount: try input.required("bytes").integer(0...BlobReference.largestByteCount)))
        }
        let kind = try fields.required("kind").keyword(RoundKind.self)
        self.init(
            study: try fields.required("study").digest(),
            id: RoundID(
                kind: kind,
                round: try fields.required("round").integer(kind == .statistics ? 0...0 : 1...1_000_000),
                attempt: try fields.required("attempt").integer(1...1_000_000)),
            sites: try fields.required("sites").integer(1...1_000_000), inputs: inputs)
        guard self.canonicalBytes == canonicalBytes else { throw CanonicalJSONError.notCanonical }
    }
}

extension RoundTask {
    /// Whether `study` can ask for this task. A site works on no other.
    ///
    /// The task's study hash is not looked at: the caller has found the study by it.
    package func fits(_ study: Study) -> Bool {
        let terms = study.federation
        guard sites >= terms.minimumSites, id.attempt <= terms.progress.attempts else { return false }
        let names = inputs.map(\.name)
        switch id.kind {
        case .statistics: return id.round == 0 && names.isEmpty
        case .training:
            // SCAFFOLD's server has no control before the first training round.
            let mayHaveControls = terms.strategy.usesControls && id.round > 1
            return (1...terms.rounds).contains(id.round) && sites <= terms.numbers.siteCapacity
                && (names == ["model"] || mayHaveControls && names == ["model", "controls"])
        case .evaluation:
            let isDue = id.round % study.evaluation.everyRounds == 0 || id.round == terms.rounds
            return (1...terms.rounds).contains(id.round) && isDue && names == ["model"]
        }
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
