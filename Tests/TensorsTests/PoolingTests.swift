// SPDX-License-Identifier: Apache-2.0
// Max and average pooling against naive loops, and copies between layouts.

import Tensors
import Testing

@Suite struct PoolingTests {
    private static let kinds: [PoolingKind] = [
        .maximum, .average(countsPadding: false), .average(countsPadding: true),
    ]
    private static let windows = [
        window([7], kernel: [2], stride: [2]),
        window([11], kernel: [3], stride: [1], pad: ([1], [1])),
        window([6, 8], kernel: [2, 2], stride: [2, 2]),
        window([9, 7], kernel: [3, 2], stride: [2, 1], pad: ([1, 0], [1, 1])),
        window([7, 7], kernel: [7, 7], stride: [7, 7]),
        // More places than a byte can number.
        window([18, 17], kernel: [18, 17], stride: [1, 1]),
        window([4, 5, 6], kernel: [2, 3, 2], stride: [2, 1, 2], pad: ([0, 1, 0], [0, 1, 0])),
    ]

    @Test(arguments: kinds, SpatialSetting.available)
    func poolingEqualsTheNaiveLoops(_ kind: PoolingKind, _ setting: SpatialSetting) {
        for window in Self.windows {
            for channels in [1, 5, 32] {
                let pooling = Pooling(
                    kind, window: window, channels: channels, layout: setting.layout(channels: channels),
                    isTraining: true, scratch: Scratch(), kernels: setting.kernels)
                for examples in [1, 3, 2] { Self.check(pooling, setting, examples: examples) }
            }
        }
    }

    @Test(arguments: kinds, SpatialSetting.available)
    func inferenceNeedsNoWorkspace(_ kind: PoolingKind, _ setting: SpatialSetting) {
        let window = Self.windows[3]
        let pooling = Pooling(
            kind, window: window, channels: 16, layout: setting.layout(channels: 16), isTraining: false,
            scratch: Scratch(), kernels: setting.kernels)
        #expect(pooling.workspaceCount == 0)
        let x = seededFloats(2 * pooling.sourceCount, "x")
        let y = onFloats([setting.stored(x, examples: 2, channels: 16), unwritten(2 * pooling.targetCount)]) {
            pooling.forward($0[0], examples: 2, into: $0[1], workspace: nil)
        }[1]
        let expected = NaivePooling(kind: kind, window: window, planes: 32).forward(x)
        #expect(firstDifference(setting.plain(y, examples: 2, channels: 16), expected) == nil)
    }

    // Private training cuts a share between patients, forward where the cache says.
    @Test(arguments: kinds, SpatialSetting.available)
    func backwardMayBeGivenOtherParts(_ kind: PoolingKind, _ setting: SpatialSetting) {
        for window in Self.windows {
            for channels in [1, 3, 5, 16] {
                let pooling = Pooling(
                    kind, window: window, channels: channels, layout: setting.layout(channels: channels),
                    isTraining: true, scratch: Scratch(), kernels: setting.kernels)
                func gradient(_ parts: [Range<Int>]) -> [Float] {
                    let values = [
                        seededFloats(3 * pooling.sourceCount, "x"), unwritten(3 * pooling.targetCount),
                        unwritten(3 * max(pooling.workspaceCount, 1)), seededFloats(3 * pooling.targetCount, "dy"),
                        unwritten(3 * pooling.sourceCount),
                    ]
                    return onFloats(values) { values in
                        let width = pooling.workspaceCount
                        pooling.forward(values[0], examples: 3, into: values[1], workspace: values[2])
                        for part in parts {
                            pooling.backward(
                                values[3].rows(part, width: pooling.targetCount), examples: part.count,
                                into: values[4].rows(part, width: pooling.sourceCount),
                                workspace: width == 0 ? nil : values[2].rows(part, width: width))
                        }
                    }[4]
                }
                #expect(gradient([0..<1, 1..<3]) == gradient([0..<3]), "\(channels) channels, \(window)")
            }
        }
    }

    @Test func largestValueOfPaddingAloneIsNone() {
        // The portable loops define it: −∞, and no gradient.
        let window = Self.window([3], kernel: [1], stride: [1], pad: ([1], [1]))
        let pooling = Pooling(
            .maximum, window: window, channels: 1, layout: .plain, isTraining: true, scratch: Scratch(),
            kernels: .portable)
        let results = onFloats([[-1, -2, -3], unwritten(5), unwritten(5), [1, 2, 3, 4, 5], unwritten(3)]) {
            pooling.forward($0[0], examples: 1, into: $0[1], workspace: $0[2])
            pooling.backward($0[3], examples: 1, into: $0[4], workspace: $0[2])
        }
        #expect(results[1] == [-.infinity, -1, -2, -3, -.infinity])
        #expect(results[4] == [2, 3, 4])
    }

