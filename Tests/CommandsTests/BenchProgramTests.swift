// SPDX-License-Identifier: Apache-2.0
// The measurements with processes of their own run to their end and count what they say they count.

import Foundation
import Testing

@Suite(.timeLimit(.minutes(2)))
struct BenchProgramTests {
    private static func result(_ arguments: [String]) throws -> [String: Any] {
        let result = try Program.run(arguments + ["--json", "-"], program: "consilium-bench")
        try #require(result.status == 0, "\(result.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    @Test(arguments: ["tls", "memory"])
    func roundsRun(_ transport: String) throws {
        let result = try Self.result([
            "round", "--parameters", "1000", "--sites", "3", "--rounds", "2", "--transport", transport,
        ])
        #expect(result["sites"] as? Int == 3 && result["rounds"] as? Int == 2)
        #expect((result["bytesUp"] as? Int ?? 0) > 3 * 1_000)
    }

    @Test func manySitesJoinHoldAndRunRounds() throws {
        let result = try Self.result([
            "load", "--sites", "12", "--joining", "2", "--processes", "2", "--rounds", "2", "--parameters", "1000",
            "--history", "3",
        ])
        #expect(result["finishedRounds"] as? Int == 3 && result["joinSeconds"] != nil)
        let rounds = try #require(result["rounds"] as? [String: Any])
        #expect(rounds["rounds"] as? Int == 2)
    }
}
