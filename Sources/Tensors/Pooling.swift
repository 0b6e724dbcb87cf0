// SPDX-License-Identifier: Apache-2.0
// Max and average pooling with their gradients, and copies between layouts.

import COneDNN
import Kernels

/// What a pooling computes over each channel.
package enum PoolingKind: Hashable, Sendable {
    case maximum
    /// The mean of the window; padding counts as zeros in the divisor only when `countsPadding`.
    case average(countsPadding: Bool)
}

/// One pooling of a worker.
package final class Pooling {
    package let window: SpatialWindow
    package let channels: Int
    package let kind: PoolingKind
    package let layout: Layout
    private let isTraining: Bool
    private let scratch: Scratch
    private let usesLibrary: Bool
    /// The window as the portable loops take it.
    private let portableWindow: consilium_window
    /// Whether the library gets one example at a time: its places of the maxima, a byte each, fill no whole floats there, and
    /// backward may be given other parts of a share than forward.
    private var runsOneByOne = false
    private var variants: [(examples: Int, forward: Primitive, backward: Primitive?)] = []

    package init(
        _ kind: PoolingKind, window: SpatialWindow, channels: Int, layout: Layout, isTraining: Bool, scratch: Scratch,
        kernels: KernelSet
    ) {
        self.kind = kind
        self.window = window
        portableWindow = window.portable
        self.channels = channels
        self.layout = layout
        self.isTraining = isTraining
        self.scratch = scratch
        // A window of more than 255 places needs four bytes a place there; the global ones are averages.
        usesLibrary = kernels == .fastest && DeepNeuralNetworkLibrary.isBuilt
        precondition(usesLibrary || layout == .plain, "portable loops are plain")
        if usesLibrary {
            let bytes = variant(1).forward.workspaceByteCount
            runsOneByOne = isTraining && kind == .maximum && bytes % MemoryLayout<Float>.stride != 0
        }
    }

    package var sourceCount: Int { channels * window.inputPositions }
    package var targetCount: Int { channels * window.outputPositions }
    package var implementations: [String] {
        variants.flatMap { [$0.forward.implementation, $0.backward?.implementation].compactMap { $0 } }
    }

    /// Floats of memory per example in which a max pooling in training remembers where its maxima were.
    package private(set) lazy var workspaceCount: Int = {
        guard isTraining, kind == .maximum else { return 0 }
        return usesLibrary ? (variant(1).forward.workspaceByteCount + 3) / 4 : targetCount
    }()

    /// y of `examples` examples; `workspace` of ``workspaceCount`` floats each.
    package func forward(_ x: Floats, examples: Int, into y: Floats, workspace: Floats?) {
        precondition(
            x.count == examples * sourceCount && y.count == examples * targetCount
                && (workspace?.count ?? 0) >= examples * workspaceCount, "pooling: shapes disagree")
        if usesLibrary {
            forEachCall(examples) { variant, rows in
                unsafe variant.forward.run(
                    x.rows(rows, width: sourceCount).start, y.rows(rows, width: targetCount).start,
                    workspace?.rows(rows, width: workspaceCount).start)
            }
            return
        }
        var window = portableWindow
        for e in 0..<examples {
            let (source, target) = (
                x.rows(e..<e + 1, width: sourceCount), y.rows(e..<e + 1, width: targetCount)
            )
            switch kind {
            case .maximum:
                let places = workspace?.rows(e..<e + 1, width: targetCount)
                unsafe consilium_max_pool_forward(
                    &window, channels, source.start, target.start, Self.places(places))
            case .average(let countsPadding):
                unsafe consilium_average_pool_forward(&window, channels, countsPadding, source.start, target.start)
            }
        }
    }

    /// dx, overwritten: for the maximum, dy at each window's place; for the average, dy spread over the window.
    package func backward(_ dy: Floats, examples: Int, into dx: Floats, workspace: Floats?) {
        precondition(
            isTraining && dx.count == examples * sourceCount && dy.count == examples * targetCount
                && (workspace?.count ?? 0) >= examples * workspaceCount, "pooling: shapes disagree")
        if usesLibrary {
            forEachCall(examples) { variant, rows in
                unsafe variant.backward?.run(
                    dy.rows(rows, width: targetCount).start, dx.rows(rows, width: sourceCount).start,
                    workspace?.rows(rows, width: workspaceCount).start)
            }
            return
        }
        var window = portableWindow
        for e in 0..<examples {
            let (source, target) = (
                dy.rows(e..<e + 1, width: targetCount), dx.rows(e..<e + 1, width: sourceCount)
            )
            switch kind {
            case .maximum:
                let places = workspace?.rows(e..<e + 1, width: targetCount)
                unsafe consilium_max_pool_backward(
                    &window, channels, source.start, Self.places(places), target.start)
            case .average(let countsPadding):
                unsafe consilium_average_pool_backward(&window, channels, countsPadding, source.start, target.start)
            }
        }
    }

    /// Calls `body` with the examples of each call of the library.
    private func forEachCall(
        _ examples: Int,
        _ body: (_ variant: (examples: Int, forward: Primitive, backward: Primitive?), Range<Int>) -> Void
    ) {
        guard runsOneByOne else { return body(variant(examples), 0..<examples) }
        for example in 0..<examples { body(variant(1), example..<example + 1) }
    }

    /// The workspace as the portable kernels use it: one 32-bit place for each output.
    private static func places(_ workspace: Floats?) -> UnsafeMutablePointer<UInt32>? {
        guard let workspace else { return nil }
        return unsafe UnsafeMutableRawPointer(workspace.start).bindMemory(to: UInt32.self, capacity: workspace.count)
    }

    private func variant(_ examples: Int) -> (examples: Int, forward: Primitive, backward: Primitive?) {
        for variant in variants where variant.examples == examples { return variant }
        var request = consilium_dnn_pooling()
        request.rank = Int32(window.rank)
        (request.n, request.channels) = (Int64(examples), Int64(channels))
        request.in = SpatialWindow.shim(window.input)
        request.out = SpatialWindow.shim(window.output)
        request.kernel = SpatialWindow.shim(window.kernel)
        request.stride = SpatialWindow.shim(window.stride)
        request.pad_before = SpatialWindow.shim(window.padBefore)
        request.pad_after = SpatialWindow.shim(window.padAfter)
        request.layout = layout.code
        request.is_maximum = kind == .maximum
        request.counts_padding = kind == .average(countsPadding: true)
        request.is_training = isTraining
        guard
            let forward = unsafe Primitive(consilium_dnn_make_pooling_forward(&request), scratch: scratch)
        else { preconditionFailure("oneDNN has no such pooling: \(window)") }
        let backward =
            isTraining ? unsafe Primitive(consilium_dnn_make_pooling_backward(&request), scratch: scratch) : nil
        variants.append((examples, forward, backward))
        return (examples, forward, backward)
    }
}

/// Copies activations between the plain and the blocked layout.
package final class LayoutCopy {
    private let channels: Int
    private let positions: Int
    private let source: Layout
    private let target: Layout
    private let scratch: Scratch
    private var variants: [(examples: Int, primitive: Primitive)] = []

    package init(channels: Int, positions: Int, from source: Layout, to target: Layout, scratch: Scratch) {
        self.channels = channels
        self.positions = positions
        self.source = source
        self.target = target
        self.scratch = scratch
    }

    package func run(_ x: Floats, examples: Int, into y: Floats) {
        precondition(x.count == examples * channels * positions && y.count == x.count, "copy: shapes disagree")
        if let known = variants.first(where: { $0.examples == examples }) {
            return unsafe known.primitive.run(x.start, y.start, nil)
        }
        guard
            let primitive = unsafe Primitive(
                consilium_dnn_make_reorder(
                    Int64(examples), Int64(channels), Int64(positions), source.code, 0, target.code, 0),
                scratch: scratch)
        else { preconditionFailure("oneDNN cannot copy \(source) to \(target)") }
        variants.append((examples, primitive))
        unsafe primitive.run(x.start, y.start, nil)
    }
}
