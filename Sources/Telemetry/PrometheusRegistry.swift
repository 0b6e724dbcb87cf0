// SPDX-License-Identifier: Apache-2.0
// The metrics of one daemon: a swift-metrics backend that shows them in the text format of Prometheus.

package import CoreMetrics
import Synchronization

/// Holds every metric and prints all of them (Prometheus text format 0.0.4).
///
/// Metrics live as long as the registry: a label that has gone quiet still counts. Handles are cheap to make again: the
/// same name and labels are the same cell.
package final class PrometheusRegistry: MetricsFactory, Sendable {
    /// Upper bounds of the buckets of timers, in seconds: from a round of milliseconds to one of hours.
    package static let bucketSeconds = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400]
    /// Cells that one registry makes at most; what is above it is counted nowhere, so no peer can fill the memory.
    private static let largestCount = 4_096

    private struct Identity: Hashable {
        var name: String
        /// Sorted by name.
        var labels: [[String]]
    }

    private enum Cell {
        case number(NumberCell)
        case histogram(HistogramCell)
    }

    package let catalogue: [MetricDescription]
    /// Guards which cells there are.
    private let cells = Mutex<[Identity: Cell]>([:])

    package init(_ catalogue: [MetricDescription]) { self.catalogue = catalogue }

    // MARK: swift-metrics

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        number(label, dimensions)
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        number(label, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let identity = Self.identity(label, dimensions)
        return cells.withLock { cells in
            if case .histogram(let cell)? = cells[identity] { return cell }
            let cell = HistogramCell()
            if cells.count < Self.largestCount, cells[identity] == nil { cells[identity] = .histogram(cell) }
            return cell
        }
    }

    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    private func number(_ label: String, _ dimensions: [(String, String)]) -> NumberCell {
        let identity = Self.identity(label, dimensions)
        return cells.withLock { cells in
            if case .number(let cell)? = cells[identity] { return cell }
            let cell = NumberCell()
            if cells.count < Self.largestCount, cells[identity] == nil { cells[identity] = .number(cell) }
            return cell
        }
    }

    private static func identity(_ name: String, _ dimensions: [(String, String)]) -> Identity {
        Identity(name: name, labels: dimensions.sorted { $0.0 < $1.0 }.map { [$0.0, $0.1] })
    }

    // MARK: Text

    /// All metrics as text, those of the catalogue in its order. A metric that nothing has used yet is not in it,
    /// except counters and gauges without labels, which are 0.
    package func text() -> String {
        let cells = cells.withLock { $0 }
        let byName = Dictionary(grouping: cells, by: \.key.name)
        let known = catalogue.map(\.name)
        var lines = ""
        for metric in catalogue {
            var samples = byName[metric.name] ?? []
            if samples.isEmpty, metric.labels.isEmpty, metric.kind != .histogram {
                samples = [(Identity(name: metric.name, labels: []), .number(NumberCell()))]
            }
            guard !samples.isEmpty else { continue }
            lines +=
                "# HELP \(metric.name) \(Self.escaped(metric.help))\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            lines += Self.lines(samples)
        }
        // Metrics of libraries.
        for name in byName.keys.filter({ !known.contains($0) }).sorted() { lines += Self.lines(byName[name] ?? []) }
        return lines
    }

    private static func lines(_ samples: [(key: Identity, value: Cell)]) -> String {
        samples.map { identity, cell in
            let name = sanitized(identity.name)
            let labels = identity.labels.map { "\(sanitized($0[0]))=\"\(escaped($0[1], quotes: true))\"" }
            switch cell {
            case .number(let cell): return "\(name)\(braced(labels)) \(number(cell.value))\n"
            case .histogram(let cell):
                let (counts, sum) = cell.value
                var text = ""
                var total = 0
                for (bound, count) in zip(bucketSeconds.map { number($0) } + ["+Inf"], counts) {
                    total += count
                    text += "\(name)_bucket\(braced(labels + ["le=\"\(bound)\""])) \(total)\n"
                }
                return text + "\(name)_sum\(braced(labels)) \(number(sum))\n\(name)_count\(braced(labels)) \(total)\n"
            }
        }.sorted().joined()
    }

    private static func braced(_ labels: [String]) -> String {
        labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    /// Letters, digits and `_`, no digit first.
    private static func sanitized(_ name: String) -> String {
        let text = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { scalar in
                    switch scalar {
                    case "a"..."z", "A"..."Z", "0"..."9", "_": scalar
                    default: "_"
                    }
                }))
        return text.first?.isNumber ?? true ? "_" + text : text
    }

    private static func escaped(_ text: String, quotes: Bool = false) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\n", "\r\n", "\r": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.append(character)
            }
        }
        return result
    }
}

/// A counter or a gauge.
private final class NumberCell: CounterHandler, RecorderHandler, Sendable {
    /// Guards the value.
    private let number = Mutex(0.0)

    var value: Double { number.withLock { $0 } }

    func increment(by amount: Int64) { number.withLock { $0 += Double(amount) } }
    func reset() { number.withLock { $0 = 0 } }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { number.withLock { $0 = value } }
}

/// How often times fell into each bucket, and their sum in seconds.
private final class HistogramCell: TimerHandler, Sendable {
    /// Guards counts and sum.
    private let state = Mutex(
        (counts: [Int](repeating: 0, count: PrometheusRegistry.bucketSeconds.count + 1), sum: 0.0))

    var value: (counts: [Int], sum: Double) { state.withLock { $0 } }

    func recordNanoseconds(_ duration: Int64) {
        let seconds = Double(duration) / 1e9
        let bounds = PrometheusRegistry.bucketSeconds
        let bucket = bounds.firstIndex { seconds <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += seconds
        }
    }
}