    @Test func theFirstOfEqualValuesTakesTheGradient() {
        for setting in SpatialSetting.available {
            let pooling = Pooling(
                .maximum, window: Self.window([4], kernel: [2], stride: [2]), channels: 1, layout: .plain,
                isTraining: true, scratch: Scratch(), kernels: setting.kernels)
            let results = onFloats([
                [2, 2, 0, 0], unwritten(2), unwritten(pooling.workspaceCount), [5, 7], unwritten(4),
            ]) {
                pooling.forward($0[0], examples: 1, into: $0[1], workspace: $0[2])
                pooling.backward($0[3], examples: 1, into: $0[4], workspace: $0[2])
            }
            #expect(results[1] == [2, 0] && results[4] == [5, 0, 7, 0], "\(setting.testDescription)")
        }
    }

    /// Not the maximum of oneDNN, which passes NaN over: a window of nothing else gives the least finite number.
    @Test(arguments: kinds, SpatialSetting.available)
    func nanStaysVisible(_ kind: PoolingKind, _ setting: SpatialSetting) {
        if kind == .maximum && setting.kernels == .fastest && DeepNeuralNetworkLibrary.isBuilt { return }
        let pooling = Pooling(
            kind, window: Self.window([40], kernel: [4], stride: [4]), channels: 16,
            layout: setting.layout(channels: 16), isTraining: true, scratch: Scratch(), kernels: setting.kernels)
        for place in 0..<4 {
            var x = seededFloats(pooling.sourceCount, "x")
            x[5 * 40 + 8 + place] = .nan  // channel 5, third window
            let memory = [
                setting.stored(x, examples: 1, channels: 16), unwritten(160), unwritten(pooling.workspaceCount),
            ]
            let y = onFloats(memory) {
                pooling.forward($0[0], examples: 1, into: $0[1], workspace: kind == .maximum ? $0[2] : nil)
            }[1]
            let plain = setting.plain(y, examples: 1, channels: 16)
            #expect(plain.indices.filter { plain[$0].isNaN } == [52], "place \(place)")
        }
    }

    private static func check(_ pooling: Pooling, _ setting: SpatialSetting, examples: Int) {
        let (channels, window) = (pooling.channels, pooling.window)
        let x = seededFloats(examples * pooling.sourceCount, "x")
        let dy = seededFloats(examples * pooling.targetCount, "dy")
        let hasWorkspace = pooling.workspaceCount > 0
        #expect(hasWorkspace == (pooling.kind == .maximum))
        let results = onFloats([
            setting.stored(x, examples: examples, channels: channels), unwritten(dy.count),
            unwritten(examples * pooling.workspaceCount), setting.stored(dy, examples: examples, channels: channels),
            unwritten(x.count),
        ]) {
            pooling.forward($0[0], examples: examples, into: $0[1], workspace: hasWorkspace ? $0[2] : nil)
            pooling.backward($0[3], examples: examples, into: $0[4], workspace: hasWorkspace ? $0[2] : nil)
        }
        let naive = NaivePooling(kind: pooling.kind, window: window, planes: examples * channels)
        let y = setting.plain(results[1], examples: examples, channels: channels)
        let dx = setting.plain(results[4], examples: examples, channels: channels)
        #expect(firstDifference(y, naive.forward(x)) == nil, "y of \(window.input), \(channels) channels")
        let exact = naive.backward(x, gradient: dy)
        #expect(firstDifference(dx, exact) == nil, "dx of \(window.input), \(channels) channels")
    }

    private static func window(
        _ input: [Int], kernel: [Int], stride: [Int], pad: ([Int], [Int])? = nil
    ) -> SpatialWindow {
        let zeros = input.map { _ in 0 }
        return SpatialWindow(
            input: input, kernel: kernel, stride: stride, dilation: input.map { _ in 1 }, padBefore: pad?.0 ?? zeros,
            padAfter: pad?.1 ?? zeros)
    }
}

@Suite struct LayoutCopyTests {
    @Test(arguments: [1, 7, 49]) func copiesGoThereAndBack(positions: Int) {
        // Without oneDNN nothing is ever blocked, and there is nothing to copy.
        for channels in DeepNeuralNetworkLibrary.isBuilt ? [16, 32, 80] : [] {
            let scratch = Scratch()
            let (there, back) = (
                LayoutCopy(channels: channels, positions: positions, from: .plain, to: .blocked, scratch: scratch),
                LayoutCopy(channels: channels, positions: positions, from: .blocked, to: .plain, scratch: scratch)
            )
            for examples in [2, 1, 2] {
                let x = seededFloats(examples * channels * positions, "x")
                let results = onFloats([x, unwritten(x.count), unwritten(x.count)]) {
                    there.run($0[0], examples: examples, into: $0[1])
                    back.run($0[1], examples: examples, into: $0[2])
                }
                #expect(results[1] == blocked(x, examples: examples, channels: channels))
                #expect(results[2] == x)
            }
        }
    }
}
