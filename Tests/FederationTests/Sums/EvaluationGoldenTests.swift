// SPDX-License-Identifier: Apache-2.0
// Histogram AUC, accuracy and Brier score against another implementation's, overall and for each group.

import Federation
import Testing

@Suite struct EvaluationGoldenTests {
    private struct File: Decodable {
        struct Input: Decodable {
            var yTrue: [Float]
            var yScore: [Float]
            var sensitiveFeatures: [String: [String]]
        }

        struct Counts: Decodable {
            var n: Double
            var tp: Double
            var tn: Double
        }

        struct Histogram: Decodable {
            var bins: Int
            var aucMid: Double?
            var aucLower: Double?
            var aucUpper: Double?
            var posHist: [Int64]?
            var negHist: [Int64]?
        }

        struct Figures: Decodable {
            var counts: Counts
            var brier: Double
            var rocAuc: Double?
            var histAuc16: Histogram?
            var histAuc256: Histogram?
        }

        var input: Input
        var groups: [String: Figures]
        var overall: Figures
    }

    private static let names = [
        "tiny_two_groups", "perfect_and_constant", "tied_scores", "unweighted_multi", "intersectional",
    ]

    @Test(arguments: names)
    func metricsAgree(name: String) throws {
        let file = try GoldenFiles.decode(File.self, from: "fairness/\(name).json")
        let rows = Array(file.input.yTrue.indices)
        try check(file.overall, rows: rows, of: file, "\(name), overall")
        // Keys of several features are joined in the order of the file's columns, which JSON does not keep.
        let features = file.input.sensitiveFeatures
        var groups = 0
        for (key, figures) in file.groups {
            let parts = Set(key.split(separator: "|").map(String.init))
            let members = rows.filter { row in Set(features.values.map { $0[row] }) == parts }
            try check(figures, rows: members, of: file, "\(name), \(key)")
            groups += 1
        }
        #expect(groups > 0)
    }

    private struct FederatedFile: Decodable {
        struct Site: Decodable {
            var yTrue: [Float]
            var yScore: [Float]
            var group: [String]
        }

        struct Summed: Decodable {
            var n: Double
            var posHist16: [Int64]
            var negHist16: [Int64]
        }

        var sites: [Site]
        var summed: [String: Summed]
        var pooledAucExact: [String: Double]
        var pooledAucHist16: [String: File.Histogram]
    }

    @Test func sumsOverSitesGiveThePooledArea() throws {
        let file = try GoldenFiles.decode(FederatedFile.self, from: "fairness/federated_sites.json")
        let sum = try EvaluationSum(task: .binary, bins: 16)
        let range = (minimum: 0.0, maximum: 1.0)
        #expect(!file.summed.isEmpty)
        for (group, expected) in file.summed {
            var total = sum.counts(outputs: [], labels: [], labelRange: range)
            for site in file.sites {
                let rows = site.group.indices.filter { site.group[$0] == group }
                let counts = sum.counts(
                    outputs: rows.map { site.yScore[$0] }, labels: rows.map { site.yTrue[$0] }, labelRange: range)
                for bin in 0..<16 {
                    total.positives[bin] += counts.positives[bin]
                    total.negatives[bin] += counts.negatives[bin]
                }
                for index in total.moments.indices { total.moments[index] += counts.moments[index] }
            }
            #expect(total.positives == expected.posHist16 && total.negatives == expected.negHist16, "\(group)")
            let metrics = try sum.metrics(of: total, labelRange: range)
            #expect(Double(metrics.rows) == expected.n)
            let auc = try #require(metrics.auc)
            let pooled = try #require(file.pooledAucHist16[group])
            #expect(abs(auc.lower - (try #require(pooled.aucLower))) <= 1e-12)
            #expect(abs(auc.upper - (try #require(pooled.aucUpper))) <= 1e-12)
            #expect((auc.lower...auc.upper).contains(try #require(file.pooledAucExact[group])))
        }
    }

    private func check(_ figures: File.Figures, rows: [Int], of file: File, _ place: String) throws {
        for histogram in [figures.histAuc16, figures.histAuc256].compactMap({ $0 }) {
            let sum = try EvaluationSum(task: .binary, bins: histogram.bins)
            let range = (minimum: 0.0, maximum: 1.0)
            let counts = sum.counts(
                outputs: rows.map { file.input.yScore[$0] }, labels: rows.map { file.input.yTrue[$0] },
                labelRange: range)
            let metrics = try sum.metrics(of: counts, labelRange: range)
            #expect(Double(metrics.rows) == figures.counts.n, "\(place)")
            #expect(abs(try #require(metrics.brier) - figures.brier) <= 2e-6, "\(place)")
            if let positives = histogram.posHist { #expect(counts.positives == positives, "\(place)") }
            if let negatives = histogram.negHist { #expect(counts.negatives == negatives, "\(place)") }
            guard let lower = histogram.aucLower, let upper = histogram.aucUpper, let middle = histogram.aucMid else {
                #expect(metrics.auc == nil, "\(place)")
                continue
            }
            let auc = try #require(metrics.auc, "\(place)")
            #expect(abs(auc.lower - lower) <= 1e-12 && abs(auc.upper - upper) <= 1e-12, "\(place)")
            #expect(abs(auc.middle - middle) <= 1e-12, "\(place)")
            if let exact = figures.rocAuc {
                #expect(auc.lower - 1e-12 <= exact && exact <= auc.upper + 1e-12, "\(place)")
            }
        }
    }
}
