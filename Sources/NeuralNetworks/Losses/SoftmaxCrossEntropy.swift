// SPDX-License-Identifier: Apache-2.0
// The loss of classes that exclude each other, for examples, steps of a sequence, or pixels.

package import Tensors

/// −log softmax(z)[t], where the target t is a class; −1 is ignored: no loss, and no weight.
///
/// Shapes: output `[classes]` with one target, `[time, classes]` with a target for each step, or
/// `[classes, spatial…]` with one for each position, in the order of the pixels. With class weights w the loss of a
/// batch is Σ w[t]·l / Σ w[t].
/// Source: torch.nn.CrossEntropyLoss, label smoothing included (Szegedy et al. 2016, section 7); focal factor
/// (1 − p)^γ: Lin et al. 2017, equation 5 (arXiv:1708.02002), the class weights being its α.
package struct SoftmaxCrossEntropy: Loss {
    package static let kind = "softmaxCrossEntropy"
    /// A weight for each class; empty: all are 1.
    package var classWeights: [Float]
    /// ε in `0 ..< 1`: the target is 1 − ε + ε/classes for its class, and ε/classes for the others.
    package var labelSmoothing: Float
    /// γ, from 0; excludes label smoothing.
    package var focalGamma: Float

    package init(classWeights: [Float] = [], labelSmoothing: Float = 0, focalGamma: Float = 0) {
        self.classWeights = classWeights
        self.labelSmoothing = labelSmoothing
        self.focalGamma = focalGamma
    }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        let classes = Self.classes(output)
        guard classes >= 2 else { throw ShapeError("softmax needs two classes or more, not \(classes)") }
        guard classWeights.isEmpty || classWeights.count == classes else {
            throw ShapeError("\(classWeights.count) class weights do not fit \(classes) classes")
        }
        guard classWeights.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw ShapeError("a class weight is negative or not finite")
        }
        guard labelSmoothing >= 0, labelSmoothing < 1 else {
            throw ShapeError("label smoothing of \(labelSmoothing): it lies from 0 to below 1")
        }
        guard focalGamma >= 0, focalGamma.isFinite else { throw ShapeError("a focal gamma of \(focalGamma)") }
        guard labelSmoothing == 0 || focalGamma == 0 else {
            throw ShapeError("label smoothing and a focal gamma exclude each other")
        }
        return output.count / classes
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        let classes = Self.classes(output)
        return Self.firstNoClass(targets, classes: classes).map { $0 / (output.count / classes) }
    }

    package func weight(targets: Floats, output: Shape) -> Double {
        var weight = 0.0
        for place in 0..<targets.count where targets[place] >= 0 {
            weight += classWeights.isEmpty ? 1 : Double(classWeights[Int(targets[place])])
        }
        return weight
    }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        let terms = SoftmaxCrossEntropyTerms(weights: classWeights, smoothing: labelSmoothing, gamma: focalGamma)
        let classes = Self.classes(output)
        guard output.isSpatial else {
            return terms.rows(z, classes: classes, targets: targets, scale: scale, into: dz)
        }
        let positions = output.count / classes
        var sum = 0.0
        for example in 0..<z.count / output.count {
            let range = example..<example + 1
            sum += terms.planes(
                z.rows(range, width: output.count), classes: classes, targets: targets.rows(range, width: positions),
                scale: scale, into: dz.rows(range, width: output.count))
        }
        return sum
    }

    /// The probabilities of the classes.
    package func predict(_ z: Floats, output: Shape) { Self.predict(z, output: output) }

    static func predict(_ z: Floats, output: Shape) {
        let classes = classes(output)
        guard output.isSpatial else { return Softmax.forward(z, columns: classes, into: z) }
        for example in 0..<z.count / output.count {
            SoftmaxCrossEntropyTerms.applySoftmax(
                toPlanes: z.rows(example..<example + 1, width: output.count), classes: classes)
        }
    }

    /// Channels come first in space, last elsewhere.
    static func classes(_ output: Shape) -> Int {
        output.isSpatial ? output.sizes[0] : output.sizes[output.sizes.count - 1]
    }

    /// The first target that is neither a class nor −1.
    static func firstNoClass(_ targets: Floats, classes: Int) -> Int? {
        (0..<targets.count).first { place in
            let target = targets[place]
            return !(target >= -1 && target < Float(classes) && target.rounded(.towardZero) == target)
        }
    }
}
