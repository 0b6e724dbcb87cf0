// SPDX-License-Identifier: Apache-2.0
// Networks reach known quality on real medical data; runs only where the data lie beside the package.

import ClinicalData
import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite(.enabled(if: RealData.folder != nil, "no folder of public data: set CONSILIUM_DATA"), .serialized)
struct ModelQualityTests {
    /// Trains and judges fold after fold; returns the accuracy over all rows that were judged.
    private func crossValidated(
        classes: [Int], seed: UInt64, judge: (_ training: [Int32], _ test: [Int32]) throws -> [Float], classCount: Int
    ) throws -> Double {
        let folds = StratifiedFolds(classes: classes, count: 5, seed: seed)
        var (probabilities, labels): ([Float], [Float]) = ([], [])
        for fold in 0..<(QualityRun.isFull ? 5 : 1) {
            let (training, test) = folds.rows(leavingOut: fold)
            probabilities += try judge(training, test)
            labels += test.map { Float(classes[Int($0)]) }
        }
        let metrics = PredictionMetrics.multiclass(probabilities: probabilities, labels: labels, classes: classCount)
        return try #require(metrics.accuracy)
    }

    /// Wisconsin breast cancer: a perceptron over thirty features of cell nuclei.
    @Test func perceptronOnCellFeatures() throws {
        let table = try NumericTextTable(
            .file(path: RealData.path("small-tabular/wdbc_breast_cancer.csv")), separator: .comma, skippedLines: 1)
        let (features, labels) = (table.columns(0..<30), table.columns(30..<31))
        let graph = try Graph(
            input: Shape([30]), layers: [Dense(32, activation: .relu), Dropout(0.2), Dense(2)])
        let accuracies = try QualityRun.seeds.map { seed in
            try crossValidated(
                classes: labels.map { Int($0) }, seed: seed,
                judge: { training, test in
                    let scaled = Standardization(features, width: 30, rows: training).apply(features)
                    let examples = Examples(count: labels.count, inputs: [.floats(scaled)], targets: [labels])
                    let parameters = try QualityRun.train(
                        graph, examples.selecting(training), epochs: 30, batchSize: 32, rate: 1e-3, weightDecay: 0.1,
                        seed: seed)
                    return try QualityRun.predict(graph, parameters, examples.selecting(test))
                }, classCount: 2)
        }
        QualityRun.report("WDBC, perceptron, 5-fold accuracy \(QualityRun.words(accuracies))")
        #expect(accuracies.allSatisfy { $0 >= (QualityRun.isFull ? 0.96 : 0.93) })
    }

    /// PneumoniaMNIST: a small CNN over chest X-rays of 28×28, trained on the training part, judged on the test part.
    @Test func convolutionsOnChestImages() throws {
        let archive = try NumpyArchive(.file(path: RealData.path("pneumonia-mnist/pneumoniamnist.npz")))
        func part(_ name: String) throws -> Examples {
            let labels = try archive.array("\(name)_labels").floats
            let images = try archive.array("\(name)_images").floats.map { ($0 / 255 - 0.5) / 0.25 }
            return Examples(count: labels.count, inputs: [.floats(images)], targets: [labels])
        }
        let (training, test) = (try part("train"), try part("test"))
        let graph = try Graph(
            input: Shape([1, 28, 28]),
            layers: [
                Convolve.twoD(16, kernel: 3, padding: .same, bias: false), BatchNorm(relu: true),
                Convolve.twoD(32, kernel: 3, padding: .same, bias: false), BatchNorm(relu: true), Pool.max2D(2),
                Convolve.twoD(64, kernel: 3, padding: .same, bias: false), BatchNorm(relu: true), Pool.max2D(2),
                Convolve.twoD(64, kernel: 3, padding: .same, bias: false), BatchNorm(relu: true), Pool.globalAverage,
                Reshape.flatten, Dropout(0.3), Dense(1),
            ])
        let areas = try QualityRun.seeds.map { seed in
            let parameters = try QualityRun.train(
                graph, training, loss: SigmoidCrossEntropy(), epochs: QualityRun.isFull ? 12 : 2, batchSize: 64,
                rate: 3e-3,
                seed: seed)
            let probabilities = try QualityRun.predict(graph, parameters, test, loss: SigmoidCrossEntropy())
            let metrics = PredictionMetrics.binary(probabilities: probabilities, labels: test.targets[0])
            return try #require(metrics.auc)
        }
        QualityRun.report("PneumoniaMNIST, CNN, test AUC \(QualityRun.words(areas))")
        #expect(areas.allSatisfy { $0 >= (QualityRun.isFull ? 0.945 : 0.85) })
    }

