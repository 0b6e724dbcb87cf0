// SPDX-License-Identifier: Apache-2.0
// The models of studies/models: each builds, and has as many parameters as the original.

import Federation
import Foundation
import NeuralNetworks
import StudyFiles
import Testing

@Suite struct ModelZooTests {
    private static func model(_ name: String) throws -> ModelSpecification {
        try ModelSpecification(
            document: YAMLDocument.load(contentsOf: ProjectFiles.path("studies/models/\(name).yaml")))
    }

    private static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: ProjectFiles.path("studies/models"))
            .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    /// Parameters that are trained, where they are known from elsewhere or by hand.
    private static let parameters = [
        // torchvision: resnet18 and alexnet.
        "resnet18": 11_689_512, "alexnet": 61_100_840,
        // 32·(3·9 + 1) + 64·(32·9 + 1) + 10·(64·54·54 + 1)
        "seed-cnn": 1_885_642,
        // torch.nn.Embedding(8000, 128), LSTM or GRU(128, 256, bidirectional), Linear(512, 5).
        "lstm-text": 8_000 * 128 + 2 * 4 * 256 * (128 + 256 + 2) + 5 * 513,
        "gru-text": 8_000 * 128 + 2 * 3 * 256 * (128 + 256 + 2) + 5 * 513,
        // torch.nn.TransformerEncoderLayer(512, 8, 2048) has 3,152,384.
        "transformer-encoder": 37_000 * 512 + 6 * 3_152_384 + 5 * 513,
        // transformers.BertModel: words, positions and norm of the embedding, 12 layers of 7,087,872; then the head for
        // masked words with an output layer of its own.
        "bert-masked": 30_522 * 768 + 512 * 768 + 2 * 768 + 12 * 7_087_872
            + 768 * 769 + 2 * 768 + 30_522 * 769,
    ]

    @Test func everyModelBuildsAndComesBackFromItsCanonicalForm() throws {
        for name in try Self.names() {
            let model = try Self.model(name)
            let value = try CanonicalValue(canonicalBytes: model.canonicalValue.bytes)
            #expect(try ModelSpecification(document: value.documentNode) == model, "\(name)")
            let summary = try ModelSummary(model, features: nil)
            #expect(summary.rows.reduce(0) { $0 + $1.parameters } == summary.parameters, "\(name)")
            #expect(summary.rows.reduce(0) { $0 + $1.operations } == summary.operations, "\(name)")
        }
    }

    @Test func parametersAreThoseOfTheOriginals() throws {
        for (name, count) in Self.parameters {
            #expect(try ModelSummary(Self.model(name), features: nil).trainedParameters == count, "\(name)")
        }
    }

    @Test func residualNetworksHaveTheNamesOfTorchvision() throws {
        let names = try Self.model("resnet18").graph(features: nil).slices.map(\.name)
        #expect(names.first == "conv1.weight")
        #expect(names.contains("layer2.0.downsample.0.weight"))
        #expect(names.contains("layer4.1.bn2.running_var"))
        #expect(names.last == "fc.bias")
    }

    @Test func theSummaryOfTheSeedNetworkIsRight() throws {
        let summary = try ModelSummary(Self.model("seed-cnn"), features: nil, stateVectors: 2, batchSize: 32)
        #expect(
            summary.rows.map(\.shape) == [
                [32, 222, 222], [32, 111, 111], [64, 109, 109], [64, 54, 54], [186_624], [10],
            ])
        #expect(summary.rows[0].operations == 2 * 222 * 222 * 32 * 27)
        #expect(summary.stateBytes == 4 * 4 * 1_885_642)
        let values = 3 * 224 * 224 + 32 * 222 * 222 + 32 * 111 * 111 + 64 * 109 * 109 + 2 * 64 * 54 * 54 + 10
        #expect(summary.activationBytes == 32 * 4 * values)
        #expect(summary.trainingOperations == 3 * summary.operations)
        #expect(summary.table.contains("0      conv2D     [32, 222, 222]"))
        #expect(summary.table.contains("1,885,642 parameters, 1,885,642 of them trained"))
        let decoded = try JSONDecoder().decode(ModelSummary.self, from: JSONEncoder().encode(summary))
        #expect(decoded == summary)
    }

    @Test func aSegmentationNetworkGivesALogitForEachPixel() throws {
        let graph = try Self.model("unet").graph(features: nil)
        #expect(graph.shapes.last == Shape([1, 256, 256]))
    }
}
