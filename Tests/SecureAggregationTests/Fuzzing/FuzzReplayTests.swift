// SPDX-License-Identifier: Apache-2.0
// Runs the fuzzers' targets on their seeds and on every input that once failed.

import Foundation
import Testing

@Suite struct FuzzReplayTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz")

    private static func inputs(_ kind: String, _ target: FuzzTarget) throws -> [[UInt8]] {
        let folder = folder.appending(path: "\(kind)/\(target.rawValue)")
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }.map { [UInt8](try Data(contentsOf: $0)) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func seedsAndFormerFailuresHold(_ target: FuzzTarget) throws {
        let seeds = try Self.inputs("Corpus", target)
        #expect(!seeds.isEmpty)
        for input in seeds + (try Self.inputs("Failures", target)) { target.run(input) }
    }

    /// Each seed cut everywhere, lengthened, and with every byte changed: what a fuzzer tries first, at every build.
    @Test(arguments: FuzzTarget.allCases)
    func seedsWithAChangeHold(_ target: FuzzTarget) throws {
        for seed in try Self.inputs("Corpus", target) where seed.count <= 2_000 {
            target.run(seed + [0])
            for place in seed.indices {
                target.run(Array(seed[..<place]))
                var changed = seed
                changed[place] ^= 0x81
                target.run(changed)
            }
        }
    }
}
