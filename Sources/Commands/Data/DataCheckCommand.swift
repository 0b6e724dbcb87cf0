// SPDX-License-Identifier: Apache-2.0
// `consilium data check`: a site's table against a study's data contract.

import ArgumentParser
import ClinicalData
import Federation
import StudyFiles

struct DataCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a site's table against a study's data contract.",
        usage: "consilium data check --study <file> --site <file> [options]",
        discussion: """
            Exit status 1 when the table would be refused. The report has full numbers
            and stays at the site; --shareable hides counts from 1 to 10 and every single
            value.

            Examples:
              consilium data check --study studies/heart-disease.yaml \\
                --site sites/cleveland/site.yaml
              consilium data check --study studies/heart-disease.yaml \\
                --site sites/cleveland/site.yaml --shareable --json report.json
            """)

    @Option(help: ArgumentHelp("The study file.", valueName: "file"))
    var study: String

    @Option(help: ArgumentHelp("The site's configuration file.", valueName: "file"))
    var site: String

    @Option(help: ArgumentHelp("A data set of the site; default: the approved one.", valueName: "name"))
    var dataset: String?

    @Flag(help: "Make a report that may leave the site.")
    var shareable = false

    @OptionGroup var json: JSONOption

    func run() async throws {
        let console = json.console
        let report: DataReport
        do {
            let study = try StudyFile.load(study)
            let dataset = try SiteConfiguration.load(site)
                .dataset(named: dataset, study: study.name, hash: study.hash)
            report = try TableLoader(contract: study.data, mapping: dataset.mapping).inspect()
        } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let document = report.document(for: shareable ? .sharing : .site)
        for line in document.text.split(separator: "\n") { console.line(String(line)) }
        let isRefused = !report.refusals.isEmpty
        console.line(
            isRefused ? "refused: the table breaks the data contract" : "accepted: the table fits the contract")
        try json.write(document)
        if isRefused { throw CommandError.saidAlready }
    }
}

struct DataDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Describe an unknown table, to help write its mapping.",
        discussion: """
            No value of the table is shown. CSV or TSV, possibly compressed with gzip.

            Examples:
              consilium data describe sites/cleveland/patients.csv
            """)

    @Argument(help: "The table.")
    var table: String

    @OptionGroup var json: JSONOption

    func run() async throws {
        let console = json.console
        let description: TableDescription
        do { description = try TableDescription.describe(.file(path: table)) } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        console.line(
            "\(Figures.plural(description.rows, "row")), \(description.encoding), separator "
                + "\(description.separator)\(description.hasHeader ? "" : ", no header")"
                + (description.isCompressed ? ", gzip" : ""))
        if description.raggedRows > 0 {
            console.line("warning: \(Figures.plural(description.raggedRows, "row")) of another width")
        }
        var table = TextTable([
            ("", .right), ("column", .left), ("kind", .left), ("missing", .right), ("values", .right),
        ])
        for (index, column) in description.columns.enumerated() {
            table.add([
                String(index + 1), column.name ?? "–", column.kind.rawValue, Figures.count(column.missing),
                column.distinct.map(String.init) ?? "over \(TableDescription.distinctLimit)",
            ])
        }
        for line in table.lines { console.line(line) }
        try json.write(description)
    }
}
