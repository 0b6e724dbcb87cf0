// SPDX-License-Identifier: Apache-2.0
// Convolutions of one to three dimensions and their gradients against naive loops, in steps over parts of a batch.

import Tensors
import Testing

@Suite struct ConvolutionTests {
    /// A convolution without its layouts.
    struct Sample: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let window: SpatialWindow
        let groups: Int
        let channels: (input: Int, output: Int)
        let hasBias: Bool
        let appliesReLU: Bool

        init(
            _ name: String, _ input: [Int], kernel: [Int], stride: [Int]? = nil, dilation: [Int]? = nil,
            pad: ([Int], [Int])? = nil, groups: Int = 1, _ inputChannels: Int, _ outputChannels: Int,
            hasBias: Bool = true, appliesReLU: Bool = false
        ) {
            let (ones, zeros) = (input.map { _ in 1 }, input.map { _ in 0 })
            testDescription = name
            window = SpatialWindow(
                input: input, kernel: kernel, stride: stride ?? ones, dilation: dilation ?? ones,
                padBefore: pad?.0 ?? zeros, padAfter: pad?.1 ?? zeros)
            self.groups = groups
            channels = (inputChannels, outputChannels)
            (self.hasBias, self.appliesReLU) = (hasBias, appliesReLU)
        }

        func shape(_ setting: SpatialSetting) -> ConvolutionShape {
            ConvolutionShape(
                window: window, groups: groups, inputChannels: channels.input, outputChannels: channels.output,
                sourceLayout: setting.layout(channels: channels.input),
                targetLayout: setting.layout(channels: channels.output), hasBias: hasBias, appliesReLU: appliesReLU)
        }
    }

    static let samples = [
        Sample("one position", [1], kernel: [1], 1, 1),
        Sample("signal", [17], kernel: [3], pad: ([1], [1]), 3, 5, hasBias: false),
        Sample("causal signal", [19], kernel: [3], dilation: [2], pad: ([4], [0]), 16, 32, appliesReLU: true),
        Sample("strided signal in groups", [23], kernel: [4], stride: [3], groups: 4, 8, 12),
        Sample("first", [15, 14], kernel: [7, 7], stride: [2, 2], pad: ([3, 3], [3, 3]), 3, 32, appliesReLU: true),
        Sample("3×3", [9, 10], kernel: [3, 3], pad: ([1, 1], [1, 1]), 16, 32),
        Sample("1×1 with stride", [9, 7], kernel: [1, 1], stride: [2, 2], 16, 48, hasBias: false),
        Sample("uneven", [9, 11], kernel: [3, 2], stride: [2, 1], pad: ([1, 0], [0, 1]), groups: 2, 4, 6),
        Sample("dilated", [12, 13], kernel: [3, 3], dilation: [2, 3], pad: ([2, 3], [2, 3]), 16, 16),
        Sample("depthwise", [8, 9], kernel: [3, 3], pad: ([1, 1], [1, 1]), groups: 32, 32, 32),
        Sample(
            "strided depthwise", [9, 9], kernel: [3, 3], stride: [2, 2], pad: ([0, 1], [1, 1]), groups: 5, 5, 5),
        Sample("depthwise times two", [6, 7], kernel: [3, 3], pad: ([1, 1], [1, 1]), groups: 3, 3, 6),
        Sample("two groups", [7, 6], kernel: [3, 3], pad: ([1, 1], [1, 1]), groups: 2, 32, 32, appliesReLU: true),
        Sample("kernel as large as its input", [5, 6], kernel: [5, 6], 16, 7),
        Sample("volume", [4, 5, 6], kernel: [2, 3, 3], stride: [1, 2, 1], dilation: [1, 1, 2], 2, 3),
        Sample("blocked volume", [4, 4, 5], kernel: [3, 3, 3], pad: ([1, 1, 1], [1, 1, 1]), 16, 16),
    ]

    @Test(arguments: samples, SpatialSetting.available)
    func stepsEqualTheNaiveLoops(_ sample: Sample, _ setting: SpatialSetting) {
        let shape = sample.shape(setting)
        let convolution = Convolution(
            shape, isTraining: true, wantsInputGradient: true, scratch: Scratch(), kernels: setting.kernels)
        // New weights, and parts of one batch in sizes known and new.
        for (step, parts) in [[3, 3, 1], [2], [1, 3]].enumerated() {
            Self.check(Step(shape, parts: parts, number: step), convolution, setting, tolerance: 2e-5)
        }
    }

    /// As wide as Winograd's algorithm is taken for where the processor has it; it rounds more coarsely.
    @Test(arguments: SpatialSetting.available) func wideMapsAreNear(_ setting: SpatialSetting) {
        let sample = Sample("wide", [10, 66], kernel: [3, 3], pad: ([1, 1], [1, 1]), 32, 64, appliesReLU: true)
        let shape = sample.shape(setting)
        let convolution = Convolution(
            shape, isTraining: true, wantsInputGradient: true, scratch: Scratch(), kernels: setting.kernels)
        for (step, parts) in [[2, 1], [2]].enumerated() {
            Self.check(Step(shape, parts: parts, number: step), convolution, setting, tolerance: 1e-4)
        }
    }

    @Test(arguments: SpatialSetting.available) func inferenceEqualsTraining(_ setting: SpatialSetting) {
        let shape = Sample("3×3", [9, 10], kernel: [3, 3], 16, 32).shape(setting)
        let step = Step(shape, parts: [2, 1], number: 0)
        let outputs = [true, false].map { isTraining in
            let convolution = Convolution(
                shape, isTraining: isTraining, wantsInputGradient: false, scratch: Scratch(), kernels: setting.kernels)
            return step.run(convolution, setting, isTraining: false).y
        }
        #expect(firstDifference(outputs[1], doubles(outputs[0]), tolerance: 1e-5) == nil)
        #expect(outputs[0].contains { $0 != 0 && !$0.isNaN })
    }

    @Test(arguments: SpatialSetting.available) func convolutionsMayShareScratch(_ setting: SpatialSetting) {
        let scratch = Scratch()
        let shapes = [
            Sample("small", [5, 5], kernel: [2, 2], 16, 16).shape(setting),
            Sample("large", [16, 17], kernel: [5, 5], 32, 48).shape(setting),
        ]
        // The second one moves the memory that the first has reserved.
        let convolutions = shapes.map {
            Convolution($0, isTraining: true, wantsInputGradient: true, scratch: scratch, kernels: setting.kernels)
        }
        for (number, convolution) in (convolutions + convolutions).enumerated() {
            let step = Step(convolution.shape, parts: [2], number: number)
            Self.check(step, convolution, setting, tolerance: 2e-5)
        }
    }

    /// Without a fused ReLU: some of oneDNN's make NaN zero.
    @Test(arguments: SpatialSetting.available) func nanStaysVisible(_ setting: SpatialSetting) {
        let shape = Sample("3×3", [6, 6], kernel: [3, 3], pad: ([1, 1], [1, 1]), 16, 16).shape(setting)
        var step = Step(shape, parts: [2], number: 0)
        step.x[7] = .nan  // example 0, channel 0, row 1, column 1
        let convolution = Convolution(
            shape, isTraining: false, wantsInputGradient: false, scratch: Scratch(), kernels: setting.kernels)
        let y = step.run(convolution, setting, isTraining: false).y
        for (index, value) in y.enumerated() {
            let (example, row, column) = (index / 576, index % 36 / 6, index % 6)
            #expect(value.isNaN == (example == 0 && row < 3 && column < 3), "\(index)")
        }
    }

    private static func check(_ step: Step, _ convolution: Convolution, _ setting: SpatialSetting, tolerance: Double) {
        let results = step.run(convolution, setting, isTraining: true)
        let naive = NaiveConvolution(step.shape, examples: step.examples)
        let y = naive.forward(step.x, weights: step.weights, bias: step.bias)
        let gradients = naive.gradients(step.x, weights: step.weights, gradient: step.dy)
        func added(_ gradient: [Double], _ start: [Float]) -> [Double] { zip(gradient, start).map { $0 + Double($1) } }
        #expect(firstDifference(results.y, y, tolerance: tolerance) == nil, "y, parts \(step.parts)")
        #expect(firstDifference(results.dx, gradients.x, tolerance: tolerance) == nil, "dx, parts \(step.parts)")
        let dw = added(gradients.weights, step.weightGradient)
        #expect(firstDifference(results.dw, dw, tolerance: tolerance) == nil, "dw, parts \(step.parts)")
        if step.bias != nil {
            let dbias = added(gradients.bias, step.biasGradient)
            #expect(firstDifference(results.dbias, dbias, tolerance: tolerance) == nil, "dbias, parts \(step.parts)")
        }
    }
}

