// SPDX-License-Identifier: Apache-2.0
// Reading a policy.yaml: the table of its keys and the code that turns them into a policy stand side by side.

package import Federation
import Foundation
import NeuralNetworks

/// A site's policy as a file. An absent list allows nothing.
package enum PolicyFile {
    private static let days = TimeWindow.Day.allCases.map(\.rawValue)

    /// Every key of a policy file.
    package static let schema = ConfigurationSchema(
        title: "policy.yaml",
        keys: [
            .file(
                "federations", .described("none"), "list of the federations that may ask, by the names in certificates"),
            .file("tasks", .described("none"), words("list of", SitePolicy.TaskKind.allCases.map(\.rawValue))),
            .file("layers", .described("none"), words("list of kinds of layers and blocks:", ModelSpecification.kinds)),
            .file("datasets[].name", .refused, "a data set of site.yaml that studies may use"),
            .file("datasets[].minimumRows", .refused, "fewer usable training rows, and the site takes no part"),
            .file("minimumSites", .refused, "the fewest sites whose sum may hold this site's part, 2 or more"),
            .file("compute.rounds", .refused, "the most training rounds of a study"),
            .file("compute.stepsPerRound", .refused, "the most training steps of a round"),
            .file("compute.parameters", .refused, "the most parameters of a model"),
            .file(
                "compute.memory", .described("what the machine has"),
                "the most memory of a round, `4 GiB` or `500 MB`, as the program predicts it; never more than the machine has"
            ),
            .file(
                "compute.operationsPerRound", .described("`1e15`"),
                "the most multiplications and additions of a training round, `2e15`, as `consilium study check` counts them"
            ),
            .file("hours[].days", .described("every day"), words("list of", days)),
            .file("hours[].from", .refused, "when rounds may begin, `20:00`, in this machine's time zone"),
            .file("hours[].to", .refused, "when they may begin no more, `06:00` of the next day"),
            .file(
                "exposesIndividualUpdates", .standard("refused"),
                "`allowed`: the aggregator may see this site's own sums and updates, as every study of this version needs"
            ),
            .file("officers[].name", .refused, "who may approve studies"),
            .file("officers[].key", .refused, "the officer's public key, 64 hexadecimal digits"),
            .file("approve[].study", .described("see `hash`"), "name of a study that needs no officer"),
            .file(
                "approve[].hash", .described("see `study`"), "SHA-256 of the only study meant, 64 hexadecimal digits"),
            .file("approve[].dataset", .refused, "name of the data set that the study may use"),
        ])

    private static func words(_ start: String, _ words: [String]) -> String {
        start + " " + words.map { "`\($0)`" }.joined(separator: ", ")
    }

    /// Reads the file at `path`.
    ///
    /// - Parameter datasets: the data sets of site.yaml, when they are known.
    /// - Throws: ``FileError``
    package static func load(_ path: String, datasets: [String]? = nil) throws -> SitePolicy {
        let document = try YAMLDocument.load(contentsOf: path)
        do { return try SitePolicy(document: document, datasets: datasets) } catch {
            throw FileError(error, path: path)
        }
    }
}

extension SitePolicy {
    /// Reads a policy document.
    ///
    /// - Throws: ``DocumentError`` for an unknown key or a policy that contradicts itself.
    package init(document: DocumentNode, datasets known: [String]? = nil) throws(DocumentError) {
        let fields = try SchemaFields(DocumentReader(document), schema: PolicyFile.schema)
        let compute = try fields.section("compute")
        var rules: [DatasetRule] = []
        for section in try fields.sections("datasets") {
            let name = try section.value("name").name().rawValue
            if let known, !known.contains(name) {
                throw try section.value("name").error("names no data set of site.yaml", hint: "register it there first")
            }
            guard !rules.contains(where: { $0.name == name }) else {
                throw try section.value("name").error("is listed twice", hint: "list each data set once")
            }
            rules.append(DatasetRule(name: name, minimumRows: try section.value("minimumRows").integer(1...1 << 40)))
        }
        var hours: [TimeWindow] = []
        for section in try fields.sections("hours") { hours.append(try TimeWindow(section)) }
        var officers: [Officer] = []
        for section in try fields.sections("officers") {
            let officer = try Officer(section)
            guard !officers.contains(where: { $0.name == officer.name || $0.key == officer.key }) else {
                throw section.fields.reader.error(
                    "is listed twice", hint: "give each officer a name and a key of its own")
            }
            officers.append(officer)
        }
        var approvals: [StandingApproval] = []
        for section in try fields.sections("approve") {
            let approval = try StandingApproval(section)
            guard rules.contains(where: { $0.name == approval.dataset }) else {
                throw try section.value("dataset").error(
                    "contradicts `datasets`, which does not allow it", hint: "list the data set there, or drop this")
            }
            guard !approvals.contains(where: { $0.study == approval.study }) else {
                throw section.fields.reader.error("approves a study again", hint: "keep one approval for each study")
            }
            approvals.append(approval)
        }
        let exposure = try fields.value("exposesIndividualUpdates")
        self.init(
            federations: try Self.names(fields.optional("federations")),
            tasks: try Self.list(fields.optional("tasks")) { (element) throws(DocumentError) in
                try element.keyword(TaskKind.self)
            },
            layers: try Self.list(fields.optional("layers")) { (element) throws(DocumentError) in
                let kind = try element.string()
                guard ModelSpecification.kinds.contains(kind) else {
                    throw element.error(
                        "is no kind of layer", hint: "one of: \(ModelSpecification.kinds.joined(separator: ", "))")
                }
                return kind
            }, datasets: rules, minimumSites: try fields.value("minimumSites").integer(2...1_000_000),
            compute: ComputeLimits(
                rounds: try compute.value("rounds").integer(0...1_000_000),
                stepsPerRound: try compute.value("stepsPerRound").integer(0...1 << 40),
                parameters: try compute.value("parameters").integer(0...1 << 40),
                memoryBytes: try compute.optional("memory")?.byteCount(),
                operationsPerRound: try compute.optional("operationsPerRound")?.largeInteger(
                    0...1_000_000_000_000_000_000)),
            hours: hours, exposesIndividualUpdates: try exposure.keyword(Permission.self) == .allowed,
            officers: officers, standingApprovals: approvals)
        try Self.refuseContradictions(self, fields)
    }

