// SPDX-License-Identifier: Apache-2.0
// What a federation of a given size promises, in words for the screens of its hospitals.

/// The promises of a secure sum in plain words.
///
/// Every number in them follows from the terms, so a screen cannot promise more than the rounds keep.
/// Source: privacy design review, §6.
package enum PromiseText {
    /// What is promised and what is not, sentence by sentence.
    ///
    /// - Parameters:
    ///   - count: n, of the invited hospitals.
    ///   - terms: of the study; nil for the standard of this size.
    package static func lines(for count: Int, terms: RoundTerms? = nil) -> [String] {
        guard let promise = Promise(count: count, terms: terms) else { return [refusal(of: count)] }
        return always + [promise.presence] + promise.totals + promise.differences + promise.tables + never
    }

    /// One sentence for the start of a study; nil where five or more others stand behind what somebody may learn.
    ///
    /// Source: privacy design note §1.2, item 9.
    package static func warning(for count: Int, terms: RoundTerms? = nil) -> String? {
        guard let promise = Promise(count: count, terms: terms) else { return refusal(of: count) }
        // Every hospital is curious by itself: it takes its own part off each total.
        let curious = max(1, promise.expectedColluders)
        let others = promise.fewest - curious
        guard others < 5 else { return nil }
        let who = curious == 1 ? "each hospital" : "\(Words.number(curious)) hospitals working with the operator"
        return "A total may cover only \(Words.number(promise.fewest)) hospitals, and \(who) can learn the total of "
            + "\(Words.number(others)). Without patient-level noise that says a lot."
    }

    private static func refusal(of count: Int) -> String {
        switch count {
        case 2: "Refused: with two hospitals your partner would see your update."
        case ..<2: "Refused: a hospital alone has nobody to hide among."
        default: "Refused: \(Words.number(count)) hospitals cannot keep these terms."
        }
    }

    private static let always = [
        "The operator sees only totals.",
        "Every hospital sees the totals too and can subtract its own part.",
        "Patient-level noise, when a study uses it, protects each patient even if everybody else works together.",
        "Without it a total over few hospitals can say a lot.",
    ]

    private static let never = [
        "Not promised: that a hospital sends honest numbers.",
        "Not promised: that the operator finishes a round.",
        "Not promised: that totals of tiny groups mean nothing.",
    ]
}

/// The numbers behind the words, and the words that depend on them.
private struct Promise {
    let count: Int
    /// The smallest set that may be released.
    let fewest: Int
    /// The colluders that the terms reckon with.
    let expectedColluders: Int
    private let uniquenessBound: Int

    init?(count: Int, terms: RoundTerms?) {
        guard let parameters = try? SumParameters.standard(count) else { return nil }
        let terms = terms ?? .standard(parameters)
        self.count = count
        fewest = terms.fewestSurvivors(parameters)
        expectedColluders = terms.colluders
        uniquenessBound = parameters.uniquenessBound
        guard fewest <= count, (2...count).contains(fewest), expectedColluders <= uniquenessBound else { return nil }
    }

    private var needsEverybody: Bool { fewest == count }

    var presence: String {
        if needsEverybody { return "All \(Words.number(count)) must be present in every round." }
        let missing = count - fewest
        let howMany = missing == 1 ? "One" : "Up to \(Words.number(missing))"
        return "\(howMany) may be missing: a total may cover \(Words.number(fewest))."
    }

    /// Who learns which total.
    var totals: [String] {
        let several = Set([2, expectedColluders, mostColluders]).filter { (2...max(2, mostColluders)).contains($0) }
            .filter { $0 <= mostColluders }.sorted()
        var lines = ["Each other hospital, alone or with the operator, learns the total of \(rest(after: 1))."]
        lines += several.map {
            "\(Words.capital($0)) hospitals working with the operator learn the total of \(rest(after: $0))."
        }
        if needsEverybody, !several.isEmpty {
            lines.append(
                "Even by cheating they get only such totals: the only permitted set is all \(Words.number(count)).")
        }
        return lines + [end]
    }

    /// The most colluders that face a total of two others at least. With everybody there no second set is permitted, else
    /// a set is unique only up to the bound.
    private var mostColluders: Int { needsEverybody ? fewest - 2 : min(fewest - 2, uniquenessBound) }

    /// Where the promise ends.
    private var end: String {
        let colluders = mostColluders + 1
        if needsEverybody {
            let all = count == 3 ? "both" : "all \(Words.number(count - 1))"
            return "If \(all) other hospitals work with the operator, they learn your update."
        }
        if fewest - colluders == 1 {
            return "\(Words.capital(colluders)) of them can single out your update, by declaring another hospital late."
        }
        return "Nothing is promised against \(Words.number(colluders)) or more of them."
    }

    private func rest(after colluders: Int) -> String {
        let others = fewest - colluders
        let amount = needsEverybody ? "the other \(Words.number(others))" : "at least \(Words.number(others)) others"
        return others == 2 ? "\(amount), which is yours and one more" : amount
    }

    var differences: [String] {
        guard !needsEverybody else { return [] }
        return [
            "When a hospital is missing in one round and present in the next, the difference of the totals says something "
                + "about it; without noise the study limits how often."
        ]
    }

    /// Below eight hospitals a rare cell has a total of one too easily.
    var tables: [String] {
        guard count < 8 else { return [] }
        return [
            "Tables and statistics carry noise. Exact tables come only if every hospital has agreed to the complete list, "
                + "with the same hospitals each time, on unchanged data."
        ]
    }
}

private enum Words {
    private static let small = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    ]

    static func number(_ number: Int) -> String { small.indices.contains(number) ? small[number] : "\(number)" }

    /// At the start of a sentence.
    static func capital(_ number: Int) -> String {
        let word = Self.number(number)
        return word.prefix(1).uppercased() + word.dropFirst()
    }
}
