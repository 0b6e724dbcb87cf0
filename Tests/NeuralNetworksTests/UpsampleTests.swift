// SPDX-License-Identifier: Apache-2.0
// Larger maps by repeated values, against plain loops.

import NeuralNetworks
import Testing

@Suite struct UpsampleTests {
    @Test(arguments: [[4], [3, 2], [2, 3, 4]], [1, 2, 3])
    func valuesAreRepeatedAndGradientsAdded(_ sizes: [Int], _ factor: Int) throws {
        let (channels, examples) = (2, 3)
        let graph = try Graph(input: Shape([channels] + sizes), layers: [Upsample(factor)])
        let large = sizes.map { $0 * factor }
        #expect(graph.shapes.last == Shape([channels] + large))
        let (inputs, outputs) = (channels * sizes.reduce(1, *), channels * large.reduce(1, *))
        let x = (0..<examples * inputs).map { Float($0 % 17) }
        let dy = (0..<examples * outputs).map { Float($0 % 13) }
        // The place in a small map of a place in a large one.
        func source(_ place: Int) -> Int {
            var (rest, source, step) = (place, 0, 1)
            for (size, wide) in zip(sizes, large).reversed() {
                source += rest % wide / factor * step
                (rest, step) = (rest / wide, step * size)
            }
            return source + rest * step
        }
        var (y, dx) = ([Float](), [Float](repeating: 0, count: x.count))
        for example in 0..<examples {
            for place in 0..<outputs {
                y.append(x[example * inputs + source(place)])
                dx[example * inputs + source(place)] += dy[example * outputs + place]
            }
        }
        let run = PlanRun(graph, parameters: [:], inputs: [x], cotangent: dy, examples: examples)
        #expect(run.outputs == y)
        #expect(run.inputGradient == dx)
    }
}
