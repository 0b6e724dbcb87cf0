// SPDX-License-Identifier: Apache-2.0
// Models in documents: every kind is read, written and read again; mistakes have a place and a hint.

import Federation
import NeuralNetworks
import StudyFiles
import Testing

@Suite struct ModelDocumentTests {
    private static func model(_ text: String, features: Int? = nil) throws -> ModelSpecification {
        try ModelSpecification(document: YAMLDocument.parse(text, path: "model.yaml"), features: features)
    }

    private static func error(_ text: String, features: Int? = nil) -> DocumentError? {
        do {
            _ = try model(text, features: features)
            return nil
        } catch {
            return error as? DocumentError
        }
    }

    /// One document for each shape of input, which together have every kind of layer.
    private static let documents = [
        """
        inputs:
          image: {shape: [3, 32, 32]}
        layers:
          - conv2D: {filters: 8, kernel: [3, 5], stride: 2, padding: [1, 2], dilation: 1, activation: {leakyReLU: {slope: 0.1}}}
            name: stem
          - batchNorm
          - groupNorm: {groups: 4}
          - maxPool2D: {kernel: 2}
            name: small
          - residualBlock: {filters: 8}
          - upsample: {factor: 2}
          - averagePool2D: {kernel: 2, countPadding: false}
          - add: {relu: true}
            from: [small, "6"]
          - multiply:
            from: [small, "7"]
          - globalAveragePool
          - reshape: {sizes: [4, 2]}
          - flatten
          - softmax: {logarithmic: true}
        """,
        """
        inputs: {notes: {tokens: 12}, image: {shape: [8, 4, 4]}, other: {features: 8}}
        layers:
          - embedding: {vocabulary: 50, width: 8}
            from: notes
          - sinusoidalPositions
          - multiHeadAttention: {heads: 2, causal: true, rotary: true, dropout: 0.1, adapter: {rank: 1, alpha: 0.5}}
          - transformerEncoderLayer: {heads: 2, feedForward: 16, activation: gelu, normalizesFirst: true}
          - transformerEncoder:
              layers: 2
              heads: 2
              feedForward: 16
              finalNorm: true
              epsilon: 1e-6
              adapter: {rank: 2, alpha: 8, query: false, output: true}
            name: encoded
          - channelsLast:
            from: image
          - transformerDecoderLayer: {heads: 4, feedForward: 16, dropout: 0.2}
            from: [encoded, "5"]
          - crossAttentionFusion: {heads: 2}
            from: ["6", image]
          - slice: {count: 1}
          - flatten:
            name: patient
          - gatedFusion:
            from: [patient, other]
          - subtract:
            from: ["10", other]
          - dense: {units: 2, adapter: {rank: 2, alpha: 4}}
        """,
        """
        inputs: {signal: {shape: [2, 64]}}
        layers:
          - conv1D: {filters: 4, kernel: 5, padding: same, bias: false}
          - maxPool1D: {kernel: 2, stride: 1}
          - averagePool1D: {kernel: 2}
          - activation: {function: gelu}
          - dropout: {rate: 0.25, spatial: true}
          - layerNorm: {epsilon: 0.001}
          - flatten
          - dense: {units: 3}
        """,
        """
        inputs: {volume: {shape: [1, 8, 8, 8]}}
        layers:
          - conv3D: {filters: 2, kernel: 3, padding: 1, groups: 1, activation: silu}
          - maxPool3D: {kernel: 2}
          - averagePool3D: {kernel: 2, stride: 2}
          - flatten
        """,
        """
        inputs: {notes: {tokens: 12}, table: {features: 5}}
        layers:
          - embedding: {vocabulary: 50, width: 6, padding: 0}
            from: notes
          - learnedPositions:
            name: text
          - lstm: {hidden: 4, bidirectional: true}
          - lastStep:
            name: a
          - gru: {hidden: 4, layers: 2}
            from: text
          - meanOverTime:
            name: b
          - rnn: {hidden: 4, activation: relu}
            from: text
          - maxOverTime:
            name: c
          - concatenate:
            from: [a, b, c, table]
          - dense: {units: 2}
        outputs: ["9"]
        """,
    ]

