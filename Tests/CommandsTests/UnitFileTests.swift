// SPDX-License-Identifier: Apache-2.0
// The systemd units: hardened as far as promised, and saying what the programs need.

import Foundation
import Testing

struct UnitFileTests {
    private static let analyzer = "/usr/bin/systemd-analyze"

    private static func file(_ daemon: String) -> URL {
        Program.root.appending(path: "Packaging/systemd/consilium-\(daemon).service")
    }

    private static func lines(_ daemon: String) throws -> [Substring] {
        try String(contentsOf: file(daemon), encoding: .utf8).split(separator: "\n")
    }

    /// `--threshold` counts tenths: above 2.9 the exit status is not 0.
    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: analyzer), "needs systemd-analyze"),
        arguments: ["site", "aggregator"])
    func theExposureIsBelowThree(_ daemon: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.analyzer)
        process.arguments = ["security", "--offline=true", "--no-pager", "--threshold=29", Self.file(daemon).path]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test(arguments: ["site", "aggregator"])
    func aDaemonIsIdleWithoutAConfigurationAndPrivateWithOne(_ daemon: String) throws {
        let lines = try Self.lines(daemon)
        for line in [
            "ConditionPathExists=/etc/consilium/\(daemon).yaml",
            "ExecStart=/usr/bin/consilium-\(daemon) --config /etc/consilium/\(daemon).yaml",
            "StateDirectoryMode=0700", "UMask=0077", "User=consilium", "Environment=OMP_WAIT_POLICY=passive",
            "RestartPreventExitStatus=1", "LimitCORE=0",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
    }

    @Test func onlyTheAggregatorMayBindAPort() throws {
        #expect(try Self.lines("site").contains("SocketBindDeny=any"))
        #expect(try !Self.lines("aggregator").contains("SocketBindDeny=any"))
    }

    /// The examples of the packages are configurations that hold.
    @Test(arguments: ["site", "aggregator"])
    func theExampleIsReadAndOnlyItsKeysAreMissing(_ daemon: String) throws {
        let process = Process()
        process.executableURL = Program.executables.appending(path: "consilium-\(daemon)")
        process.arguments = [
            "--config", Program.root.appending(path: "Packaging/examples/\(daemon).yaml").path, "--check",
        ]
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(output.hasPrefix("ok: configuration: valid\n"))
        #expect(output.contains("error: certificate and key: "))
        #expect(output.contains("/var/lib/consilium/\(daemon)-keys"))
    }
}
