// SPDX-License-Identifier: Apache-2.0
// Reading one data set of a site.yaml: the table's form, and which of its columns is which column of the contract.

import ClinicalData
import Federation

extension SiteConfiguration {
    static let datasetKeys: [ConfigurationKey] = [
        .file("datasets[].name", .refused, "the name by which approvals refer to the table"),
        .file("datasets[].file", .refused, "CSV or TSV table, possibly compressed with gzip"),
        .file(
            "datasets[].separator", .described("found in the first lines"),
            words(Separator.allCases.map(\.rawValue))),
        .file(
            "datasets[].encoding", .described("byte order mark, else UTF-8, else Windows-1252"),
            words(TextEncoding.allCases.map(\.rawValue))),
        .file("datasets[].header", .standard("true"), "whether the first line names the columns"),
        .file("datasets[].missing", .described("none"), "list of texts that mean missing, beside the empty field"),
        .file(
            "datasets[].columns.NAME", .described("the table's column of the same name"),
            "the table's column for the contract's column `NAME`: its name, or a mapping of the keys below"),
        .file("datasets[].columns.NAME.from", .described("see `column`"), "name of the table's column"),
        .file("datasets[].columns.NAME.column", .described("see `from`"), "number of the table's column, from 1"),
        .file(
            "datasets[].columns.NAME.unit", .described("not checked"), "unit after conversion; must be the contract's"),
        .file("datasets[].columns.NAME.scale", .standard("1"), "a number becomes number × scale + offset"),
        .file("datasets[].columns.NAME.offset", .standard("0"), "see `scale`"),
        .file("datasets[].columns.NAME.decimalComma", .standard("false"), "whether numbers are written `63,5`"),
        .file(
            "datasets[].columns.NAME.codes", .described("the contract's codes"),
            "mapping from the table's codes to the contract's; no other code is then understood"),
    ]

    private static func words(_ words: [String]) -> String {
        "one of " + words.map { "`\($0)`" }.joined(separator: ", ")
    }
}

extension SiteConfiguration.Dataset {
    init(_ fields: SchemaFields, folder: String) throws(DocumentError) {
        var columns: [String: ColumnMapping] = [:]
        for (name, reader) in try fields.optional("columns")?.entries() ?? [] {
            columns[name] = try ColumnMapping(reader, schema: fields.schema)
        }
        self.init(
            name: try fields.value("name").name().rawValue,
            mapping: TableMapping(
                path: try fields.value("file").filePath(in: folder),
                separator: try fields.optional("separator")?.keyword(Separator.self),
                encoding: try fields.optional("encoding")?.keyword(TextEncoding.self),
                hasHeader: try fields.value("header").boolean(),
                missingCodes: try fields.optional("missing")?.strings() ?? [],
                columns: columns))
    }
}

extension ColumnMapping {
    fileprivate init(_ reader: DocumentReader, schema: ConfigurationSchema) throws(DocumentError) {
        if case .scalar = reader.node.content {
            self.init(source: .name(try reader.columnName()))
            return
        }
        let fields = try SchemaFields(reader, schema: schema, pattern: "datasets[].columns.NAME")
        let source: Source
        switch (fields.optional("from"), fields.optional("column")) {
        case (let name?, nil): source = .name(try name.columnName())
        case (nil, let number?): source = .number(try number.integer(1...100_000))
        default:
            throw reader.error("must name one column of the table", hint: "either `from: NAME` or `column: NUMBER`")
        }
        let scale = try fields.value("scale")
        let factor = try scale.decimal(-1e15...1e15)
        guard factor != 0 else { throw scale.error("makes every value the same", hint: "any number but 0") }
        var codes: [String: String] = [:]
        for (own, code) in try fields.optional("codes")?.entries() ?? [] { codes[own] = try code.string() }
        self.init(
            source: source, unit: try fields.optional("unit")?.string(maximumLength: 50),
            scale: factor, offset: try fields.value("offset").decimal(-1e15...1e15),
            codes: codes, usesDecimalComma: try fields.value("decimalComma").boolean())
    }
}

extension DocumentReader {
    fileprivate func columnName() throws(DocumentError) -> String {
        let name = try string()
        guard !name.isEmpty else { throw error("is empty", hint: "name a column of the table") }
        return name
    }
}
