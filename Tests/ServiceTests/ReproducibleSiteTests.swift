// SPDX-License-Identifier: Apache-2.0
// A site whose rounding is seeded works for the demo federation only.

import Federation
import Store
import Testing

@Suite(.timeLimit(.minutes(3)))
struct ReproducibleSiteTests {
    /// The federation of these tests is named `test`.
    @Test func aSeededSiteRefusesAnyOtherFederation() async throws {
        var seeded = SitePlan("c")
        seeded.onlyFederation = "demo"
        let plans = [SitePlan("a"), SitePlan("b"), seeded]
        // The study begins soon after the two that may take part have accepted.
        let progress = ProgressTerms(
            joinSeconds: 0.2, stallSeconds: 120, stragglerFactor: 1_000, stragglerSeconds: 120, absenceSeconds: 120,
            attempts: 3)
        try await TestFederation.run(TestStudy.make(minimumSites: 2, progress: progress), plans) { federation in
            let record = try await federation.finish(deliveries: 2)
            #expect(record.outcome == "completed")
            #expect(try await federation["c"].store.studies().isEmpty, "it read no message of this aggregator")
        }
    }

    @Test func aSeededSiteWorksForItsFederation() async throws {
        var seeded = SitePlan("b")
        seeded.onlyFederation = "test"
        try await TestFederation.run(TestStudy.make(minimumSites: 2), [SitePlan("a"), seeded]) { federation in
            let record = try await federation.finish(deliveries: 2)
            #expect(record.outcome == "completed")
        }
    }
}
