// SPDX-License-Identifier: Apache-2.0
// Models written in Swift, with the names, fields and defaults of studies.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

package import Tensors

extension ModelSpecification {
    /// `ModelSpecification { Conv2D(32, kernel: 3, activation: .relu); MaxPool2D(2); Flatten(); Dense(10) }`
    package init(
        inputs: [ModelInput] = [], outputs: [String] = [], @ModelBuilder _ elements: () -> [ModelElement]
    ) {
        self.init(inputs: inputs, elements: elements(), outputs: outputs)
    }
}

/// Collects the layers of a model from Swift statements.
@resultBuilder
package enum ModelBuilder {
    package static func buildExpression(_ element: some StudyElement) -> [ModelElement] { [ModelElement(element)] }
    package static func buildExpression(_ element: ModelElement) -> [ModelElement] { [element] }
    package static func buildBlock(_ parts: [ModelElement]...) -> [ModelElement] { parts.flatMap(\.self) }
    package static func buildArray(_ parts: [[ModelElement]]) -> [ModelElement] { parts.flatMap(\.self) }
    package static func buildOptional(_ part: [ModelElement]?) -> [ModelElement] { part ?? [] }
    package static func buildEither(first part: [ModelElement]) -> [ModelElement] { part }
    package static func buildEither(second part: [ModelElement]) -> [ModelElement] { part }
}

extension StudyElement {
    package func named(_ name: String) -> ModelElement { ModelElement(self, name: name) }
    package func from(_ names: String...) -> ModelElement { ModelElement(self, from: names) }
}

extension ModelElement {
    package func named(_ name: String) -> ModelElement { ModelElement(content, name: name, from: from) }
    package func from(_ names: String...) -> ModelElement { ModelElement(content, name: name, from: names) }
}

/// One size for all dimensions, or one for each: `3` or `[3, 5]`.
package struct Sizes: Hashable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    private let values: [Int]

    package init(_ size: Int) { values = [size] }
    package init(_ sizes: [Int]) { values = sizes }
    package init(integerLiteral size: Int) { values = [size] }
    package init(arrayLiteral sizes: Int...) { values = sizes }

    func over(_ dimensions: Int) -> [Int] {
        values.count == 1 ? [Int](repeating: values[0], count: dimensions) : values
    }
}

extension Padding {
    /// So many zeros on both sides of every dimension.
    package static func zeros(_ amounts: Sizes) -> Padding { .explicit(amounts.over(1)) }

    /// The same, with one amount for each dimension.
    func over(_ dimensions: Int) -> Padding {
        guard case .explicit(let amounts) = self else { return self }
        return .explicit(Sizes(amounts).over(dimensions))
    }
}

extension Convolve {
    fileprivate init(
        dimensions: Int, _ filters: Int, _ kernel: Sizes, _ stride: Sizes, _ padding: Padding, _ dilation: Sizes,
        _ groups: Int, _ activation: ActivationFunction, _ hasBias: Bool
    ) {
        self.init(
            filters, kernel: kernel.over(dimensions), stride: stride.over(dimensions),
            padding: padding.over(dimensions), dilation: dilation.over(dimensions), groups: groups,
            activation: activation, bias: hasBias)
    }
}

/// A convolution over time or along a signal.
package func Conv1D(
    _ filters: Int, kernel: Sizes, stride: Sizes = 1, padding: Padding = .valid, dilation: Sizes = 1, groups: Int = 1,
    activation: ActivationFunction = .linear, bias: Bool = true
) -> Convolve {
    Convolve(dimensions: 1, filters, kernel, stride, padding, dilation, groups, activation, bias)
}

/// A convolution over an image.
package func Conv2D(
    _ filters: Int, kernel: Sizes, stride: Sizes = 1, padding: Padding = .valid, dilation: Sizes = 1, groups: Int = 1,
    activation: ActivationFunction = .linear, bias: Bool = true
) -> Convolve {
    Convolve(dimensions: 2, filters, kernel, stride, padding, dilation, groups, activation, bias)
}

/// A convolution over a volume.
package func Conv3D(
    _ filters: Int, kernel: Sizes, stride: Sizes = 1, padding: Padding = .valid, dilation: Sizes = 1, groups: Int = 1,
    activation: ActivationFunction = .linear, bias: Bool = true
) -> Convolve {
    Convolve(dimensions: 3, filters, kernel, stride, padding, dilation, groups, activation, bias)
}

extension Pool {
    fileprivate init(
        _ kind: PoolingKind, dimensions: Int, _ kernel: Sizes, _ stride: Sizes?, _ padding: Padding
    ) {
        self.init(
            kind, kernel: kernel.over(dimensions), stride: (stride ?? kernel).over(dimensions),
            padding: padding.over(dimensions))
    }
}

/// The largest value of each window of a signal.
package func MaxPool1D(_ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid) -> Pool {
    Pool(.maximum, dimensions: 1, kernel, stride, padding)
}

/// The largest value of each window of an image.
package func MaxPool2D(_ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid) -> Pool {
    Pool(.maximum, dimensions: 2, kernel, stride, padding)
}

/// The largest value of each window of a volume.
package func MaxPool3D(_ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid) -> Pool {
    Pool(.maximum, dimensions: 3, kernel, stride, padding)
}

/// The mean of each window of a signal.
package func AveragePool1D(
    _ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid, countPadding: Bool = true
) -> Pool {
    Pool(.average(countsPadding: countPadding), dimensions: 1, kernel, stride, padding)
}

/// The mean of each window of an image.
package func AveragePool2D(
    _ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid, countPadding: Bool = true
) -> Pool {
    Pool(.average(countsPadding: countPadding), dimensions: 2, kernel, stride, padding)
}

/// The mean of each window of a volume.
package func AveragePool3D(
    _ kernel: Sizes, stride: Sizes? = nil, padding: Padding = .valid, countPadding: Bool = true
) -> Pool {
    Pool(.average(countsPadding: countPadding), dimensions: 3, kernel, stride, padding)
}

/// All values of an example as one vector.
package func Flatten() -> Reshape { .flatten }
