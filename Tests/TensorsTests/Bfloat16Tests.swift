// SPDX-License-Identifier: Apache-2.0
// Conversion to bfloat16 against its definition, and products and convolutions that read it against float32.

import Tensors
import Testing

@Suite struct Bfloat16Tests {
    private static func converted(_ values: [Float]) -> [UInt16] {
        var patterns: [UInt16] = []
        _ = onFloats([values]) { patterns = bfloat16Patterns(of: $0[0]) }
        return patterns
    }

    @Test func everyBfloat16ValueIsItself() {
        let all = (0...UInt32(UInt16.max)).map { Float(bitPattern: $0 << 16) }
        for (pattern, result) in Self.converted(all).enumerated() {
            // A NaN may become a quiet one, with sign and payload kept.
            let expected = all[pattern].isNaN ? UInt16(pattern) | 0x40 : UInt16(pattern)
            guard result == expected else {
                _ = Issue.record("\(result), not \(expected)")
                return
            }
        }
    }

    @Test func halfwayValuesGoToTheEvenNeighbour() {
        // Just below, at, and just above half of the last kept bit, for every finite number: also into the next binade,
        // out of the subnormal numbers, and to infinity.
        let finite = (0...UInt32(UInt16.max)).filter { Float(bitPattern: $0 << 16).isFinite }
        for (lost, roundsUp) in [
            (0x7fff, { (_: UInt32) in false }), (0x8000, { $0 & 1 == 1 }), (0x8001, { _ in true }),
        ] as [(UInt32, (UInt32) -> Bool)] {
            let results = Self.converted(finite.map { Float(bitPattern: $0 << 16 | lost) })
            for (pattern, result) in zip(finite, results) {
                let expected = UInt16(roundsUp(pattern) ? pattern + 1 : pattern)
                guard result == expected else {
                    _ = Issue.record("\(pattern) and \(lost): \(result)")
                    return
                }
            }
        }
    }

    @Test func nanStaysNaNWhereverItsPayloadIs() {
        for pattern in [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff, 0x7f80_8000, 0xffc0_0000] as [UInt32] {
            let result = Self.converted([Float(bitPattern: pattern)])[0]
            #expect(Float(bitPattern: UInt32(result) << 16).isNaN && result >> 15 == pattern >> 31)
        }
    }

    @Test func everyLengthIsConverted() {
        for count in 0...50 {
            let values = seededFloats(count, "x")
            #expect(Self.converted(values) == values.flatMap { Self.converted([$0]) })
        }
    }

    // MARK: Products

    /// Values as bfloat16 holds them.
    static func rounded(_ values: [Float]) -> [Float] {
        converted(values).map { Float(bitPattern: UInt32($0) << 16) }
    }

