// SPDX-License-Identifier: Apache-2.0
// Pooled training against an independent one in numpy.

import Federation
import Simulation
import Testing

struct PooledReferenceTests {
    /// `pooled_reference.py` beside this file prints, over 20 seeds of its own:
    /// accuracy 0.8051 ± 0.0073, AUC 0.8795 ± 0.0034. The mean of 20 seeds here may differ by four standard errors of
    /// the difference (false alarm below 1e-4, and the seeds are fixed), plus half an AUC bracket.
    @Test
    func twentySeedsAgreeWithAnIndependentTraining() throws {
        var study = try SampleFederation.study()
        let tables = try SampleFederation.members(of: study).flatMap(\.tables.values)
        let qualities = try (0..<20).map { seed in
            study.training.seed = UInt64(seed)
            return try PooledReference.compute(study: study, tables: tables)
        }
        #expect(qualities.allSatisfy { $0.rows == 254 })
        let accuracy = try #require(SeedComparison.Spread(qualities.compactMap(\.accuracy)))
        let auc = try #require(SeedComparison.Spread(qualities.compactMap(\.auc)))
        #expect(abs(accuracy.mean - 0.8051) < 0.009)
        #expect(abs(auc.mean - 0.8795) < 0.006)
    }

    @Test
    func theSameSeedGivesTheSameFigures() throws {
        let study = try SampleFederation.study()
        let tables = try SampleFederation.members(of: study).flatMap(\.tables.values)
        let first = try PooledReference.compute(study: study, tables: tables)
        #expect(try PooledReference.compute(study: study, tables: tables) == first)
        #expect(try PooledReference.compute(study: study, tables: []) == ModelQuality([:]))
    }
}
