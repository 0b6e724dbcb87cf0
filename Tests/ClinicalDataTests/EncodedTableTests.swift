// SPDX-License-Identifier: Apache-2.0
// Encoding under a contract: kinds of columns, rules for ranges and codes, the mapping, and the content's hash.

import ClinicalData
import Federation
import Testing

@Suite struct EncodedTableTests {
    private func column(_ values: [Float]) -> [Float?] { values.map { $0.isNaN ? nil : $0 } }

    @Test func everyKindOfColumnIsEncoded() throws {
        let (table, report) = try load(Sample.text)
        #expect(table.rowCount == 7)
        #expect(column(table.features[0]) == [63, 41, nil, 55, 120, 70.5, 33])
        #expect(column(table.features[1]) == [1, 0, 1, nil, 0, 0, 1])
        #expect(column(table.features[2]) == [1, 31, nil, 11_016, 10_956, 12_599, 14_892])
        #expect(table.labels == [0, 1, 1, 0, 1, 0, 1])
        #expect(table.patients == [0, 1, 2, 3, 4, 5, 6])
        #expect(report.rowsRead == 8)
        #expect(report.rowsWithoutLabel == 1)
        #expect(report.columns.map(\.missing) == [1, 1, 1])
    }

    @Test func rangeRulesRefuseClipOrDrop() throws {
        let text = "x,y\n-1,0\n5,1\n11,0\n"
        let refused = dataError { () throws(DataError) in try load(text, Sample.contract(Sample.number("x", 0...10))) }
        #expect(refused?.findings.map(\.kind) == [.outOfRange])
        #expect(refused?.findings.first?.lines == [2, 4])
        let clipped = try load(text, Sample.contract(Sample.number("x", 0...10, .clip)))
        #expect(clipped.table.features == [[0, 5, 10]])
        #expect(clipped.report.findings.map(\.kind) == [.valueClipped])
        let dropped = try load(text, Sample.contract(Sample.number("x", 0...10, .missing)))
        #expect(column(dropped.table.features[0]) == [nil, 5, nil])
        #expect(dropped.report.columns[0].outOfRange == 2)
    }

    @Test func missingCodesMatchAsTextOrAsNumber() throws {
        let text = "x,y\n-9,0\n-9.0,1\nNA,0\n,1\n3,0\n"
        let contract = Sample.contract(Sample.number("x", 0...10, missing: ["-9"]))
        let table = try load(text, contract, TableMapping(path: "", missingCodes: ["NA"])).table
        #expect(column(table.features[0]) == [nil, nil, nil, nil, 3])
    }

    @Test func codesMatchAsTextOrAsEqualNumbers() throws {
        let text = "x,y\n1,0\n1.0,1\n 01 ,0\n2e0,1\nlong code name,0\nlong code name,1\n"
        let contract = Sample.contract(Sample.category("x", ["1", "2", "long code name"], .refuse))
        #expect(try load(text, contract).table.features == [[0, 0, 0, 1, 2, 2]])
    }

