// SPDX-License-Identifier: Apache-2.0
// Models that do not fit are refused with the layer and what would fit.

import NeuralNetworks
import Tensors
import Testing

@Suite struct ModelSpecificationTests {
    private static func error(
        _ layers: [any StudyElement], features: Int = 4, head: Head = .logistic
    ) -> ModelError? {
        error(ModelSpecification(layers: layers), features: features, head: head)
    }

    private static func error(
        _ model: ModelSpecification, features: Int? = nil, head: Head = .logistic
    ) -> ModelError? {
        do {
            if let features = features ?? Self.tableWidth(model) {
                try model.check(features: features, head: head)
            } else {
                _ = try model.graph(features: nil)
            }
            return nil
        } catch {
            return error
        }
    }

    /// The values of the only input, as a table would give them; nil for tokens and several inputs, which no head judges.
    private static func tableWidth(_ model: ModelSpecification) -> Int? {
        guard model.inputs.count == 1, !model.inputs[0].holdsTokens else { return nil }
        return model.inputs[0].sizes.reduce(1) { product, size in
            let (next, overflows) = product.multipliedReportingOverflow(by: size)
            return overflows ? .max : next
        }
    }

    private static func layer(_ index: Int, _ kind: String, _ problem: ModelError.LayerProblem) -> ModelError {
        .layer(ModelError.Place(index: index, name: String(index), kind: kind), problem)
    }

