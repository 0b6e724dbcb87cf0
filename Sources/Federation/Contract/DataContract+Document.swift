// SPDX-License-Identifier: Apache-2.0
// A data contract in a study document: strict reading, and its canonical form with every default written out.

extension DataContract {
    var canonicalValue: CanonicalValue {
        .object([
            "columns": .array(columns.map(\.canonicalValue)),
            "holdout": .object([
                "testFraction": .decimal(holdout.testFraction), "seed": .string(String(holdout.seed)),
            ]),
        ])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["columns", "holdout"])
        let columnsReader = try fields.required("columns")
        var columns: [ColumnContract] = []
        let elements = try columnsReader.elements()
        guard elements.count <= 10_000 else { throw columnsReader.error("lists too many", hint: "at most 10000") }
        for element in elements {
            let column = try ColumnContract(element)
            guard !columns.contains(where: { $0.name == column.name }) else {
                throw element.error("repeats the name of another column", hint: "give each column its own name")
            }
            columns.append(column)
        }
        var holdout = Holdout(testFraction: 0.2, seed: 0)
        if let holdoutReader = fields[optional: "holdout"] {
            let holdoutFields = try holdoutReader.fields(["testFraction", "seed"])
            holdout.testFraction = try holdoutFields[optional: "testFraction"]?.decimal(0...0.9) ?? holdout.testFraction
            holdout.seed = try holdoutFields[optional: "seed"]?.unsigned() ?? holdout.seed
        }
        self.init(columns: columns, holdout: holdout)
        try checkRoles(columnsReader)
    }

    private func checkRoles(_ reader: DocumentReader) throws(DocumentError) {
        var labels = 0
        var patientKeys = 0
        var splits = 0
        for column in columns {
            switch column.kind {
            case .label: labels += 1
            case .patientKey: patientKeys += 1
            case .split: splits += 1
            case .number, .category, .date, .group: break
            }
        }
        guard labels == 1 else {
            throw reader.error("must hold exactly one label", hint: "mark the target column with `label:`")
        }
        guard patientKeys <= 1 else { throw reader.error("holds two patient keys", hint: "keep one `patientKey`") }
        guard splits <= 1 else { throw reader.error("holds two splits", hint: "keep one `split`") }
        guard !features.isEmpty else {
            throw reader.error("holds no feature", hint: "add a `number:`, `category:` or `date:` column")
        }
    }
}

extension ColumnContract {
    private static let kinds = ["number", "category", "date", "label", "patientKey", "group", "split"]

    var canonicalValue: CanonicalValue {
        .object(["name": .string(name), kind.word: kind.canonicalBody, "missing": .strings(missingCodes)])
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["name", "missing"] + Self.kinds)
        let nameReader = try fields.required("name")
        let name = try nameReader.string(maximumLength: 100)
        guard !name.isEmpty else { throw nameReader.error("is empty", hint: "name the column") }
        let present = Self.kinds.filter { fields[optional: $0] != nil }
        guard present.count == 1, let body = fields[optional: present[0]] else {
            throw reader.error("must be of exactly one kind", hint: "one of: \(Self.kinds.joined(separator: ", "))")
        }
        self.init(
            name: name, kind: try ColumnKind(word: present[0], body),
            missingCodes: try fields[optional: "missing"]?.strings() ?? [])
    }
}

extension ColumnKind {
    var word: String {
        switch self {
        case .number: "number"
        case .category: "category"
        case .date: "date"
        case .label: "label"
        case .patientKey: "patientKey"
        case .group: "group"
        case .split: "split"
        }
    }

    var canonicalBody: CanonicalValue {
        switch self {
        case .number(let column):
            .object([
                "unit": .string(column.unit), "minimum": .decimal(column.minimum), "maximum": .decimal(column.maximum),
                "outOfRange": .string(column.outOfRange.rawValue),
            ])
        case .category(let column):
            .object([
                "codes": .strings(column.codes), "unknownCode": .string(column.unknownCode.rawValue),
                "dropFirst": .boolean(column.dropsFirst), "standardize": .boolean(column.isStandardized),
            ])
        case .date(let column):
            .object([
                "format": .string(column.format.rawValue), "earliest": .string(column.earliest.isoText),
                "latest": .string(column.latest.isoText), "outOfRange": .string(column.outOfRange.rawValue),
            ])
        case .label(.binary(let positive, let negative)):
            .object(["positive": .strings(positive), "negative": .strings(negative)])
        case .label(.classes(let codes)): .object(["classes": .strings(codes)])
        case .label(.number(let unit, let minimum, let maximum)):
            .object(["unit": .string(unit), "minimum": .decimal(minimum), "maximum": .decimal(maximum)])
        case .patientKey: .object([:])
        case .group(let column):
            switch column.levels {
            case .codes(let codes): .object(["codes": .strings(codes)])
            case .bands(let edges): .object(["bands": .array(edges.map { .decimal($0) })])
            }
        case .split(let column): .object(["train": .strings(column.train), "test": .strings(column.test)])
        }
    }