    @Test func whatIsReadIsWrittenAndReadAgain() throws {
        var kinds: Set<String> = []
        for document in Self.documents {
            let model = try Self.model(document)
            kinds.formUnion(model.kinds)
            let bytes = model.canonicalValue.bytes
            let again = try ModelSpecification(document: CanonicalValue(canonicalBytes: bytes).documentNode)
            #expect(again == model)
            #expect(again.canonicalValue.bytes == bytes)
            let (one, other) = (try model.graph(features: nil), try again.graph(features: nil))
            #expect(one.slices == other.slices)
        }
        #expect(kinds == Set(ModelSpecification.kinds))
    }

    @Test func theModelInSwiftIsTheModelInTheDocument() throws {
        let document = """
            inputs: {image: {shape: [3, 32, 32]}}
            layers:
              - conv2D: {filters: 32, kernel: 3, activation: relu}
              - maxPool2D: {kernel: 2}
              - conv2D: {filters: 8, kernel: 3, padding: 1}
                name: second
              - averagePool2D: {kernel: 3, stride: 2, padding: same}
              - batchNorm
              - residualBlock: {filters: 8}
              - globalAveragePool
              - dropout: {rate: 0.5}
              - dense: {units: 10}
            """
        let model = ModelSpecification(inputs: [.values("image", [3, 32, 32])]) {
            Conv2D(32, kernel: 3, activation: Activation.choices[1])
            MaxPool2D(2)
            Conv2D(8, kernel: 3, padding: .zeros(1)).named("second")
            AveragePool2D(3, stride: 2, padding: .same)
            BatchNorm()
            ResidualBlock(8)
            GlobalAveragePool()
            Dropout(0.5)
            Dense(10)
        }
        #expect(try Self.model(document) == model)
    }

    @Test func defaultsInDocumentsAreThoseInSwift() throws {
        let document = """
            inputs: {notes: {tokens: 12}}
            layers:
              - embedding: {vocabulary: 50, width: 8}
              - lstm: {hidden: 8}
              - gru: {hidden: 8}
              - rnn: {hidden: 8}
              - layerNorm
              - softmax
              - reshape: {sizes: [12, 8]}
            """
        let model = ModelSpecification(inputs: [.tokens("notes", 12)]) {
            Embedding(50, width: 8)
            LSTM(8)
            GRU(8)
            RNN(8)
            LayerNorm()
            SoftmaxLayer()
            Reshape([12, 8])
        }
        #expect(try Self.model(document) == model)
    }

    @Test func adaptersInDocumentsAreThoseInSwift() throws {
        let document = """
            inputs: {steps: {shape: [6, 8]}}
            layers:
              - multiHeadAttention: {heads: 2, adapter: {rank: 2, alpha: 4}}
              - transformerEncoderLayer: {heads: 2, feedForward: 8, adapter: {rank: 3, alpha: 1, value: false, key: true}}
              - transformerEncoderLayer: {heads: 2, feedForward: 8, adapter: none}
              - dense: {units: 4, adapter: {alpha: 16, rank: 1}}
            """
        let model = ModelSpecification(inputs: [.values("steps", [6, 8])]) {
            MultiHeadAttention(2, adapter: AttentionAdapter(rank: 2, alpha: 4))
            TransformerEncoderLayer(
                heads: 2, feedForward: 8, adapter: AttentionAdapter(rank: 3, alpha: 1, projections: [.query, .key]))
            TransformerEncoderLayer(heads: 2, feedForward: 8)
            Dense(4, adapter: Adapter(rank: 1, alpha: 16))
        }
        #expect(try Self.model(document) == model)
        let canonical = String(decoding: model.canonicalValue.bytes, as: UTF8.self)
        #expect(canonical.contains(#"{"dense":{"activation":"linear","adapter":{"alpha":"16","rank":1},"bias":"true""#))
        #expect(canonical.split(separator: "adapter").count == 4)
    }

