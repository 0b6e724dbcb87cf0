// SPDX-License-Identifier: Apache-2.0
// Public medical tables as their publishers wrote them, counted; runs only where they lie beside the package.

import ClinicalData
import Federation
import Foundation
import Testing

/// The folder of public tables: `CONSILIUM_DATA`, else `../shared/data` beside the package.
enum RealData {
    static let folder: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["CONSILIUM_DATA"]
            ?? root.deletingLastPathComponent().appending(path: "shared/data").path()
        return FileManager.default.fileExists(atPath: path + "/heart-disease") ? path : nil
    }()

    static func path(_ name: String) -> String { (folder ?? "") + "/" + name }
}

@Suite(.enabled(if: RealData.folder != nil, "no folder of public tables: set CONSILIUM_DATA"))
struct RealTableTests {
    private func contract(_ columns: [ColumnContract]) -> DataContract {
        DataContract(columns: columns, holdout: Holdout(testFraction: 0, seed: 0))
    }

    private func group(_ name: String, _ codes: [String]) -> ColumnContract {
        ColumnContract(name: name, kind: .group(GroupColumn(levels: .codes(codes))), missingCodes: ["?"])
    }

    private func label(_ name: String, positive: [String], negative: [String]) -> ColumnContract {
        ColumnContract(
            name: name, kind: .label(.binary(positive: positive, negative: negative)), missingCodes: [])
    }

    private func read(
        _ file: String, _ columns: [ColumnContract], hasHeader: Bool = true, mapping: [String: ColumnMapping] = [:]
    ) throws -> (table: EncodedTable, report: DataReport) {
        try TableLoader(
            contract: contract(columns),
            mapping: TableMapping(path: RealData.path(file), hasHeader: hasHeader, columns: mapping)
        ).load()
    }

    private func counts(_ report: ColumnReport) -> [Int] { report.levels.map(\.count) }

    static let hospitals: [(file: String, rows: Int, classes: [Int], men: Int, missingCells: Int)] = [
        ("cleveland", 303, [164, 55, 36, 35, 13], 206, 6), ("hungarian", 294, [188, 106, 0, 0, 0], 213, 782),
        ("switzerland", 123, [8, 48, 32, 30, 5], 113, 273), ("va", 200, [51, 56, 41, 42, 10], 194, 698),
    ]

    @Test(arguments: hospitals)
    func heartDiseaseHasItsPublishedCounts(
        _ hospital: (file: String, rows: Int, classes: [Int], men: Int, missingCells: Int)
    ) throws {
        let names = [
            "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca",
            "thal",
        ]
        let codes: [String: [String]] = [
            "sex": ["0", "1"], "cp": ["1", "2", "3", "4"], "fbs": ["0", "1"], "restecg": ["0", "1", "2"],
            "exang": ["0", "1"], "slope": ["1", "2", "3"], "thal": ["3", "6", "7"],
        ]
        var columns = names.map { name in
            codes[name].map { Sample.category(name, $0, .refuse) }
                ?? Sample.number(name, -10...1_000, missing: ["?"])
        }
        columns.append(
            ColumnContract(name: "num", kind: .label(.classes(["0", "1", "2", "3", "4"])), missingCodes: []))
        let mapping = Dictionary(
            uniqueKeysWithValues: (names + ["num"]).enumerated().map { ($1, ColumnMapping(source: .number($0 + 1))) })
        let (table, report) = try read(
            "heart-disease/processed.\(hospital.file).data", columns, hasHeader: false, mapping: mapping)
        #expect(table.rowCount == hospital.rows)
        #expect(counts(report.label) == hospital.classes)
        #expect(counts(report.columns[1])[1] == hospital.men)
        #expect(report.columns.map(\.missing).reduce(0, +) == hospital.missingCells)
        #expect(report.columns.map(\.unknownCodes) == Array(repeating: 0, count: 13))
    }

    @Test func diabetesHasItsPublishedCounts() throws {
        let (table, report) = try read(
            "diabetes130/diabetic_data.csv.gz",
            [
                ColumnContract(name: "patient_nbr", kind: .patientKey, missingCodes: []),
                group("race", ["Caucasian", "AfricanAmerican", "Hispanic", "Other", "Asian"]),
                Sample.category("gender", ["Female", "Male", "Unknown/Invalid"], .refuse),
                Sample.category("payer_code", ["MC"]), Sample.number("time_in_hospital", 1...14),
                ColumnContract(
                    name: "readmitted", kind: .label(.classes(["NO", ">30", "<30"])), missingCodes: []),
            ])
        #expect(report.rowsRead == 101_766)
        #expect(table.patientCount == 71_518)
        #expect(counts(report.label) == [54_864, 35_545, 11_357])
        #expect(counts(report.groups[0]) == [76_099, 19_210, 2_037, 1_506, 641, 2_273])
        #expect(counts(report.columns[0]) == [54_708, 47_055, 3])
        #expect(report.columns[1].missing - report.columns[1].unknownCodes == 40_256)
    }

