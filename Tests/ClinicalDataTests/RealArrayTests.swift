// SPDX-License-Identifier: Apache-2.0
// Public images, signals, features and texts as published, counted; runs only where they lie beside the package.

import ClinicalData
import Testing

@Suite(.enabled(if: RealData.folder != nil, "no folder of public tables: set CONSILIUM_DATA"))
struct RealArrayTests {
    private func counts(_ labels: [Float], _ classes: [Float]) -> [Int] {
        classes.map { label in labels.count { $0 == label } }
    }

    /// Part, images, labels 0 and 1, and the sum of all pixels by NumPy 2.4.6.
    static let chestImages: [(String, Int, [Int], Double)] = [
        ("train", 4_708, [1_214, 3_494], 538_305_934), ("val", 524, [135, 389], 59_624_090),
        ("test", 624, [234, 390], 70_355_184),
    ]

    @Test(arguments: chestImages)
    func chestImagesHaveTheirPublishedCounts(part: String, rows: Int, classes: [Int], sum: Double) throws {
        let archive = try NumpyArchive(.file(path: RealData.path("pneumonia-mnist/pneumoniamnist.npz")))
        #expect(
            archive.names == ["train", "val", "test"].flatMap { ["\($0)_images", "\($0)_labels"] })
        let images = try archive.array("\(part)_images")
        #expect(images.type == .unsigned8)
        #expect(images.shape == [rows, 28, 28])
        #expect(images.count == rows * 784)
        #expect(images.floats.reduce(0) { $0 + Double($1) } == sum)
        let labels = try #require(try archive.array("\(part)_labels").integers)
        #expect([0, 1].map { label in labels.count { $0 == label } } == classes)
        #expect(try archive.array("\(part)_labels").shape == [rows, 1])
    }

    @Test func heartbeatsHaveTheirPublishedCounts() throws {
        let table = try NumericTextTable(.file(path: RealData.path("ecg5000/ECG5000_TRAIN.txt.gz")))
        #expect(table.rowCount == 500 && table.columnCount == 141)
        #expect(counts(table.columns(0..<1), [1, 2, 3, 4, 5]) == [292, 177, 10, 19, 2])
        let signals = table.columns(1..<141)
        #expect(signals[0] == -0.11252183)
        #expect(signals.allSatisfy { abs($0) < 10 })
    }

    @Test func cellFeaturesHaveTheirPublishedCounts() throws {
        let table = try NumericTextTable(
            .file(path: RealData.path("small-tabular/wdbc_breast_cancer.csv")), separator: .comma, skippedLines: 1)
        #expect(table.rowCount == 569 && table.columnCount == 31)
        #expect(counts(table.columns(30..<31), [0, 1]) == [212, 357])
        #expect(table.columns(0..<1).first == 17.99)
    }

    @Test func abstractsHaveTheirPublishedCounts() throws {
        let columns = try TextColumns.read(
            .file(path: RealData.path("text-medical-abstracts/medical_tc_test.csv.gz")),
            names: ["condition_label", "medical_abstract"])
        let (labels, texts) = (columns[0], columns[1])
        #expect(labels.count == 2_888 && texts.count == 2_888)
        #expect((1...5).map { label in labels.count { $0 == "\(label)" } } == [633, 299, 385, 610, 961])
        let vocabulary = Vocabulary(texts: texts, limit: 5_000)
        #expect(vocabulary.count == 5_002)
        #expect(vocabulary.words.prefix(2) == ["of", "the"] || vocabulary.words.prefix(2) == ["the", "of"])
        let encoded = vocabulary.encode(texts, length: 128)
        #expect(encoded.tokens.count == 2_888 * 128)
        let known = encoded.tokens.count { $0 > Vocabulary.unknown }
        let words = encoded.lengths.reduce(0) { $0 + Int($1) }
        #expect(Double(known) > 0.85 * Double(words), "most words are among the frequent ones")
        #expect(try Vocabulary(parsing: vocabulary.bytes) == vocabulary)
    }
}
