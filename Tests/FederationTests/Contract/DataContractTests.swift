// SPDX-License-Identifier: Apache-2.0
// Data contracts: the order of features, and contracts that are refused.

import Federation
import Testing

@Suite struct DataContractTests {
    private func contract(_ path: String, _ value: CanonicalValue?) throws -> DataContract {
        try Study(document: SampleStudy.document(path, value)).data
    }

    private func error(_ path: String, _ value: CanonicalValue?) -> DocumentError? {
        do {
            _ = try Study(document: SampleStudy.document(path, value))
            return nil
        } catch {
            return error
        }
    }

    @Test func featuresFollowTheColumns() throws {
        let contract = try Study(document: SampleStudy.value.documentNode).data
        #expect(
            contract.features == [
                .quantity(column: 0), .indicator(column: 1, code: 0), .indicator(column: 1, code: 1),
                .indicator(column: 1, code: 2),
            ])
        #expect(contract.features.map { contract.name(of: $0) } == ["age", "cp=1", "cp=2", "cp=3"])
        #expect(contract.featureColumns == [0, 1])
        #expect(contract.label?.index == 2)
        #expect(contract.label?.kind == .binary(positive: ["1"], negative: ["0"]))
    }

    @Test func theFirstIndicatorMayBeLeftOut() throws {
        let contract = try contract("data.columns[1].category.dropFirst", .boolean(true))
        #expect(contract.features.map { contract.name(of: $0) } == ["age", "cp=2", "cp=3"])
    }

    @Test func datesAreQuantitiesInDays() throws {
        let day = CanonicalValue.object(["earliest": .string("2020-02-28"), "latest": .string("2020-03-01")])
        let contract = try contract("data.columns[0]", SampleStudy.column("seen", "date", day))
        #expect(contract.features.first == .quantity(column: 0))
        #expect(contract.columns[0].kind.quantityRange?.minimum == 0)
        #expect(contract.columns[0].kind.quantityRange?.maximum == 2)
        #expect(contract.columns[1].kind.quantityRange == nil)
    }

    @Test func groupsHaveALevelForTheUnknown() {
        #expect(GroupColumn(levels: .codes(["0", "1"])).levelCount == 3)
        #expect(GroupColumn(levels: .bands(edges: [45, 55, 65])).levelCount == 5)
    }

    @Test func aPatientKeyNeedsNoBody() throws {
        for body: CanonicalValue in [.string(""), .string("true"), .object([:])] {
            let contract = try contract("data.columns[4]", SampleStudy.column("id", "patientKey", body))
            #expect(contract.columns[4].kind == .patientKey)
        }
        #expect(
            error("data.columns[4]", SampleStudy.column("id", "patientKey", .string("x")))?.problem
                == "must be a mapping")
    }

    @Test func exactlyOneLabelAndAtMostOneKeyAndSplitAreAllowed() throws {
        let label = try #require(error("data.columns[2]", nil))
        #expect(label.path == "data.columns")
        #expect(label.problem == "must hold exactly one label")
        #expect(label.hint == "mark the target column with `label:`")
        let body = CanonicalValue.object(["positive": .strings(["1"]), "negative": .strings(["0"])])
        #expect(
            error("data.columns[4]", SampleStudy.column("two", "label", body))?.problem == "must hold exactly one label"
        )

        func twice(_ kind: String, _ body: CanonicalValue) -> DocumentError? {
            let columns = ["a", "b"].map { SampleStudy.column($0, kind, body) }
            guard case .object(let study) = SampleStudy.value, case .object(let data)? = study["data"],
                case .array(let existing)? = data["columns"]
            else { return nil }
            return error("data.columns", .array(existing + columns))
        }
        #expect(twice("patientKey", .object([:]))?.problem == "holds two patient keys")
        let split = CanonicalValue.object(["train": .strings(["1"]), "test": .strings(["2"])])
        #expect(twice("split", split)?.problem == "holds two splits")
    }

    @Test func namesAreUniqueAndNotEmpty() {
        #expect(error("data.columns[1].name", .string("age"))?.path == "data.columns[1]")
        #expect(error("data.columns[1].name", .string("age"))?.problem == "repeats the name of another column")
        #expect(error("data.columns[1].name", .string(""))?.problem == "is empty")
        #expect(error("data.columns[1].name", .string(String(repeating: "x", count: 101)))?.problem == "is too long")
    }

    @Test func aColumnHasOneKind() {
        let hint = "one of: number, category, date, label, patientKey, group, split"
        #expect(error("data.columns[0].number", nil)?.hint == hint)
        #expect(
            error("data.columns[0].group", .object(["codes": .strings(["1"])]))?.problem
                == "must be of exactly one kind")
    }

    @Test func aContractNeedsAFeature() {
        let label = SampleStudy.column(
            "num", "label", .object(["positive": .strings(["1"]), "negative": .strings(["0"])]))
        #expect(error("data.columns", .array([label]))?.problem == "holds no feature")
        #expect(error("data.columns", .array([]))?.problem == "must hold exactly one label")
    }

    @Test(arguments: [
        ("data.columns[0].number.maximum", CanonicalValue.decimal(0), "data.columns[0].number", "has an empty range"),
        ("data.columns[0].number.minimum", .string("-1e16"), "data.columns[0].number.minimum", "is out of range"),
        (
            "data.columns[0].number.outOfRange", .string("drop"), "data.columns[0].number.outOfRange",
            "is not a known word"
        ),
        (
            "data.columns[0].number.unit", .string(String(repeating: "x", count: 51)), "data.columns[0].number.unit",
            "is too long"
        ),
        ("data.columns[1].category.codes", .strings(["1"]), "data.columns[1].category.codes", "has 1 codes"),
        (
            "data.columns[1].category.codes", .strings(["1", "1"]), "data.columns[1].category.codes",
            "repeats a code or has an empty one"
        ),
        (
            "data.columns[1].category.codes", .strings(["1", ""]), "data.columns[1].category.codes",
            "repeats a code or has an empty one"
        ),
        (
            "data.columns[2].label.negative", .strings(["1"]), "data.columns[2].label",
            "calls a code both positive and negative"
        ),
        ("data.columns[2].label.unit", .string("m"), "data.columns[2].label", "is of no known kind"),
        ("data.columns[3].group.bands", .array([.count(1)]), "data.columns[3].group", "must have one kind of levels"),
        (
            "data.columns[3].group", .object(["bands": .strings(["2", "1"])]), "data.columns[3].group.bands",
            "is not an ascending list"
        ),
        (
            "data.columns[3].group", .object(["bands": .strings(["1", "1"])]), "data.columns[3].group.bands",
            "is not an ascending list"
        ),
        (
            "data.columns[3].group", .object(["bands": .array([])]), "data.columns[3].group.bands",
            "is not an ascending list"
        ),
    ])
    func impossibleColumnsAreRefused(_ at: String, value: CanonicalValue, path: String, problem: String) throws {
        let found = try #require(error(at, value))
        #expect(found.path == path)
        #expect(found.problem == problem)
    }

    @Test func datesAndSplitsAreChecked() {
        func date(_ earliest: String, _ latest: String) -> DocumentError? {
            let body = CanonicalValue.object(["earliest": .string(earliest), "latest": .string(latest)])
            return error("data.columns[0]", SampleStudy.column("seen", "date", body))
        }
        #expect(date("2020-01-01", "2020-12-31") == nil)
        #expect(date("2020-01-01", "2020-01-01")?.problem == "has an empty range")
        #expect(date("2020-02-30", "2021-01-01")?.path == "data.columns[0].date.earliest")
        #expect(date("2020-02-30", "2021-01-01")?.hint == "write yyyy-MM-dd")
        let split = CanonicalValue.object(["train": .strings(["1"]), "test": .strings(["2", "1"])])
        #expect(
            error("data.columns[4]", SampleStudy.column("part", "split", split))?.problem
                == "puts a code into both parts")
    }
}