    init(word: String, _ reader: DocumentReader) throws(DocumentError) {
        switch word {
        case "number": self = .number(try NumberColumn(reader))
        case "category": self = .category(try CategoryColumn(reader))
        case "date": self = .date(try DateColumn(reader))
        case "label": self = .label(try LabelColumn(reader))
        case "group": self = .group(try GroupColumn(reader))
        case "split":
            let fields = try reader.fields(["train", "test"])
            let train = try fields.required("train").codes(minimum: 1)
            let test = try fields.required("test").codes(minimum: 1)
            guard Set(train).isDisjoint(with: test) else {
                throw reader.error("puts a code into both parts", hint: "a row either trains or tests")
            }
            self = .split(SplitColumn(train: train, test: test))
        default:
            // `patientKey:` with nothing after it.
            guard case .scalar(let text) = reader.node.content, text.isEmpty || text == "true" else {
                _ = try reader.fields([])
                self = .patientKey
                return
            }
            self = .patientKey
        }
    }
}

extension DocumentReader {
    /// A list of distinct, non-empty codes.
    fileprivate func codes(minimum: Int) throws(DocumentError) -> [String] {
        let codes = try strings()
        guard codes.count >= minimum, codes.count <= 10_000 else {
            throw error("has \(codes.count) codes", hint: "from \(minimum) to 10000")
        }
        guard Set(codes).count == codes.count, !codes.contains("") else {
            throw error("repeats a code or has an empty one", hint: "list each code once")
        }
        return codes
    }

    /// `minimum` and `maximum` as an ascending pair.
    fileprivate func range(_ fields: DocumentFields) throws(DocumentError) -> (Double, Double) {
        let minimum = try fields.required("minimum").decimal(-1e15...1e15)
        let maximum = try fields.required("maximum").decimal(-1e15...1e15)
        guard minimum < maximum else { throw error("has an empty range", hint: "minimum must be below maximum") }
        return (minimum, maximum)
    }
}

extension NumberColumn {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["unit", "minimum", "maximum", "outOfRange"])
        let (minimum, maximum) = try reader.range(fields)
        self.init(
            unit: try fields.required("unit").string(maximumLength: 50), minimum: minimum, maximum: maximum,
            outOfRange: try fields[optional: "outOfRange"]?.keyword(OutOfRangeRule.self) ?? .refuse)
    }
}

extension CategoryColumn {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["codes", "unknownCode", "dropFirst", "standardize"])
        self.init(
            codes: try fields.required("codes").codes(minimum: 2),
            unknownCode: try fields[optional: "unknownCode"]?.keyword(UnknownCodeRule.self) ?? .refuse,
            dropsFirst: try fields[optional: "dropFirst"]?.boolean() ?? false,
            isStandardized: try fields[optional: "standardize"]?.boolean() ?? false)
    }
}

extension DateColumn {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["format", "earliest", "latest", "outOfRange"])
        func day(_ key: String) throws(DocumentError) -> CalendarDay {
            let dayReader = try fields.required(key)
            guard let day = CalendarDay(iso: try dayReader.string()) else {
                throw dayReader.error("is not a day", hint: "write yyyy-MM-dd")
            }
            return day
        }
        let earliest = try day("earliest")
        let latest = try day("latest")
        guard earliest < latest else {
            throw reader.error("has an empty range", hint: "earliest must be before latest")
        }
        self.init(
            format: try fields[optional: "format"]?.keyword(DateFormat.self) ?? .yearMonthDay,
            earliest: earliest, latest: latest,
            outOfRange: try fields[optional: "outOfRange"]?.keyword(OutOfRangeRule.self) ?? .refuse)
    }
}

extension LabelColumn {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["positive", "negative", "classes", "unit", "minimum", "maximum"])
        let keys = Set(fields.values.keys)
        if keys == ["positive", "negative"] {
            let positive = try fields.required("positive").codes(minimum: 1)
            let negative = try fields.required("negative").codes(minimum: 1)
            guard Set(positive).isDisjoint(with: negative) else {
                throw reader.error("calls a code both positive and negative", hint: "list each code once")
            }
            self = .binary(positive: positive, negative: negative)
        } else if keys == ["classes"] {
            self = .classes(try fields.required("classes").codes(minimum: 2))
        } else if keys == ["unit", "minimum", "maximum"] {
            let (minimum, maximum) = try reader.range(fields)
            self = .number(
                unit: try fields.required("unit").string(maximumLength: 50), minimum: minimum, maximum: maximum)
        } else {
            throw reader.error(
                "is of no known kind", hint: "positive + negative, or classes, or unit + minimum + maximum")
        }
    }
}

extension GroupColumn {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["codes", "bands"])
        switch (fields[optional: "codes"], fields[optional: "bands"]) {
        case (let codes?, nil):
            self.init(levels: .codes(try codes.codes(minimum: 1)))
            guard levelCount <= 255 else { throw codes.error("lists too many groups", hint: "at most 254") }
        case (nil, let bands?):
            var edges: [Double] = []
            for element in try bands.elements() { edges.append(try element.decimal(-1e15...1e15)) }
            guard !edges.isEmpty, edges.count <= 253, zip(edges, edges.dropFirst()).allSatisfy({ $0 < $1 }) else {
                throw bands.error("is not an ascending list", hint: "list 1 to 253 edges from low to high")
            }
            self.init(levels: .bands(edges: edges))
        default: throw reader.error("must have one kind of levels", hint: "either codes or bands")
        }
    }
}