    @Test func theLastLayerFitsTheHead() {
        let hidden = Dense(8, activation: .relu)
        #expect(Self.error([]) == .noLayers)
        #expect(Self.error([hidden, Dropout(0.5)]) == Self.layer(1, "dropout", .lastKind(expectedUnits: 1)))
        #expect(Self.error([hidden, Dense(2)]) == Self.layer(1, "dense", .lastUnits(2, expected: 1)))
        #expect(
            Self.error([Dense(2)], head: .softmax(classes: 3)) == Self.layer(0, "dense", .lastUnits(2, expected: 3)))
        #expect(
            Self.error([hidden, Dense(1, activation: .sigmoid)])
                == Self.layer(1, "dense", .lastActivation("sigmoid")))
        #expect(Self.error([hidden, Dense(1)]) == nil)
        let sequence = ModelSpecification(inputs: [.values("steps", [10, 3])]) {
            LSTM(4)
            Dense(1)
        }
        #expect(Self.error(sequence) == Self.layer(1, "dense", .lastValues([10, 1], expected: 1)))
    }

    @Test func sizesStayInRange() {
        let (last, largest) = (Dense(1), ModelSpecification.largestWidth)
        for units in [0, -1, .max, .min, largest + 1] {
            #expect(
                Self.error([Dense(units, activation: .relu), last])
                    == Self.layer(0, "dense", .field("units", range: "from 1 to \(largest)")))
            #expect(Self.error([last], features: units) == .input(0, .sizes))
        }
        for classes in [1, 0, -5, .max] {
            #expect(
                Self.error([last], head: .softmax(classes: classes)) == .classesOutOfRange(classes, largest: largest))
        }
        for rate in [-0.1, 1, .nan, .infinity] {
            #expect(
                Self.error([Dropout(rate), last]) == Self.layer(0, "dropout", .field("rate", range: "from 0.0 to 0.99"))
            )
        }
        let wide = Dense(largest, activation: .relu)
        #expect(Self.error([wide, wide, last])?.description.contains("more than 268435456 parameters") == true)
        let many = [any StudyElement](repeating: last, count: 257)
        #expect(Self.error(many) == .tooManyElements(257, largest: 256))
    }

    @Test func sizesThatNoMachineHasAreRefusedBeforeTheyAreMultiplied() {
        let huge = ModelSpecification(inputs: [.values("volume", [1 << 40, 1 << 40, 1 << 40])]) { Flatten() }
        #expect(Self.error(huge) == .input(0, .sizes))
        let wide = ModelSpecification(inputs: [.values("image", [1 << 14, 64, 64])]) {
            Conv2D(1 << 16, kernel: 1)
            Flatten()
        }
        #expect(Self.error(wide)?.element == 0)
        let reshaped = ModelSpecification(inputs: [.values("image", [4, 4])]) {
            Reshape([1 << 28, 1 << 28, 1 << 28])
        }
        #expect(Self.error(reshaped)?.element == 0)
        let volume = ModelSpecification(inputs: [.values("volume", [65_536, 8, 8, 8])]) {
            Conv3D(65_536, kernel: 1_024, padding: .zeros(1_024))
        }
        #expect(Self.error(volume)?.element == 0)
        let enlarged = ModelSpecification(inputs: [.values("volume", [1, 64, 64, 64])]) {
            Upsample(64)
            Upsample(64)
            Upsample(64)
        }
        #expect(Self.error(enlarged)?.element == 0)
    }

    @Test func namesAndSourcesAreResolved() throws {
        let model = ModelSpecification(inputs: [.tokens("notes", 16), .table("table", features: 5)]) {
            Dense(8, activation: .relu).named("tabular").from("table")
            Embedding(100, width: 4).from("notes")
            MeanOverTime()
            Concatenate().from("tabular", "2")
            Dense(1)
        }
        let graph = try model.graph(features: nil)
        #expect(graph.inputShapes == [.tokens(16), Shape([5])])
        #expect(graph.slices.map(\.name) == ["tabular.weight", "tabular.bias", "1.weight", "4.weight", "4.bias"])
        #expect(graph.shapes.last == Shape([1]))
        #expect(model.kinds == ["concatenate", "dense", "embedding", "meanOverTime"])
    }

    @Test func whatIsTheSameByItselfIsLeftOut() {
        let written = ModelSpecification(
            inputs: [.table("table", features: 3)],
            elements: [
                ModelElement(Dense(4), name: "0", from: ["table"]), ModelElement(Dense(1), name: "out", from: ["0"]),
            ],
            outputs: ["out"])
        let short = ModelSpecification(inputs: [.table("table", features: 3)]) {
            Dense(4)
            Dense(1).named("out")
        }
        #expect(written == short)
    }

    @Test func mistakesInNamesAreTold() {
        let table = ModelInput.table("table", features: 3)
        func problem(_ elements: [ModelElement], outputs: [String] = []) -> String? {
            Self.error(ModelSpecification(inputs: [table], elements: elements, outputs: outputs))?.description
        }
        let last = ModelElement(Dense(1))
        #expect(
            problem([Dense(4).from("tabel"), last])
                == "layer 0 (dense) reads tabel, which is not there; before it are table")
        #expect(
            problem([Add().from("table", "1"), last])
                == "layer 0 (add) reads 1, which comes later or is the layer itself: a layer reads inputs and layers "
                + "before it")
        #expect(problem([Dense(4).named("7"), last])?.contains("no usable name") == true)
        #expect(problem([Dense(4).named("a b"), last])?.contains("no usable name") == true)
        #expect(problem([Dense(4).named("table"), last])?.contains("name of an input") == true)
        #expect(problem([ModelElement(Dense(4)), last.from("table")])?.contains("read by nobody") == true)
        #expect(problem([last], outputs: ["first"]) == "output first is no layer; the layers are 0")
        #expect(problem([last], outputs: ["0", "0"]) == "output 0 is named twice")
        let twoInputs = ModelSpecification(inputs: [table, .tokens("notes", 4)]) { Dense(1) }
        #expect(Self.error(twoInputs)?.description == "layer 0 (dense) must say `from`, one of: notes, table")
        let unread = ModelSpecification(inputs: [table, .tokens("notes", 4)]) { Dense(1).from("table") }
        #expect(Self.error(unread) == .input(0, .isNotRead))
        #expect(Self.error(ModelSpecification(layers: [Dense(1)])) == .input(0, .noTable))
        let other = ModelSpecification(inputs: [table]) { Dense(1) }
        #expect(Self.error(other, features: 4) == .input(0, .features(expected: 3, actual: 4)))
    }

    @Test func tokensAreEmbeddedFirst() {
        for element: any StudyElement in [LayerNorm(), Dropout(0.1), ActivationLayer(.relu), Concatenate()] {
            let model = ModelSpecification(
                inputs: [.tokens("notes", 8)], elements: [ModelElement(element), ModelElement(Flatten())])
            #expect(Self.error(model)?.element == 0, "\(element.studyKind)")
        }
    }

    @Test func errorsSayWhatWouldFit() {
        let text = Self.error([Dense(3)], head: .softmax(classes: 2))?.description
        #expect(text == "layer 0 (dense) has 3 units: the head needs 2")
    }

    /// A site's table feeds one input, and its label is compared with one output: whatever else a study names would end
    /// the daemon that trains it.
    @Test func aStudysModelTakesItsTableAndGivesOneOutput() throws {
        let tokens = ModelSpecification(inputs: [.tokens("notes", 4)]) {
            Embedding(9, width: 3)
            MeanOverTime()
            Dense(1)
        }
        #expect(throws: ModelError.input(0, .tokensOfTable)) { try tokens.check(features: 4, head: .logistic) }
        let image = ModelSpecification(inputs: [.values("image", [1, 2, 3])]) {
            Conv2D(2, kernel: 2)
            Reshape.flatten
            Dense(1)
        }
        #expect(throws: ModelError.input(0, .features(expected: 6, actual: 4))) {
            try image.check(features: 4, head: .logistic)
        }
        try image.check(features: 6, head: .logistic)
        let two = ModelSpecification(inputs: [.table("a", features: 4), .table("b", features: 4)]) {
            Add().from("a", "b")
            Dense(1)
        }
        #expect(throws: ModelError.input(1, .tooMany(largest: 1))) { try two.check(features: 4, head: .logistic) }
        let outputs = ModelSpecification(
            elements: [ModelElement(Dense(2), name: "first"), ModelElement(Dense(1), name: "second")],
            outputs: ["first", "second"])
        #expect(throws: ModelError.output("second", .tooMany(largest: 1))) {
            try outputs.check(features: 4, head: .logistic)
        }
    }

    /// Each layer is possible by itself; the numbers of all of them together are more than an integer holds.
    @Test func aModelOfEndlessWorkIsRefused() {
        let attention = TransformerEncoder(TransformerEncoderLayer(heads: 1, feedForward: 1), layers: 400)
        let model = ModelSpecification(inputs: [.values("steps", [1 << 28, 1])]) {
            attention
            MeanOverTime()
            Dense(1)
        }
        #expect(throws: ModelError.self) { try model.graph(features: nil) }
    }
}