    @Test func layersWithoutNamesAreNamedByTheirPlace() throws {
        let model = try Self.model("layers: [dense: {units: 8, activation: relu}, dense: {units: 1}]", features: 3)
        #expect(model == ModelSpecification(layers: [Dense(8, activation: Activation.choices[1]), Dense(1)]))
        let names = try model.graph(features: 3).slices.map(\.name)
        #expect(names == ["0.weight", "0.bias", "1.weight", "1.bias"])
        let canonical = String(decoding: model.canonicalValue.bytes, as: UTF8.self)
        #expect(
            canonical
                == #"{"layers":[{"dense":{"activation":"relu","bias":"true","units":8}},"#
                + #"{"dense":{"activation":"linear","bias":"true","units":1}}]}"#)
    }

    // The field came when there were studies without it: their bytes, and with them their hashes, stay.
    @Test func dropoutBetweenRecurrentLayersIsWrittenOnlyWhenThereIsSome() throws {
        func canonical(_ fields: String) throws -> String {
            let document = "inputs: {x: {shape: [5, 3]}}\nlayers: [gru: {hidden: 4, layers: 2\(fields)}]"
            let model = try Self.model(document)
            let again = try Self.model(String(decoding: model.canonicalValue.bytes, as: UTF8.self))
            #expect(again == model)
            return String(decoding: model.canonicalValue.bytes, as: UTF8.self)
        }
        let plain = try canonical("")
        #expect(plain.contains(#"{"gru":{"bidirectional":"false","hidden":4,"layers":2}}"#))
        #expect(try canonical(", dropout: 0") == plain)
        #expect(try canonical(", dropout: 0.25").contains(#""dropout":"0.25""#))
    }

    struct Refusal: Sendable {
        let layers: String
        let path: String
        let problem: String
        let hint: String

        init(_ layers: String, _ path: String, _ problem: String, _ hint: String) {
            (self.layers, self.path, self.problem, self.hint) = (layers, path, problem, hint)
        }
    }

    private static let later = "comes later or is the layer itself"