    /// ‖values − expected‖ ÷ ‖expected‖.
    static func relativeError(_ values: [Float], _ expected: [Double]) -> Double {
        let error = zip(values, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        return (error / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    /// Whether all of them read bfloat16, where the processor does, and none is the library's reference code.
    static func areFast(_ implementations: [String]) -> Bool {
        !implementations.isEmpty && !implementations.contains { $0.contains("ref") }
            && (!DeepNeuralNetworkLibrary.hasBfloat16 || implementations.allSatisfy { $0.contains("bf16") })
    }

    @Test func productsRoundTheirOperandsOnly() {
        for form in 0..<64 {
            func isSet(_ bit: Int) -> Bool { form >> bit & 1 == 1 }
            var shape = ProductShape(m: 67, k: 129, n: 131)
            (shape.transposesA, shape.transposesB) = (isSet(0), isSet(1))
            (shape.hasBias, shape.accumulates, shape.appliesReLU) = (isSet(2), isSet(3), isSet(4))
            shape.packsB = isSet(5)
            let (a, b) = (seededFloats(67 * 129, "a"), seededFloats(129 * 131, "b"))
            let bias = shape.hasBias ? seededFloats(131, "bias") : nil
            let c = shape.accumulates ? seededFloats(67 * 131, "c") : unwritten(67 * 131)
            let product = MatrixProduct(shape, scratch: Scratch(), kernels: .fastest, precision: .bfloat16)
            let result = onFloats([a, b, bias ?? [], c]) {
                if shape.packsB { product.pack($0[1]) }
                product.run($0[0], $0[1], bias: bias == nil ? nil : $0[2], into: $0[3])
            }[3]
            let exact = MatrixProductTests.exact(shape, a, b, bias, c)
            #expect(Self.relativeError(result, exact) < 0x1p-8, "\(shape)")
            guard DeepNeuralNetworkLibrary.isBuilt else { continue }
            #expect(Self.areFast([product.implementation].compactMap(\.self)), "\(shape)")
            guard DeepNeuralNetworkLibrary.hasBfloat16 else { continue }
            let exactOfRounded = MatrixProductTests.exact(shape, Self.rounded(a), Self.rounded(b), bias, c)
            #expect(firstDifference(result, exactOfRounded) == nil, "\(shape)")
        }
    }

    @Test func copiesAreMadeAgainWhenTheValuesChanged() {
        let product = MatrixProduct(
            ProductShape(m: 130, k: 100, n: 90), scratch: Scratch(), kernels: .fastest, precision: .bfloat16)
        let (aCopy, bCopy) = (Bfloat16Copy(), Bfloat16Copy())
        let b = seededFloats(100 * 90, "b")
        bCopy.expire()
        for (round, part) in [0..<2, 2..<4, 0..<2].enumerated() {
            let a = seededFloats(130 * 100, "a \(round)")
            let results = onFloats([a, b, unwritten(130 * 90), unwritten(130 * 90), unwritten(130 * 90)]) {
                product.run($0[0], $0[1], into: $0[2])
                aCopy.begin(part)
                product.run($0[0], $0[1], copies: (aCopy, bCopy), into: $0[3])
                aCopy.resume(part)
                product.run($0[0], $0[1], copies: (aCopy, bCopy), into: $0[4])
            }
            #expect(results[2] == results[3] && results[3] == results[4], "\(round)")
        }
        // Another part's values are converted again.
        let a = seededFloats(130 * 100, "a")
        let results = onFloats([a, b, unwritten(130 * 90), unwritten(130 * 90)]) {
            aCopy.resume(2..<4)
            product.run($0[0], $0[1], copies: (aCopy, bCopy), into: $0[2])
            product.run($0[0], $0[1], into: $0[3])
        }
        #expect(results[2] == results[3])
    }

    @Test func ownLoopsStayFloat32() {
        let (a, b) = (seededFloats(5 * 7, "a"), seededFloats(7 * 9, "b"))
        for kernels in kernelSets {
            let results = [Precision.float32, .bfloat16].map { precision in
                let product = MatrixProduct(
                    ProductShape(m: 5, k: 7, n: 9), scratch: Scratch(), kernels: kernels, precision: precision)
                return onFloats([a, b, unwritten(45)]) { product.run($0[0], $0[1], into: $0[2]) }[2]
            }
            #expect(results[0] == results[1])
        }
    }

    // MARK: Convolutions

    @Test(arguments: ConvolutionTests.samples, SpatialSetting.available)
    func convolutionsAreNearFloat32(_ sample: ConvolutionTests.Sample, _ setting: SpatialSetting) {
        let shape = sample.shape(setting)
        let step = ConvolutionTests.Step(shape, parts: [2, 1], number: 0)
        var references: [Int] = []
        let results = [Precision.float32, .bfloat16].map { precision in
            let convolution = Convolution(
                shape, isTraining: true, wantsInputGradient: true, scratch: Scratch(), kernels: setting.kernels,
                precision: ConvolutionPrecision(precision))
            let result = step.run(convolution, setting, isTraining: true)
            references.append(convolution.implementations.count { $0.hasPrefix("ref") })
            return result
        }
        // Some shapes that the layers never ask for have nothing else in float32.
        #expect(references[1] <= references[0])
        let (exact, result) = (results[0], results[1])
        for (values, expected) in [
            (result.y, exact.y), (result.dx, exact.dx), (result.dw, exact.dw), (result.dbias, exact.dbias),
        ] where !expected.isEmpty {
            #expect(Self.relativeError(values, doubles(expected)) < 0x1p-8)
        }
    }

    @Test func wideConvolutionsReadBfloat16() {
        guard DeepNeuralNetworkLibrary.hasBfloat16 else { return }
        // In float32 these are Winograd's.
        let sample = ConvolutionTests.Sample(
            "wide", [10, 66], kernel: [3, 3], pad: ([1, 1], [1, 1]), 32, 64, appliesReLU: true)
        for setting in SpatialSetting.available where setting.layout(channels: 32) == .blocked {
            let step = ConvolutionTests.Step(sample.shape(setting), parts: [2], number: 0)
            let convolution = Convolution(
                step.shape, isTraining: true, wantsInputGradient: true, scratch: Scratch(), kernels: .fastest,
                precision: ConvolutionPrecision(.bfloat16))
            let result = step.run(convolution, setting, isTraining: true)
            #expect(Self.areFast(convolution.implementations), "\(convolution.implementations)")
            let exact = NaiveConvolution(step.shape, examples: 2)
            #expect(
                Self.relativeError(result.y, exact.forward(step.x, weights: step.weights, bias: step.bias)) < 0x1p-8)
        }
    }

    /// Both gradients in one call are what the calls one by one give, in whichever types the two are computed.
    @Test(arguments: SpatialSetting.available) func bothGradientsInOneCall(_ setting: SpatialSetting) {
        let sample = ConvolutionTests.Sample("3×3", [9, 10], kernel: [3, 3], 16, 32)
        let step = ConvolutionTests.Step(sample.shape(setting), parts: [2], number: 0)
        for precision in [
            ConvolutionPrecision(.float32), ConvolutionPrecision(.bfloat16),
            ConvolutionPrecision(.bfloat16, weightGradient: .float32),
        ] {
            func run(together: Bool) -> [[Float]] {
                let convolution = Convolution(
                    step.shape, isTraining: true, wantsInputGradient: true, scratch: Scratch(),
                    kernels: setting.kernels, precision: precision)
                return onFloats([
                    step.weights, step.bias ?? [], step.x, step.dy, unwritten(step.x.count), step.weightGradient,
                    step.biasGradient,
                ]) {
                    convolution.begin(weights: $0[0], bias: $0[1])
                    if together {
                        convolution.backward($0[2], gradient: $0[3], examples: 2, into: $0[4])
                    } else {
                        convolution.backwardData($0[3], examples: 2, into: $0[4])
                        convolution.backwardWeights($0[2], gradient: $0[3], examples: 2)
                    }
                    convolution.finish(weightGradient: $0[5], biasGradient: $0[6])
                }
            }
            #expect(run(together: true) == run(together: false))
        }
    }

    // MARK: What is refused

    @Test func precisionIsRefusedWhereItIsMissing() throws {
        try Precision.float32.check(kernels: .portable, allowsEmulation: false)
        #expect(throws: PrecisionError.needsLibrary) {
            try Precision.bfloat16.check(kernels: .portable, allowsEmulation: true)
        }
        guard DeepNeuralNetworkLibrary.isBuilt else {
            #expect(throws: PrecisionError.needsLibrary) {
                try Precision.bfloat16.check(kernels: .fastest, allowsEmulation: true)
            }
            return
        }
        try Precision.bfloat16.check(kernels: .fastest, allowsEmulation: true)
        if DeepNeuralNetworkLibrary.hasBfloat16 {
            try Precision.bfloat16.check(kernels: .fastest, allowsEmulation: false)
        } else {
            #expect(throws: PrecisionError.needsProcessor) {
                try Precision.bfloat16.check(kernels: .fastest, allowsEmulation: false)
            }
        }
    }
}