    /// ECG5000: a one-dimensional CNN over 500 heartbeats of five kinds.
    @Test func convolutionsOnHeartbeats() throws {
        let table = try NumericTextTable(.file(path: RealData.path("ecg5000/ECG5000_TRAIN.txt.gz")))
        let labels = table.columns(0..<1).map { $0 - 1 }
        let examples = Examples(count: 500, inputs: [.floats(table.columns(1..<141))], targets: [labels])
        let graph = try Graph(
            input: Shape([1, 140]),
            layers: [
                Convolve(32, kernel: [7], padding: .same, bias: false), BatchNorm(relu: true),
                Pool(.maximum, kernel: [2]), Convolve(64, kernel: [5], padding: .same, bias: false),
                BatchNorm(relu: true), Pool(.maximum, kernel: [2]),
                Convolve(64, kernel: [3], padding: .same, bias: false), BatchNorm(relu: true), Pool.globalAverage,
                Reshape.flatten, Dropout(0.5), Dense(5),
            ])
        let accuracies = try QualityRun.seeds.map { seed in
            try crossValidated(
                classes: labels.map { Int($0) }, seed: seed,
                judge: { training, test in
                    let parameters = try QualityRun.train(
                        graph, examples.selecting(training), epochs: 60, batchSize: 32, rate: 2e-3, weightDecay: 0.05,
                        seed: seed)
                    return try QualityRun.predict(graph, parameters, examples.selecting(test))
                }, classCount: 5)
        }
        QualityRun.report("ECG5000, 1-D CNN, 5-fold accuracy \(QualityRun.words(accuracies))")
        #expect(accuracies.allSatisfy { $0 >= (QualityRun.isFull ? 0.93 : 0.88) })
    }

    /// Medical abstracts: a bidirectional GRU from scratch over their words, five groups of diseases.
    @Test func recurrentNetworkOnAbstracts() throws {
        let columns = try TextColumns.read(
            .file(path: RealData.path("text-medical-abstracts/medical_tc_test.csv.gz")),
            names: ["condition_label", "medical_abstract"])
        let classes = try columns[0].map { try #require(Int($0)) - 1 }
        let (texts, length) = (columns[1], 200)
        let accuracies = try QualityRun.seeds.map { seed in
            try crossValidated(
                classes: classes, seed: seed,
                judge: { training, test in
                    // The vocabulary, too, is learned from the training part alone.
                    let vocabulary = Vocabulary(texts: training.map { texts[Int($0)] }, limit: 8_000)
                    let encoded = vocabulary.encode(texts, length: length)
                    let examples = Examples(
                        count: classes.count, inputs: [.tokens(encoded.tokens)], lengths: [encoded.lengths],
                        targets: [classes.map { Float($0) }])
                    let graph = try Graph(
                        input: .tokens(length),
                        layers: [
                            Embedding(vocabulary.count, width: 64, padding: 0), Dropout(0.4),
                            GRU(48, bidirectional: true), MaxOverTime(), Dropout(0.5), Dense(5),
                        ])
                    let parameters = try QualityRun.train(
                        graph, examples.selecting(training), loss: SoftmaxCrossEntropy(labelSmoothing: 0.1),
                        epochs: QualityRun.isFull ? 12 : 3, batchSize: 32, rate: 3e-3, largestNorm: 1, seed: seed)
                    return try QualityRun.predict(graph, parameters, examples.selecting(test))
                }, classCount: 5)
        }
        QualityRun.report("medical abstracts, GRU from scratch, 5-fold accuracy \(QualityRun.words(accuracies))")
        #expect(accuracies.allSatisfy { $0 >= (QualityRun.isFull ? 0.52 : 0.35) })
    }
}

/// Means and deviations of a table's columns over its training rows.
struct Standardization {
    private var means: [Double]
    private var deviations: [Double]

    init(_ values: [Float], width: Int, rows: [Int32]) {
        means = (0..<width).map { column in
            rows.reduce(0) { $0 + Double(values[Int($1) * width + column]) } / Double(rows.count)
        }
        deviations = []
        for column in 0..<width {
            let mean = means[column]
            let squares = rows.reduce(0.0) { sum, row in
                let difference = Double(values[Int(row) * width + column]) - mean
                return sum + difference * difference
            }
            let deviation = (squares / Double(rows.count)).squareRoot()
            deviations.append(deviation > 0 ? deviation : 1)
        }
    }

    func apply(_ values: [Float]) -> [Float] {
        values.indices.map { place in
            let column = place % means.count
            return Float((Double(values[place]) - means[column]) / deviations[column])
        }
    }
}
