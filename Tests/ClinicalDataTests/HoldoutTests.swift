// SPDX-License-Identifier: Apache-2.0
// Dividing rows into training and test: by column, by hash, and one patient never on both sides.

import ClinicalData
import Federation
import Testing

@Suite struct HoldoutTests {
    private func contract(testFraction: Double, seed: UInt64 = 1) -> DataContract {
        DataContract(
            columns: [ColumnContract(name: "id", kind: .patientKey, missingCodes: ["none"]), Sample.label()],
            holdout: Holdout(testFraction: testFraction, seed: seed))
    }

    /// The published vectors of the reference code: key 00…0f, messages of 0 and of 15 bytes.
    @Test func sipHashMatchesItsPublishedVectors() {
        let key0: UInt64 = 0x0706_0504_0302_0100
        let key1: UInt64 = 0x0F0E_0D0C_0B0A_0908
        #expect(HoldoutHash.sipHash([], key0: key0, key1: key1) == 0x726F_DB47_DD0E_0E31)
        #expect(HoldoutHash.sipHash(Array(0..<15), key0: key0, key1: key1) == 0xA129_CA61_49BE_45E5)
    }

    @Test func rowsOfOnePatientStayTogether() throws {
        let rows = (0..<3_000).map { "patient-\($0 % 700),\($0 % 2)" }
        let table = try load("id,y\n" + rows.joined(separator: "\n"), contract(testFraction: 0.3)).table
        #expect(table.patientCount == 700)
        var side: [UInt32: EncodedTable.Split] = [:]
        for (patient, split) in zip(table.patients, table.split) {
            #expect(side[patient] == nil || side[patient] == split)
            side[patient] = split
        }
        // 700 draws at 0.3: outside 130...290 with odds below 1e-9 (seven standard deviations of 12).
        #expect((130...290).contains(side.values.count { $0 == .test }))
    }

    @Test func theChoiceDependsOnSeedAndKeyAlone() throws {
        let rows = (0..<200).map { "p\($0),\($0 % 2)" }
        let forward = try load("id,y\n" + rows.joined(separator: "\n"), contract(testFraction: 0.5)).table
        let backward = try load("id,y\n" + rows.reversed().joined(separator: "\n"), contract(testFraction: 0.5)).table
        #expect(forward.split == backward.split.reversed())
        let other = try load("id,y\n" + rows.joined(separator: "\n"), contract(testFraction: 0.5, seed: 2)).table
        #expect(forward.split != other.split)
    }

    @Test func withoutAPatientKeyEachRowIsAPatient() throws {
        let text = "x,y\n" + (0..<1_000).map { "1,\($0 % 2)" }.joined(separator: "\n")
        let table = try load(text, Sample.contract(Sample.number("x", 0...2), testFraction: 0.5, seed: 3)).table
        #expect(table.patientCount == 1_000)
        #expect(table.patients == Array(0..<1_000))
        // 1,000 draws at 0.5: outside 390...610 with odds below 1e-11.
        #expect((390...610).contains(table.rows(in: .test).count))
        #expect(table.rows(in: .train).count + table.rows(in: .test).count == 1_000)
    }

    @Test func fractionZeroHoldsNobodyOut() throws {
        let table = try load("id,y\na,0\nb,1\n", contract(testFraction: 0)).table
        #expect(table.rows(in: .test).isEmpty)
    }

    @Test func rowsWithoutAPatientKeyAreRefused() throws {
        let error = try #require(
            dataError { () throws(DataError) in try load("id,y\na,0\n,1\nnone,1\n", contract(testFraction: 0)) })
        #expect(error.findings.map(\.kind) == [.missingPatientKey])
        #expect(error.findings[0].lines == [3, 4])
    }

    @Test func aSplitColumnMayNotDivideAPatient() throws {
        let text = Sample.text + "p1,60,m,,1,test\np2,60,m,,1,other\np4,60,m,,1,train\n"
        let error = try #require(dataError { () throws(DataError) in try load(text) })
        #expect(error.findings.map(\.kind) == [.patientInBothSplits])
        #expect(error.findings[0].count == 2)
    }

    @Test func splitCodesDecideAndOthersAreKeptOut() throws {
        let table = try load(Sample.text).table
        #expect(table.split == [.train, .train, .train, .test, .test, .train, .excluded])
        #expect(table.rows(in: .train) == [0, 1, 2, 5])
        #expect(table.rows(in: .excluded) == [6])
    }
}
