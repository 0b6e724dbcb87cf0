// SPDX-License-Identifier: Apache-2.0
// Data of training files: conversions, shares, what is learned from training rows alone, and errors without values.

import ClinicalData
import Foundation
import ModelTraining
import NeuralNetworks
import Testing

@Suite struct DataSetTests {
    private func load(_ training: String, _ files: [String: String]) throws -> DataSets {
        try SampleData.withFolder { folder in
            for (name, text) in files { try SampleData.write(text, name, in: folder) }
            return try DataSetReader(SampleData.parse(training), folder: folder.path).load()
        }
    }

    private func floats(_ examples: Examples) throws -> [Float] {
        guard case .floats(let values) = examples.inputs[0] else { throw CancellationError() }
        return values
    }

    @Test func tablesAreStandardizedByTheTrainingRowsAlone() throws {
        let sets = try load(SampleData.tableTraining(), ["table.csv": SampleData.table()])
        #expect(sets.training.count == 72 && sets.validation?.count == 24 && sets.test?.count == 24)
        let values = try floats(sets.training)
        #expect(values.count == 72 * 4)
        for column in 0..<2 {
            let numbers = stride(from: column, to: values.count, by: 4).map { Double(values[$0]) }
            let mean = numbers.reduce(0, +) / 72
            #expect(abs(mean) < 1e-6)
            #expect(abs(numbers.reduce(0) { $0 + $1 * $1 } / 72 - 1) < 1e-5)
        }
        // Categories are 0 and 1, one of them for each row.
        #expect((0..<72).allSatisfy { values[4 * $0 + 2] + values[4 * $0 + 3] == 1 })
        let other = try floats(try #require(sets.validation))
        let mean = stride(from: 0, to: other.count, by: 4).reduce(0) { $0 + Double(other[$1]) } / 24
        #expect(abs(mean) > 1e-6)
    }

    @Test func missingValuesBecomeTheMeanOrAreRefused() throws {
        let rows = "patient,age,marker,sex,died\na,50,1,f,no\nb,,2,m,yes\nc,70,?,f,no\nd,60,3,,yes\n"
        let training = SampleData.tableTraining().replacing(/\s+(validation|test): .*/, with: "")
        let error = #expect(throws: DataError.self) { try load(training, ["table.csv": rows]) }
        #expect(error?.message == "row 2: column `age` is empty")
        let sets = try load(
            training.replacing("label: died", with: "label: died\n    missing: mean\n    standardize: false"),
            ["table.csv": rows])
        #expect(try floats(sets.training) == [50, 1, 1, 0, 60, 2, 0, 1, 70, 2, 1, 0, 60, 3, 2 / 3, 1 / 3])
        #expect(sets.training.targets == [[0, 1, 0, 1]])
    }

    @Test(arguments: [
        ("50x", "f", "no", "row 1: column `age` is not a number"),
        ("50", "xsecret", "no", "row 1: column `sex` has a code that is not listed"),
        ("50", "f", "secret", "row 1: the label is none of the 2 classes"),
    ]) func errorsNameTheRowAndNoValue(_ age: String, _ sex: String, _ died: String, _ message: String) throws {
        let rows = "patient,age,marker,sex,died\na,\(age),1,\(sex),\(died)\n"
        let error = #expect(throws: DataError.self) { try load(SampleData.tableTraining(), ["table.csv": rows]) }
        #expect(error?.message == message)
        #expect(error.map { "\($0)".contains("secret") } == false)
    }

    @Test func survivalHasTwoColumns() throws {
        let training = SampleData.tableTraining()
            .replacing("loss: sigmoidCrossEntropy", with: "loss: coxPartialLikelihood")
            .replacing("label: died", with: "label: {time: time, event: died}")
            .replacing(/\s+classes: .*/, with: "").replacing(/\s+(validation|test): .*/, with: "")
        let rows = "patient,age,marker,sex,died,time\na,50,1,f,1,3.5\nb,51,2,m,0,8\n"
        #expect(try load(training, ["table.csv": rows]).training.targets == [[3.5, 1, 8, 0]])
    }

    @Test func textsListWordsOfSeveralTextsOnly() throws {
        let training = """
            model:
              inputs: {note: {tokens: 4}}
              layers: [embedding: {vocabulary: 12, width: 4, padding: 0}, maxOverTime, dense: {units: 2}]
            loss: softmaxCrossEntropy
            training: {optimizer: sgd, learningRate: 0.1, batchSize: 2, epochs: 1, seed: 1}
            data:
              texts: {file: notes.csv, text: note, label: ill, classes: [no, yes], vocabulary: 10}
            """
        let notes = "note,ill\nthe heart of Miller,no\nthe heart fails,yes\nof the,no\n"
        let sets = try load(training, ["notes.csv": notes])
        guard case .tokens(let tokens) = sets.training.inputs[0] else { throw CancellationError() }
        // the 2, heart 3 and of 4; names and words of one text are unknown.
        #expect(tokens == [2, 3, 4, 1, 2, 3, 1, 0, 4, 2, 0, 0])
        #expect(sets.training.lengths == [[4, 3, 2]])
        #expect(sets.training.targets == [[0, 1, 0]])
        guard case .vocabulary(let vocabulary) = sets.preprocessing else { throw CancellationError() }
        #expect(vocabulary.words == ["the", "heart", "of"])
        let all = try load(
            training.replacing("vocabulary: 10", with: "vocabulary: 10, leastTexts: 1"), ["notes.csv": notes])
        guard case .vocabulary(let longer) = all.preprocessing else { throw CancellationError() }
        #expect(longer.words.count == 5)
    }

    @Test func seriesHaveTheirClassInFrontOrBehind() throws {
        let training = """
            model: {inputs: {beat: {shape: [1, 4]}}, layers: [flatten, dense: {units: 2}]}
            loss: softmaxCrossEntropy
            training: {optimizer: sgd, learningRate: 0.1, batchSize: 2, epochs: 1, seed: 1}
            data: {series: {file: beats.txt, label: first, classes: ["1", "2"]}}
            """
        let sets = try load(training, ["beats.txt": "1.0000e+00  1 2 3 4\n2 5 6 7 8\n"])
        #expect(try floats(sets.training) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(sets.training.targets == [[0, 1]])
        let behind = try load(
            training.replacing("label: first", with: "label: last, separator: comma, standardize: true"),
            ["beats.txt": "1,1,3,3,2\n5,5,5,5,1\n"])
        #expect(try floats(behind.training) == [-1, -1, 1, 1, 0, 0, 0, 0])
        #expect(behind.training.targets == [[1, 0]])
        #expect(throws: LocalModelError.self) { try load(training, ["beats.txt": "1 2 3\n"]) }
    }

    private static let arrayTraining = """
        model: {inputs: {image: {shape: [2, 1, 2]}}, layers: [flatten, dense: {units: 1}]}
        loss: sigmoidCrossEntropy
        training: {optimizer: sgd, learningRate: 0.1, batchSize: 2, epochs: 1, seed: 1}
        data:
          arrays:
            file: a.npz
            inputs: {image: {array: x, divide: 2, mean: [1, 0], deviation: [1, 2], channelsLast: true}}
            target: y
          test: {inputs: {image: z}, target: y}
        """

    @Test func arraysAreReorderedAndScaled() throws {
        try SampleData.withFolder { folder in
            let file = SampleData.archive([
                ("x", "<f4", "(2, 1, 2, 2)", SampleData.bytes([2, 4, 6, 8, 10, 12, 14, 16])),
                ("z", "|u1", "(2, 4)", [2, 4, 6, 8, 0, 0, 0, 0]), ("y", "|u1", "(2, 1)", [0, 1]),
                ("short", "|u1", "(1,)", [0]),
            ])
            try Data(file).write(to: folder.appending(path: "a.npz"))
            let training = try SampleData.parse(Self.arrayTraining)
            let sets = try DataSetReader(training, folder: folder.path).load()
            // Channel 0 is 2, 6 → 1, 3 → 0, 2; channel 1 is 4, 8 → 2, 4 → 1, 2.
            #expect(try floats(sets.training) == [0, 2, 1, 2, 4, 6, 3, 4])
            #expect(try Array(floats(#require(sets.test))[..<4]) == [0, 2, 1, 2])
            #expect(sets.training.targets == [[0, 1]])
            let other = try SampleData.parse(Self.arrayTraining.replacing("target: y", with: "target: short"))
            let error = #expect(throws: LocalModelError.self) { try DataSetReader(other, folder: folder.path).load() }
            #expect(error?.code == .unfitData)
        }
    }

    @Test func unfitLabelsAreRefused() throws {
        let training = SampleData.tableTraining().replacing(/\s+classes: .*/, with: "")
        let rows = "patient,age,marker,sex,died\na,50,1,f,3\nb,51,1,m,0\nc,52,1,m,0\nd,53,2,f,1\ne,54,2,f,1\n"
        let error = #expect(throws: LocalModelError.self) {
            try load(training.replacing(/\s+(validation|test): .*/, with: ""), ["table.csv": rows])
        }
        #expect(error?.code == .unfitData)
    }
}
