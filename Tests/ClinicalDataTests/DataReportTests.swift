// SPDX-License-Identifier: Apache-2.0
// Reports: warnings, full numbers for the site, and what is hidden in everything that may leave it.

import ClinicalData
import Federation
import Foundation
import Testing

@Suite struct DataReportTests {
    private func kinds(_ text: String, _ contract: DataContract) throws -> [DataFinding.Kind] {
        try load(text, contract).report.findings.map(\.kind)
    }

    @Test func oneClassConstantColumnsAndGapsAreWarnedOf() throws {
        let contract = Sample.contract(Sample.number("x", 0...10), Sample.category("c", ["a", "b"]))
        #expect(try kinds("x,c,y\n1,a,1\n2,b,1\n", contract) == [.oneClassOnly])
        #expect(try kinds("x,c,y\n1,a,1\n1,b,0\n", contract) == [.constantColumn])
        #expect(try kinds("x,c,y\n1,a,1\n2,a,0\n", contract) == [.constantColumn])
        #expect(try kinds("x,c,y\n1,a,1\n,b,0\n,b,0\n", contract) == [.mostlyMissing])
        #expect(try kinds("x,c,y\n1,a,1\n,b,0\n2,b,0\n,a,0\n", contract).isEmpty, "half is not more than half")
        #expect(try kinds("x,c,y\n1,a,\n", contract) == [.noUsableRows, .rowWithoutLabel])
    }

    @Test func rowsThatOnlyTestAreWarnedOf() throws {
        let text = Sample.header + "\np1,1,m,,0,test\np2,2,f,,1,test\n"
        #expect(try kinds(text, Sample.contract).contains(.noTrainingRows))
        let excluded = Sample.header + "\np1,1,m,,0,other\n"
        #expect(try kinds(excluded, Sample.contract).contains(.noUsableRows))
    }

    @Test func refusedTablesStillHaveAReport() throws {
        let text = Array("x,y\nword,0\n5,1\n".utf8)
        let report = try TableLoader(
            contract: Sample.contract(Sample.number("x", 0...10)), mapping: TableMapping(path: ""),
            input: .memory(text, blockBytes: 1_000)
        ).inspect()
        #expect(report.refusals.map(\.kind) == [.notANumber])
        #expect(report.rowCount == 2)
    }

    @Test func smallCountsAreHiddenAndTheNextOneWithThem() {
        #expect(ReportCount.masking(table: [0, 100, 200]) == [.exact(0), .exact(100), .exact(200)])
        #expect(ReportCount.masking(table: [5, 100, 200]) == [.small, .withheld, .exact(200)])
        #expect(ReportCount.masking(table: [5, 6, 200]) == [.small, .small, .exact(200)])
        #expect(ReportCount.masking(table: [10, 11]) == [.small, .withheld])
        #expect(ReportCount.masking(table: [0, 0, 3]) == [.exact(0), .exact(0), .small])
    }

    /// 30 rows: 3 with code c, 20 trained on, 5 without a label.
    private var report: DataReport {
        get throws {
            let contract = Sample.contract(
                Sample.number("x", 0...100), Sample.category("c", ["a", "b", "c"]),
                ColumnContract(
                    name: "g", kind: .group(GroupColumn(levels: .codes(["u", "v"]))), missingCodes: []))
            var rows = (0..<30).map {
                "\($0 + 17).25,\($0 < 3 ? "c" : $0 < 15 ? "a" : "b"),\($0 < 4 ? "u" : "v"),\($0 % 2)"
            }
            rows += (0..<5).map { "\($0),a,u," }
            return try load((["x,c,g,y"] + rows).joined(separator: "\n"), contract).report
        }
    }

    @Test func theSiteSeesEverythingAndTheRestDoesNot() throws {
        let report = try report
        let local = report.document(for: .site)
        #expect(local.columns[1].levels.map(\.count) == [.exact(12), .exact(15), .exact(3)])
        #expect(local.rowsRead == .exact(35))
        let summary = try #require(local.columns[0].summary)
        #expect([summary.minimum, summary.maximum, summary.mean] == [17.25, 46.25, 31.75])
        #expect(report.localDescription.contains("stays at this site"))

        let shared = report.document(for: .sharing)
        #expect(shared.columns[1].levels.map(\.count) == [.withheld, .exact(15), .small])
        #expect(shared.groups[0].levels.map(\.count) == [.small, .withheld, .exact(0)])
        #expect(shared.rowsWithoutLabel == .small)
        #expect(shared.rowsRead == .withheld, "it would give away the rows without a label")
        #expect(shared.rowCount == .exact(30))
        #expect(shared.label.levels.map(\.count) == [.exact(15), .exact(15)])
    }

    @Test func nothingThatMayLeaveHoldsValuesOrPlaces() throws {
        let report = try report
        let json = String(decoding: try JSONEncoder().encode(report.document(for: .sharing)), as: UTF8.self)
        for text in [json, report.shareableDescription] {
            for value in ["17.25", "46.25", "31.75"] { #expect(!text.contains(value)) }
        }
        #expect(!json.contains("\"lines\""))
        #expect(!json.contains("\"summary\""))
        #expect(report.shareableDescription.contains("<11"))
    }

    @Test func documentsSurviveJSON() throws {
        for audience in [ReportAudience.site, .sharing] {
            let document = try report.document(for: audience)
            let data = try JSONEncoder().encode(document)
            #expect(try JSONDecoder().decode(DataReportDocument.self, from: data) == document)
        }
    }

    @Test func findingsDoNotGiveHiddenCountsAway() throws {
        // 295 equal values and 5 missing: the warning's count would tell the missing ones.
        let rows = (0..<300).map { "\($0 < 5 ? "" : "7"),\($0 % 2)" }
        let report = try load("x,y\n" + rows.joined(separator: "\n"), Sample.contract(Sample.number("x", 0...10)))
            .report
        let shared = report.document(for: .sharing)
        #expect(shared.findings.map(\.kind) == [.constantColumn])
        #expect(shared.findings[0].count == .withheld)
        #expect(!report.shareableDescription.contains("295"))
    }
}