extension ConvolutionTests {
    /// The values of one step, plain, and how its batch is cut.
    struct Step {
        let shape: ConvolutionShape
        let parts: [Int]
        let weights: [Float]
        let bias: [Float]?
        var x: [Float]
        let dy: [Float]
        /// What the flat gradients hold before the step adds to them.
        let weightGradient: [Float]
        let biasGradient: [Float]

        var examples: Int { parts.reduce(0, +) }

        init(_ shape: ConvolutionShape, parts: [Int], number: Int) {
            self.shape = shape
            self.parts = parts
            let examples = parts.reduce(0, +)
            weights = seededFloats(shape.weightCount, "weights \(number)")
            bias = shape.hasBias ? seededFloats(shape.outputChannels, "bias \(number)") : nil
            x = seededFloats(examples * shape.sourceCount, "x \(number)")
            dy = seededFloats(examples * shape.targetCount, "dy \(number)")
            weightGradient = seededFloats(shape.weightCount, "dw \(number)")
            biasGradient = seededFloats(shape.outputChannels, "dbias \(number)")
        }

        /// Runs the step part by part; all results plain.
        func run(
            _ convolution: Convolution, _ setting: SpatialSetting, isTraining: Bool
        ) -> (y: [Float], dx: [Float], dw: [Float], dbias: [Float]) {
            let (inputs, outputs) = (shape.inputChannels, shape.outputChannels)
            let results = onFloats([
                weights, bias ?? [], weightGradient, biasGradient,
                setting.stored(x, examples: examples, channels: inputs), unwritten(examples * shape.targetCount),
                setting.stored(dy, examples: examples, channels: outputs), unwritten(x.count),
            ]) { memory in
                convolution.begin(weights: memory[0], bias: bias == nil ? nil : memory[1])
                var first = 0
                for part in parts {
                    let range = first..<first + part
                    let (source, target) = (
                        memory[4].rows(range, width: shape.sourceCount), memory[5].rows(range, width: shape.targetCount)
                    )
                    convolution.forward(source, examples: part, into: target)
                    if isTraining {
                        let gradient = memory[6].rows(range, width: shape.targetCount)
                        convolution.backwardWeights(source, gradient: gradient, examples: part)
                        let input = memory[7].rows(range, width: shape.sourceCount)
                        convolution.backwardData(gradient, examples: part, into: input)
                    }
                    first += part
                }
                if isTraining {
                    convolution.finish(weightGradient: memory[2], biasGradient: bias == nil ? nil : memory[3])
                }
            }
            return (
                setting.plain(results[5], examples: examples, channels: outputs),
                setting.plain(results[7], examples: examples, channels: inputs), results[2], results[3]
            )
        }
    }
}
