// SPDX-License-Identifier: Apache-2.0
// Counts that may leave a site: small ones are hidden, and those from which a small one could be worked out.

/// A count as it may be shown.
package enum ReportCount: Hashable, Sendable, Codable, CustomStringConvertible {
    case exact(Int)
    /// From 1 to 10.
    case small
    /// Hidden because it would give a small count away.
    case withheld

    /// The largest count that is hidden.
    package static let largestSmall = 10

    /// Hides a count that stands alone.
    package init(masking count: Int) { self = (1...Self.largestSmall).contains(count) ? .small : .exact(count) }

    package var description: String {
        switch self {
        case .exact(let count): String(count)
        case .small: "<11"
        case .withheld: "withheld"
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let count = try? container.decode(Int.self) {
            self = .exact(count)
            return
        }
        switch try container.decode(String.self) {
        case "<11": self = .small
        case "withheld": self = .withheld
        default: throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a count")
        }
    }

    /// A number, or the text `<11` or `withheld`.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if case .exact(let count) = self { try container.encode(count) } else { try container.encode(description) }
    }

    /// Hides the small counts of a table whose sum is known. When exactly one is small, the next smallest count above
    /// zero is withheld as well, or the sum would give the small one away.
    ///
    /// Source: Hundepool et al. 2012, "Statistical Disclosure Control", §4.4 (secondary suppression).
    package static func masking(table counts: [Int]) -> [ReportCount] {
        var masked = counts.map { ReportCount(masking: $0) }
        guard masked.count(where: { $0 == .small }) == 1 else { return masked }
        let others = counts.indices.filter { counts[$0] > largestSmall }
        if let next = others.min(by: { counts[$0] < counts[$1] }) { masked[next] = .withheld }
        return masked
    }
}