    @Test(arguments: [
        Refusal("- capsule: {units: 3}", "layers[0]", "must name exactly one known kind", "one of: dense, conv1D"),
        Refusal(
            "- dense: {units: 3, width: 2}", "layers[0].dense", "has an unknown key", "known keys: units, activation"),
        Refusal("- dense", "layers[0].dense", "lacks the key `units`", "add `units:`"),
        Refusal("- dense: {units: -3}", "layers[0].dense.units", "is out of range", "from 1 to 1048576"),
        Refusal("- dense: {units: 99999999999999999999}", "layers[0].dense.units", "must be a whole number", "from 1"),
        Refusal(
            "- dense: {units: 3, activation: swish}", "layers[0].dense.activation", "must name exactly one", "linear"),
        Refusal(
            "- dense: {units: 3, activation: {relu: {slope: 1}}}", "layers[0].dense.activation.relu",
            "has an unknown key", "known keys: "),
        Refusal(
            "- dense: {units: 3, adapter: {alpha: 1}}", "layers[0].dense.adapter", "lacks the key `rank`", "add `rank:`"
        ),
        Refusal(
            "- dense: {units: 3, adapter: {rank: 0, alpha: 1}}", "layers[0].dense.adapter.rank", "is out of range",
            "from 1 to 65536"),
        Refusal(
            "- dense: {units: 3, adapter: {rank: 1, alpha: 0}}", "layers[0].dense.adapter.alpha", "is out of range",
            "from 1e-6"),
        Refusal(
            "- dense: {units: 3, adapter: {rank: 1, alpha: 1, query: true}}", "layers[0].dense.adapter",
            "has an unknown key", "known keys: rank, alpha"),
        Refusal("- dense: {units: 3, adapter: 4}", "layers[0].dense.adapter", "must be a mapping", "rank, alpha"),
        Refusal(
            "- dense: {units: 3, adapter: {rank: 4, alpha: 1}}", "layers[0]", "does not fit",
            "layer 0 (dense) does not fit: the adapter has the rank 4"),
        Refusal("- conv2D: {filters: 4, kernel: [3, 3, 3]}", "layers[0].conv2D.kernel", "has 3 sizes", "a list of 2"),
        Refusal("- conv2D: {filters: 4, kernel: 0}", "layers[0].conv2D.kernel", "is out of range", "from 1 to 1024"),
        Refusal(
            "- conv2D: {filters: 4, kernel: 3, padding: full}", "layers[0].conv2D.padding", "is no padding", "same"),
        Refusal(
            "- conv2D: {filters: 4, kernel: 3, padding: [1, -1]}", "layers[0].conv2D.padding[1]", "is out of range", "0"
        ),
        Refusal(
            "- conv2D: {filters: 4, kernel: 3}", "layers[0]", "does not fit", "layer 0 (conv2D) does not fit: a kernel"),
        Refusal(
            "- reshape: {sizes: [268435456, 268435456, 268435456, 268435456]}", "layers[0]", "does not fit", "hold"),
        Refusal("- reshape: {sizes: [1, 1, 1, 1, 4]}", "layers[0].reshape.sizes", "has too many sizes", "at most 4"),
        Refusal("- {dense: {units: 3}, dropout: {rate: 0.1}}", "layers[0]", "must name exactly one", "one of"),
        Refusal("- {name: only}", "layers[0]", "must name exactly one", "one of"),
        Refusal("- {dense: {units: 3}, name: 12}", "layers[0]", "does not fit", "not a number"),
        Refusal("- {dense: {units: 3}, name: a/b}", "layers[0]", "does not fit", "A-Z"),
        Refusal("- {dense: {units: 3}, from: nobody}", "layers[0]", "does not fit", "before it are features"),
        Refusal("- {dense: {units: 3}, from: \"0\"}", "layers[0]", "does not fit", later),
        Refusal(
            "- {add: {}, from: [features, b]}\n  - {dense: {units: 4}, name: b}", "layers[0]", "does not fit", later),
        Refusal("- {dense: {units: 3}, from: []}", "layers[0].from", "names nothing", "a list of names"),
        Refusal("- dense: {units: 3}\n  - {dense: {units: 3}, from: features}", "layers[0]", "does not fit", "nobody"),
        Refusal("- dense: [[[[[[[[3]]]]]]]]", "layers[0].dense", "must be a mapping", "units"),
        Refusal("- lstm: {hidden: 4}", "layers[0]", "does not fit", "lstm takes [time, features], not [4]"),
        Refusal("- dense: {units: 1048576}\n  - dense: {units: 1048576}", "layers[1]", "does not fit", "parameters"),
    ])
    func mistakesHaveAPlaceAndAHint(_ refusal: Refusal) throws {
        let found = try #require(Self.error("layers:\n  \(refusal.layers)\n", features: 4))
        #expect(found.path == refusal.path)
        #expect(found.problem.contains(refusal.problem), "\(found)")
        #expect(found.hint.contains(refusal.hint), "\(found)")
        #expect(found.position?.line ?? 0 >= 2)
    }

    @Test func impossibleInputsAndOutputsAreRefused() {
        func hint(_ inputs: String, _ rest: String = "layers: [flatten]") -> String {
            Self.error("inputs: \(inputs)\n\(rest)\n")?.description ?? "accepted"
        }
        #expect(hint("{a: {shape: [1, 2, 3, 4, 5]}}").contains("has 5 sizes"))
        #expect(hint("{a: {shape: [268435456, 268435456, 268435456]}}").contains("impossible sizes"))
        #expect(hint("{a: {tokens: 0}}").contains("out of range"))
        #expect(hint("{a: {pixels: 4}}").contains("unknown key"))
        #expect(hint("{a: {}}").contains("must say what the input is"))
        #expect(hint("{a: {features: 4}, b: {features: 4}}").contains("must say `from`"))
        #expect(hint("{a: {features: 4}, b: {features: 4}}", "layers: [{flatten: {}, from: a}]").contains("no layer"))
        #expect(hint("{a: {features: 4}}", "layers: [flatten]\noutputs: b").contains("is no layer; the layers are 0"))
        let many = (0..<17).map { "i\($0): {features: 4}" }.joined(separator: ", ")
        #expect(hint("{\(many)}").contains("too many inputs"))
    }

    @Test func longListsAreRefused() {
        let layers = String(repeating: "  - flatten\n", count: 257)
        #expect(Self.error("layers:\n\(layers)", features: 4)?.problem == "has too many layers")
    }
}