    @Test func intensiveCareStaysHaveTheirPublishedCounts() throws {
        let (table, report) = try read(
            "eicu-demo/patient.csv.gz",
            [
                ColumnContract(name: "uniquepid", kind: .patientKey, missingCodes: []),
                Sample.category("gender", ["Male", "Female"]),
                ColumnContract(
                    name: "age", kind: .group(GroupColumn(levels: .bands(edges: [40, 65]))), missingCodes: []),
                group(
                    "ethnicity",
                    ["Caucasian", "African American", "Hispanic", "Other/Unknown", "Asian", "Native American"]),
                label("hospitaldischargestatus", positive: ["Expired"], negative: ["Alive"]),
            ])
        #expect(report.rowsRead == 2_520)
        #expect(report.rowsWithoutLabel == 28)
        #expect(counts(report.label) == [2_280, 212])
        #expect(table.patientCount <= 1_841)
        let description = try TableDescription.describe(.file(path: RealData.path("eicu-demo/patient.csv.gz")))
        #expect(description.rows == 2_520)
        #expect(description.columns.first { $0.name == "gender" }?.missing == 4)
        #expect(description.columns.first { $0.name == "ethnicity" }?.missing == 39)
    }

    @Test func survivalTablesHaveTheirPublishedCounts() throws {
        let support = try read(
            "support2/support2.csv.gz",
            [
                group("fac_race", ["white", "black", "hispanic", "other", "asian"]),
                label("event", positive: ["1"], negative: ["0"]),
            ])
        #expect(counts(support.report.label) == [2_904, 6_201])
        #expect(counts(support.report.groups[0]) == [7_191, 1_391, 290, 112, 79, 42])
        let catheter = try read(
            "rhc/rhc.csv.gz",
            [
                Sample.category("fac_swang1", ["RHC", "No RHC"], .refuse),
                group("fac_race", ["white", "black", "other"]),
                Sample.category("fac_sex", ["Male", "Female"], .refuse),
                label("event", positive: ["1"], negative: ["0"]),
            ])
        #expect(counts(catheter.report.label) == [2_013, 3_722])
        #expect(counts(catheter.report.columns[0]) == [2_184, 3_551])
        #expect(counts(catheter.report.columns[1])[0] == 3_192)
        #expect(counts(catheter.report.groups[0]) == [4_460, 920, 355, 0])
    }

    @Test func challengeOutcomesHaveTheirPublishedCounts() throws {
        let outcomes = try read(
            "physionet2012/Outcomes-a.txt", [label("In-hospital_death", positive: ["1"], negative: ["0"])])
        #expect(counts(outcomes.report.label) == [3_446, 554])
    }

    @Test func quotedNamesWithCommasAreOneColumnEach() throws {
        let description = try TableDescription.describe(.file(path: RealData.path("tcga-brca/brca.csv")))
        #expect(description.rows == 1_096)
        #expect(description.columns.count == 42)
        #expect(description.raggedRows == 0)
        #expect(description.columns.count { $0.name?.contains(",") == true } == 2)
    }

    @Test func tabSeparatedCompressedTablesAreDescribed() throws {
        let file = RealData.path("molecules/B3DB_classification.tsv.gz")
        let description = try TableDescription.describe(.file(path: file))
        #expect(description.separator == "tab")
        #expect(description.isCompressed)
        #expect(description.rows == 7_807)
        #expect(description.columns.first { $0.name == "BBB+/BBB-" }?.distinct == 2)
    }

    @Test func everyCSVOfTheFolderIsDescribedOrRefusedWithAHint() throws {
        let folder = try #require(RealData.folder)
        let files = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".csv") || $0.hasSuffix(".csv.gz") }
        #expect(files.count > 20)
        for file in files {
            let error = dataError { () throws(DataError) in
                try TableDescription.describe(.file(path: folder + "/" + file))
            }
            #expect(error == nil, "\(file): \(error?.message ?? "")")
        }
    }
}
