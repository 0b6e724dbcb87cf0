// SPDX-License-Identifier: Apache-2.0
// Layers of compiled models against PyTorch in double precision, with both sets of kernels.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct PlanGoldenTests {
    /// Runs the layer of one golden file and compares output, input gradient and parameter gradients.
    static func check(
        _ name: String, _ golden: GoldenVectors.Case, input: Shape, nodes: [Node], edge: Int? = nil,
        kernels: KernelSet, precision: Precision = .float32
    ) throws {
        let file = golden.file
        let graph = try Graph(inputs: [input], nodes: nodes, outputs: [edge ?? nodes.count])
        let examples = try file.tensor("input.0").shape[0]
        var parameters: [String: [Float]] = [:]
        for slice in graph.slices { parameters[slice.name] = try file.floats("param." + withoutPrefix(slice.name)) }
        let lengths = golden.numbers("lengths")?.map { Int($0) }
        let run = PlanRun(
            graph, parameters: parameters, inputs: [try file.floats("input.0")], lengths: lengths,
            cotangent: try file.floats("cotangent"), examples: examples, kernels: kernels,
            precision: precision)
        #expect(GoldenVectors.agree(run.outputs, try file.values("output"), precision), "\(name) output, \(kernels)")
        if !input.holdsTokens {
            #expect(
                GoldenVectors.agree(run.inputGradient, try file.values("grad.input.0"), precision),
                "\(name) input gradient, \(kernels)")
        }
        for slice in graph.slices {
            #expect(
                GoldenVectors.agree(
                    run.gradients[slice.name] ?? [], try file.values("grad.param." + withoutPrefix(slice.name)),
                    precision),
                "\(name) gradient of \(slice.name), \(kernels)")
        }
    }

    /// The name within the golden file, which has no name of the node.
    private static func withoutPrefix(_ name: String) -> String {
        String(name.drop { $0 != "." }.dropFirst())
    }

    private static func shape(_ file: SafetensorsFile) throws -> Shape {
        Shape(Array(try file.tensor("input.0").shape.dropFirst()))
    }

    @Test(arguments: KernelSet.all, [Precision.float32, .bfloat16])
    func denseLayersMatchPyTorch(kernels: KernelSet, precision: Precision) throws {
        try GoldenVectors.forEach(["dense"]) { name, golden in
            let units = try golden.file.tensor("param.weight").shape[0]
            try Self.check(
                name, golden, input: try Self.shape(golden.file), nodes: [Node("l", Dense(units), inputs: [0])],
                kernels: kernels, precision: precision)
        }
    }

    @Test(arguments: KernelSet.all, [Precision.float32, .bfloat16])
    func convolutionsMatchPyTorch(kernels: KernelSet, precision: Precision) throws {
        let names = [
            "conv1d_same", "conv2d_1x1", "conv2d_depthwise", "conv2d_dilated", "conv2d_groups", "conv2d_same",
            "conv2d_stride2", "conv2d_valid", "conv3d",
        ]
        try GoldenVectors.forEach(names) { name, golden in
            let weight = try golden.file.tensor("param.weight").shape
            let rank = weight.count - 2
            func sizes(_ name: String, _ standard: Double) -> [Int] {
                .init(repeating: Int(golden.number(name) ?? standard), count: rank)
            }
            let layer = Convolve(
                weight[0], kernel: sizes("kernel", 1), stride: sizes("stride", 1),
                padding: .explicit(sizes("padding", 0)), dilation: sizes("dilation", 1),
                groups: Int(golden.number("groups") ?? 1))
            try Self.check(
                name, golden, input: try Self.shape(golden.file), nodes: [Node("l", layer, inputs: [0])],
                kernels: kernels, precision: precision)
        }
    }

    @Test(arguments: KernelSet.all) func poolingMatchesPyTorch(kernels: KernelSet) throws {
        try GoldenVectors.forEach(["maxpool2d", "maxpool2d_odd", "avgpool2d", "global_avgpool2d"]) { name, golden in
            let kernel = Int(golden.number("kernel") ?? 0)
            let padding = Padding.explicit(.init(repeating: Int(golden.number("padding") ?? 0), count: 2))
            let stride = golden.number("stride").map { Int($0) }
            let layer: Pool =
                switch name {
                case "global_avgpool2d": .globalAverage
                case "avgpool2d": .average2D(kernel, stride: stride, padding: padding)
                default: .max2D(kernel, stride: stride, padding: padding)
                }
            try Self.check(
                name, golden, input: try Self.shape(golden.file), nodes: [Node("l", layer, inputs: [0])],
                kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all) func activationsMatchPyTorch(kernels: KernelSet) throws {
        let layers: [String: any Layer] = [
            "act_relu": ActivationLayer(.relu), "act_gelu_erf": ActivationLayer(.gelu),
            "act_gelu_tanh": ActivationLayer(.geluTanh), "act_silu": ActivationLayer(.silu),
            "act_tanh": ActivationLayer(.tanh), "act_sigmoid": ActivationLayer(.sigmoid),
            "act_elu": ActivationLayer(.elu(alpha: 1)), "act_leaky_relu_0.01": ActivationLayer(.leakyReLU(slope: 0.01)),
            "act_softmax": SoftmaxLayer(), "act_log_softmax": SoftmaxLayer(logarithmic: true),
        ]
        try GoldenVectors.forEach(layers.keys.sorted()) { name, golden in
            let layer = try #require(layers[name])
            try Self.check(
                name, golden, input: try Self.shape(golden.file), nodes: [Node("l", layer, inputs: [0])],
                kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all) func normalisationsMatchPyTorch(kernels: KernelSet) throws {
        try GoldenVectors.forEach(["layernorm", "groupnorm"]) { name, golden in
            // Two groups; the files do not say so.
            let layer: any Layer = name == "groupnorm" ? GroupNorm(2) : LayerNorm()
            try Self.check(
                name, golden, input: try Self.shape(golden.file), nodes: [Node("l", layer, inputs: [0])],
                kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all) func batchNormalisationMatchesPyTorch(kernels: KernelSet) throws {
        try GoldenVectors.forEach(["batchnorm2d_train"]) { name, golden in
            let channels = try golden.file.tensor("param.weight").shape[0]
            let graph = try Graph(input: try Self.shape(golden.file), layers: [BatchNorm()])
            let run = PlanRun(
                graph,
                parameters: [
                    "0.weight": try golden.file.floats("param.weight"), "0.bias": try golden.file.floats("param.bias"),
                    "0.running_mean": .init(repeating: 0, count: channels),
                    "0.running_var": .init(repeating: 1, count: channels),
                ], inputs: [try golden.file.floats("input.0")], cotangent: try golden.file.floats("cotangent"),
                examples: try golden.file.tensor("input.0").shape[0], kernels: kernels)
            #expect(GoldenVectors.agree(run.outputs, try golden.file.values("output")), "\(name) output")
            #expect(GoldenVectors.agree(run.inputGradient, try golden.file.values("grad.input.0")), "\(name) input")
            for tensor in ["weight", "bias"] {
                let expected = try golden.file.values("grad.param.\(tensor)")
                #expect(GoldenVectors.agree(run.gradients["0.\(tensor)"] ?? [], expected), "\(name) \(tensor)")
            }
            for tensor in ["running_mean", "running_var"] {
                let expected = try golden.file.values("buffer.\(tensor)")
                #expect(GoldenVectors.agree(run.parameters["0.\(tensor)"] ?? [], expected), "\(name) \(tensor)")
            }
        }
    }

    @Test(arguments: KernelSet.all) func embeddingsMatchPyTorch(kernels: KernelSet) throws {
        try GoldenVectors.forEach(["embedding"]) { name, golden in
            let table = try golden.file.tensor("param.weight").shape
            let layer = Embedding(table[0], width: table[1], padding: golden.number("padding_idx").map { Int($0) })
            let length = try golden.file.tensor("input.0").shape[1]
            try Self.check(
                name, golden, input: .tokens(length), nodes: [Node("l", layer, inputs: [0])], kernels: kernels)
        }
    }
}