    private enum Permission: String, CaseIterable {
        case refused
        case allowed
    }

    /// A policy that can admit nothing although it approves or names officers is a mistake, not a wish.
    private static func refuseContradictions(_ policy: SitePolicy, _ fields: SchemaFields) throws(DocumentError) {
        guard !policy.standingApprovals.isEmpty || !policy.officers.isEmpty else { return }
        let lists = [
            ("federations", policy.federations.isEmpty), ("tasks", policy.tasks.isEmpty),
            ("layers", policy.layers.isEmpty), ("datasets", policy.datasets.isEmpty),
        ]
        for (name, isEmpty) in lists where isEmpty {
            throw fields.fields.reader.error(
                "contradicts itself: it says who approves, and allows nothing in `\(name)`",
                hint: "list what is allowed under `\(name)`, or remove `officers` and `approve`")
        }
        let numbers = [
            ("compute.rounds", policy.compute.rounds), ("compute.stepsPerRound", policy.compute.stepsPerRound),
            ("compute.parameters", policy.compute.parameters), ("compute.memory", policy.compute.memoryBytes ?? 1),
            ("compute.operationsPerRound", policy.compute.operationsPerRound ?? 1),
        ]
        for (name, value) in numbers where value == 0 {
            throw fields.fields.reader.error(
                "contradicts itself: it says who approves, and `\(name)` is 0", hint: "raise `\(name)`")
        }
    }

    private static func names(_ reader: DocumentReader?) throws(DocumentError) -> [String] {
        try list(reader) { (element) throws(DocumentError) in
            let name = try element.string(maximumLength: 64)
            guard !name.isEmpty, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "/") }) else {
                throw element.error("is not a federation's name", hint: "as it stands in the certificates")
            }
            return name
        }
    }

    private static func list<Value: Hashable>(
        _ reader: DocumentReader?, _ read: (DocumentReader) throws(DocumentError) -> Value
    ) throws(DocumentError) -> [Value] {
        var values: [Value] = []
        for element in try reader?.elements() ?? [] {
            let value = try read(element)
            guard !values.contains(value) else { throw element.error("is listed twice", hint: "list it once") }
            values.append(value)
        }
        return values
    }
}

extension SitePolicy.Officer {
    fileprivate init(_ fields: SchemaFields) throws(DocumentError) {
        let key = try fields.value("key")
        guard let bytes = [UInt8](hex: try key.string()), let publicKey = StatementPublicKey(bytes: bytes) else {
            throw key.error("is not a public key", hint: "64 of 0-9 and a-f, as `consilium site officer` prints it")
        }
        self.init(name: try fields.value("name").name().rawValue, key: publicKey)
    }
}

extension TimeWindow {
    fileprivate init(_ fields: SchemaFields) throws(DocumentError) {
        var days: [Day] = []
        for element in try fields.optional("days")?.elements() ?? [] { days.append(try element.keyword(Day.self)) }
        let (from, to) = (try Self.minutes(fields.value("from")), try Self.minutes(fields.value("to")))
        guard from != to, from < 1_440 else {
            throw fields.fields.reader.error("is an empty span of time", hint: "leave `hours` out for any time")
        }
        self.init(days: days.isEmpty ? Day.allCases : days, from: from, to: to)
    }

    private static func minutes(_ reader: DocumentReader) throws(DocumentError) -> Int {
        let parts = try reader.string().split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isNumber) }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour * 60 + minute <= 1_440
        else { throw reader.error("is not a time of day", hint: "write hours and minutes in quotes: \"20:00\"") }
        return hour * 60 + minute
    }
}

extension StandingApproval {
    fileprivate init(_ fields: SchemaFields) throws(DocumentError) {
        let study: Study
        switch (fields.optional("study"), fields.optional("hash")) {
        case (let name?, nil):
            study = .name(try name.name().rawValue)
        case (nil, let hash?):
            guard let digest = Digest(hex: try hash.string()) else {
                throw hash.error("is not a hash", hint: "64 of 0-9 and a-f, as `consilium study check` prints it")
            }
            study = .hash(digest)
        default:
            throw fields.fields.reader.error("must name one study", hint: "either `study: NAME` or `hash: SHA-256`")
        }
        self.init(study: study, dataset: try fields.value("dataset").name().rawValue)
    }
}
