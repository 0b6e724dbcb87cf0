// SPDX-License-Identifier: Apache-2.0
// A report for people: one table, then what it means.

import Simulation

/// The lines that end `demo` and `simulate`.
enum ReportText {
    /// What others published about the sample study, for comparison.
    private static let published =
        "published for the same task (FLamby, Fed-Heart-Disease): accuracy 0.748 with FedAvg, 0.795 with pooled "
        + "training"

    /// At most this many sites are listed; the rest is summed up in one line.
    private static let listedSites = 20

    static func print(_ report: FederationReport, to console: Console) {
        let hasAccuracy = report.global.accuracy != nil
        console.line()
        var table = TextTable([
            ("site", .left), ("train", .right), ("test", .right),
            (hasAccuracy ? "alone: acc." : "alone: RMSE", .right), (hasAccuracy ? "AUC" : "R²", .right),
            (hasAccuracy ? "together: acc." : "together: RMSE", .right), (hasAccuracy ? "AUC" : "R²", .right),
        ])
        for site in report.sites.prefix(listedSites) {
            table.add(
                [site.id, String(site.trainRows), String(site.testRows)] + figures(site.localOnly)
                    + figures(site.global))
        }
        let train = report.sites.reduce(0) { $0 + $1.trainRows }
        let test = report.sites.reduce(0) { $0 + $1.testRows }
        table.add(["all sites", String(train), String(test), "", ""] + figures(report.global))
        if let pooled = report.pooledReference { table.add(["pooled rows", "", "", "", ""] + figures(pooled)) }
        for line in table.lines { console.line(line) }
        if report.sites.count > listedSites {
            console.line("and \(Figures.plural(report.sites.count - listedSites, "more site")), see --json or --csv")
        }
        console.line()
        console.line(
            "alone: a model from this site's rows only; together: the federation's model; pooled rows: training on all "
                + "rows in one place, which the federation avoids")
        if report.study.name == "heart-disease" { console.line(published) }
        if let lower = report.global.aucLower, let upper = report.global.aucUpper {
            console.line("AUC over all sites is between \(Figures.fixed(lower, 4)) and \(Figures.fixed(upper, 4))")
        }
        let overhead = report.roundOverheadSeconds.map {
            ", overhead a round \(Figures.seconds($0.median)) (median), \(Figures.seconds($0.max)) (largest)"
        }
        console.line(
            "\(report.outcome): \(Figures.plural(report.rounds, "round")) in \(Figures.seconds(report.wallSeconds))"
                + (overhead ?? ""))
        if let faults = report.faults {
            console.line("faults: \(faults.profile), \(Figures.plural(faults.cutConnections, "connection")) cut")
        }
        if let explanation = report.explanation { console.line(explanation) }
        if let model = report.model { console.line("model \(model.sha256)") }
    }

    static func print(_ comparison: SeedComparison, to console: Console) {
        console.line()
        var table = TextTable([
            ("seed", .left), ("outcome", .left), ("accuracy", .right), ("AUC", .right), ("pooled: acc.", .right),
            ("AUC", .right), ("time", .right),
        ])
        for run in comparison.runs {
            table.add(
                [String(run.seed), run.outcome] + figures(run.global)
                    + figures(run.pooledReference ?? ModelQuality([:])) + [Figures.seconds(run.wallSeconds)])
        }
        for line in table.lines { console.line(line) }
        console.line()
        describe("together: accuracy", comparison.global.accuracy, console)
        describe("together: AUC", comparison.global.auc, console)
        describe("pooled rows: accuracy", comparison.pooledReference.accuracy, console)
        describe("pooled rows: AUC", comparison.pooledReference.auc, console)
        describe("together: RMSE", comparison.global.rootMeanSquaredError, console)
        describe("pooled rows: RMSE", comparison.pooledReference.rootMeanSquaredError, console)
    }

    private static func describe(_ name: String, _ spread: SeedComparison.Spread?, _ console: Console) {
        guard let spread else { return }
        console.line(
            "\(name) \(Figures.fixed(spread.mean)), deviation \(Figures.fixed(spread.standardDeviation)), "
                + "\(Figures.fixed(spread.minimum)) to \(Figures.fixed(spread.maximum))")
    }

    private static func figures(_ quality: ModelQuality) -> [String] {
        if let error = quality.rootMeanSquaredError { return [Figures.fixed(error), Figures.fixed(quality.rSquared)] }
        return [Figures.fixed(quality.accuracy), Figures.fixed(quality.auc)]
    }
}