    @Test func unknownCodesAreRefusedOrMissingAndNeverShown() throws {
        let text = "x,y\na,0\nsecret-1,1\nsecret-2,0\nb,1\n"
        let error = try #require(
            dataError { () throws(DataError) in
                try load(text, Sample.contract(Sample.category("x", ["a", "b"], .refuse)))
            })
        #expect(error.findings.map(\.kind) == [.unknownCode])
        #expect(error.findings[0].lines == [3, 4])
        #expect(!error.description.contains("secret"))
        let dropped = try load(text, Sample.contract(Sample.category("x", ["a", "b"])))
        #expect(column(dropped.table.features[0]) == [0, nil, nil, 1])
        #expect(dropped.report.columns[0].unknownCodes == 2)
        #expect(dropped.report.findings.map(\.kind) == [.codeDropped])
    }

    @Test func wrongKindsAreRefusedWithoutTheirValues() throws {
        let text = "patient,age,sex,admitted,outcome,part\np1,private,f,private,0,train\n"
        let error = try #require(dataError { () throws(DataError) in try load(text) })
        #expect(error.findings.map(\.kind) == [.notANumber, .notADay])
        #expect(error.findings.map(\.column) == ["age", "admitted"])
        #expect(!error.description.contains("private"))
    }

    @Test func unknownLabelsAreRefused() {
        let error = dataError { () throws(DataError) in try load("y\n0\n7\n", Sample.contract()) }
        #expect(error?.findings.map(\.kind) == [.unknownLabel])
    }

    @Test func labelsMayBeClassesOrQuantities() throws {
        func contract(_ kind: LabelColumn) -> DataContract {
            DataContract(
                columns: [ColumnContract(name: "y", kind: .label(kind), missingCodes: ["?"])],
                holdout: Holdout(testFraction: 0, seed: 0))
        }
        #expect(
            try load("y\nlow\nhigh\n?\nmid\n", contract(.classes(["low", "mid", "high"]))).table.labels == [0, 2, 1])
        let quantity = contract(.number(unit: "d", minimum: 0, maximum: 30))
        #expect(try load("y\n2.5\n?\n30\n", quantity).table.labels == [2.5, 30])
        #expect(
            dataError { () throws(DataError) in try load("y\n31\n", quantity) }?.findings.map(\.kind) == [
                .labelOutOfRange
            ])
        #expect(
            dataError { () throws(DataError) in try load("y\nx\n", quantity) }?.findings.map(\.kind) == [.notANumber])
    }

    @Test func groupsHaveAnUnknownLevelAndBandsIncludeTheirLowerEdge() throws {
        func group(_ name: String, _ levels: GroupColumn.Levels) -> ColumnContract {
            ColumnContract(name: name, kind: .group(GroupColumn(levels: levels)), missingCodes: [])
        }
        let contract = Sample.contract(group("sex", .codes(["f", "m"])), group("age", .bands(edges: [40, 65])))
        let table = try load("sex,age,y\nf,39.9,0\nm,40,1\nx,65,0\n,> 89,1\nm,,0\n", contract).table
        #expect(table.groups == [[0, 1, 2, 2, 1], [0, 1, 2, 3, 3]])
        #expect(table.groupColumns == [0, 1])
    }

    @Test func mappingsRenameConvertAndTranslate() throws {
        let contract = Sample.contract(Sample.number("age", 0...120), Sample.category("sex", ["f", "m"], .refuse))
        let mapping = TableMapping(
            path: "",
            columns: [
                "age": ColumnMapping(
                    source: .name("months"), unit: "a", scale: 1 / 12, offset: 1, usesDecimalComma: true),
                "sex": ColumnMapping(source: .number(2), codes: ["1": "m", "2": "f"]),
                "y": ColumnMapping(source: .name("dead")),
            ])
        let table = try load("months;gender;dead\n12,0;1;0\n18,0;2.0;1\n", contract, mapping).table
        #expect(table.features == [[2, 2.5], [1, 0]])
        let untranslated = dataError { () throws(DataError) in
            try load("months;gender;dead\n1;m;0\n", contract, mapping)
        }
        #expect(untranslated?.findings.map(\.kind) == [.unknownCode], "own codes replace the contract's")
    }

    @Test func contradictingMappingsAreRefused() {
        let contract = Sample.contract(Sample.number("age", 0...120), Sample.category("sex", ["f", "m"]))
        func code(_ columns: [String: ColumnMapping], hasHeader: Bool = true) -> DataError.Code? {
            let mapping = TableMapping(path: "", hasHeader: hasHeader, columns: columns)
            return dataError { () throws(DataError) in try load("age,sex,y\n1,f,0\n", contract, mapping) }?.code
        }
        #expect(code([:]) == nil)
        #expect(code(["height": ColumnMapping(source: .number(1))]) == .wrongMapping)
        #expect(code(["age": ColumnMapping(source: .number(1), unit: "month")]) == .wrongMapping)
        #expect(code(["sex": ColumnMapping(source: .number(2), unit: "a")]) == .wrongMapping)
        #expect(code(["sex": ColumnMapping(source: .number(2), scale: 2)]) == .wrongMapping)
        #expect(code(["age": ColumnMapping(source: .number(1), scale: 0)]) == .wrongMapping)
        #expect(code(["sex": ColumnMapping(source: .number(2), codes: ["1": "x"])]) == .wrongMapping)
        #expect(code(["age": ColumnMapping(source: .number(1), codes: ["1": "2"])]) == .wrongMapping)
        #expect(code(["age": ColumnMapping(source: .number(4))]) == .missingColumn)
        #expect(code(["age": ColumnMapping(source: .number(0))]) == .missingColumn)
        #expect(code(["age": ColumnMapping(source: .name("Age"))]) == .missingColumn)
        #expect(code([:], hasHeader: false) == .missingColumn)
    }

    @Test func aContractWithoutALabelIsRefused() {
        let contract = DataContract(columns: [Sample.number("x", 0...1)], holdout: Holdout(testFraction: 0, seed: 0))
        #expect(dataError { () throws(DataError) in try load("x\n1\n", contract) }?.code == .wrongContract)
    }
}
