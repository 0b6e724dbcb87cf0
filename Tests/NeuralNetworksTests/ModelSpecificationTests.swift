// SPDX-License-Identifier: Apache-2.0
// Models that do not fit are refused with the layer and what would fit.

import NeuralNetworks
import Testing

@Suite struct ModelSpecificationTests {
    private static func error(
        _ layers: [LayerSpecification], inputs: Int = 4, head: Head = .logistic
    ) -> ModelError? {
        do {
            _ = try Network(ModelSpecification(layers: layers), inputs: inputs, head: head)
            return nil
        } catch {
            return error
        }
    }

    @Test func theLastLayerFitsTheHead() {
        let hidden = LayerSpecification.dense(units: 8, activation: .relu)
        #expect(Self.error([]) == .noLayers(expectedUnits: 1))
        #expect(
            Self.error([hidden, .dropout(rate: 0.5)]) == .lastLayerKind(layer: 1, kind: "dropout", expectedUnits: 1))
        #expect(
            Self.error([hidden, .dense(units: 2, activation: .linear)])
                == .lastLayerUnits(layer: 1, units: 2, expectedUnits: 1))
        #expect(
            Self.error([.dense(units: 2, activation: .linear)], head: .softmax(classes: 3))
                == .lastLayerUnits(layer: 0, units: 2, expectedUnits: 3))
        #expect(
            Self.error([hidden, .dense(units: 1, activation: .sigmoid)])
                == .lastLayerActivation(layer: 1, activation: .sigmoid))
        #expect(Self.error([hidden, .dense(units: 1, activation: .linear)]) == nil)
    }

    @Test func sizesStayInRange() {
        let (last, largest) = (LayerSpecification.dense(units: 1, activation: .linear), ModelSpecification.largestWidth)
        for units in [0, -1, .max, .min, largest + 1] {
            #expect(
                Self.error([.dense(units: units, activation: .relu), last])
                    == .widthOutOfRange(layer: 0, width: units, largest: largest))
            #expect(Self.error([last], inputs: units) == .widthOutOfRange(layer: nil, width: units, largest: largest))
        }
        for classes in [1, 0, -5, .max] {
            #expect(
                Self.error([last], head: .softmax(classes: classes)) == .classesOutOfRange(classes, largest: largest))
        }
        for rate in [-0.1, 1, .nan, .infinity] {
            #expect(Self.error([.dropout(rate: rate), last]) == .dropoutRateOutOfRange(layer: 0))
        }
        let wide = LayerSpecification.dense(units: largest, activation: .relu)
        #expect(
            Self.error([wide, wide, last])
                == .tooManyParameters(layer: 1, largest: ModelSpecification.largestParameterCount))
    }

    @Test func errorsSayWhatWouldFit() {
        let text = Self.error([.dense(units: 3, activation: .linear)], head: .softmax(classes: 2))?.description
        #expect(text == "layer 0 (dense) has 3 units: the head needs 2")
    }
}
