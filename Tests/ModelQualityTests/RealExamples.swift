// SPDX-License-Identifier: Apache-2.0
// A handful of real patients' examples, brought into the shape that a model of the zoo asks for.

import ClinicalData
import NeuralNetworks
import Testing

enum RealExamples {
    /// Four chest X-rays, two of each class, 28×28 pixels enlarged by repetition, the same in every channel.
    static func chestImages(shape: Shape) throws -> Examples {
        let archive = try NumpyArchive(.file(path: RealData.path("pneumonia-mnist/pneumoniamnist.npz")))
        let labels = try archive.array("train_labels").floats
        let images = try archive.array("train_images").floats
        let (channels, height, width) = (shape.sizes[0], shape.sizes[1], shape.sizes[2])
        let chosen = places(of: labels, classes: [0, 1], each: 2)
        var pixels: [Float] = []
        for image in chosen {
            for _ in 0..<channels {
                for row in 0..<height {
                    for column in 0..<width {
                        let place = (image * 28 + row * 28 / height) * 28 + column * 28 / width
                        pixels.append((images[place] / 255 - 0.5) / 0.25)
                    }
                }
            }
        }
        return Examples(count: chosen.count, inputs: [.floats(pixels)], targets: [chosen.map { labels[$0] }])
    }

    /// Four heartbeats of two kinds, 140 samples drawn out to the series' length, the same in every lead.
    static func heartbeats(shape: Shape) throws -> Examples {
        let table = try NumericTextTable(.file(path: RealData.path("ecg5000/ECG5000_TRAIN.txt.gz")))
        let labels = table.columns(0..<1).map { $0 - 1 }
        let samples = table.columns(1..<141)
        let (leads, steps) = (shape.sizes[0], shape.sizes[1])
        let chosen = places(of: labels, classes: [0, 1], each: 2)
        let series = chosen.flatMap { beat in
            let drawn = (0..<steps).map { samples[beat * 140 + $0 * 140 / steps] }
            return (0..<leads).flatMap { _ in drawn }
        }
        return Examples(count: chosen.count, inputs: [.floats(series)], targets: [chosen.map { labels[$0] }])
    }

    /// Four abstracts of two groups of diseases.
    static func abstracts(length: Int) throws -> Examples {
        let (encoded, classes) = try encodedAbstracts(length: length)
        return Examples(
            count: classes.count, inputs: [.tokens(encoded.tokens)], lengths: [encoded.lengths],
            targets: [classes])
    }

    /// The same; every seventh word hidden behind the unknown one, and every word to be told.
    static func maskedAbstracts(length: Int) throws -> Examples {
        let (encoded, classes) = try encodedAbstracts(length: length)
        let hidden = encoded.tokens.enumerated().map { $0.offset % 7 == 3 && $0.element > 1 ? 1 : $0.element }
        return Examples(
            count: classes.count, inputs: [.tokens(hidden)], lengths: [encoded.lengths],
            targets: [encoded.tokens.map { Float($0) }])
    }

    private static func encodedAbstracts(
        length: Int
    ) throws -> (encoded: (tokens: [Int32], lengths: [Int32]), classes: [Float]) {
        let columns = try TextColumns.read(
            .file(path: RealData.path("text-medical-abstracts/medical_tc_test.csv.gz")),
            names: ["condition_label", "medical_abstract"])
        let classes = try columns[0].map { try #require(Float($0)) - 1 }
        let chosen = places(of: classes, classes: [0, 1], each: 2)
        let vocabulary = Vocabulary(texts: Array(columns[1].prefix(500)), limit: 7_000)
        let encoded = vocabulary.encode(chosen.map { columns[1][$0] }, length: length)
        return ((encoded.tokens, encoded.lengths), chosen.map { classes[$0] })
    }

    /// The first rows of some classes, classes in turn.
    private static func places(of labels: [Float], classes: [Float], each count: Int) -> [Int] {
        let rows = classes.map { wanted in Array(labels.indices.filter { labels[$0] == wanted }.prefix(count)) }
        return (0..<count).flatMap { index in rows.map { $0[index] } }
    }
}
