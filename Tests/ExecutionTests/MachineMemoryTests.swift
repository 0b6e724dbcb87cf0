// SPDX-License-Identifier: Apache-2.0
// What counts as this process's memory: of the machine, and of the groups it is in.

import Execution
import Foundation
import Testing

@Suite struct MachineMemoryTests {
    private static let meminfo = """
        MemTotal:        8000000 kB
        MemFree:          100000 kB
        MemAvailable:    5000000 kB

        """

    /// A folder with these files, each a path and a text.
    private func memory(_ files: [String: String], _ body: (MachineMemory) throws -> Void) throws {
        let root = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: root) }
        for (path, text) in files {
            let url = URL(fileURLWithPath: root + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        try body(MachineMemory(root: root))
    }

    @Test func withoutAGroupItIsTheMachines() throws {
        try memory(["/proc/meminfo": Self.meminfo]) { memory in
            #expect(memory.totalBytes == 8_000_000 << 10)
            #expect(memory.availableBytes == 5_000_000 << 10)
        }
    }

    @Test func theLowestLimitOfAllGroupsCounts() throws {
        let service = "/sys/fs/cgroup/system.slice/consilium-site.service"
        try memory([
            "/proc/meminfo": Self.meminfo, "/proc/self/cgroup": "0::/system.slice/consilium-site.service\n",
            service + "/memory.max": "2000000000\n", service + "/memory.current": "1500000000\n",
            service + "/memory.stat": "anon 400000000\nfile 1100000000\ninactive_file 700000000\n",
            "/sys/fs/cgroup/system.slice/memory.max": "max\n",
            "/sys/fs/cgroup/system.slice/memory.current": "3000000000\n",
        ]) { memory in
            #expect(memory.totalBytes == 2_000_000_000)
            // The kernel would drop inactive pages of files.
            #expect(memory.availableBytes == 1_200_000_000)
        }
    }

    @Test func theLimitOfAContainerIsAtTheRoot() throws {
        try memory([
            "/proc/meminfo": Self.meminfo, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1000000000",
            "/sys/fs/cgroup/memory.current": "1200000000",
        ]) { memory in
            #expect(memory.totalBytes == 1_000_000_000)
            #expect(memory.availableBytes == 0)
        }
    }

    @Test func groupsOfTheFirstVersionCountToo() throws {
        let folder = "/sys/fs/cgroup/memory/docker/abc"
        try memory([
            "/proc/meminfo": Self.meminfo,
            "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
            folder + "/memory.limit_in_bytes": "3000000000\n", folder + "/memory.usage_in_bytes": "1000000000\n",
            folder + "/memory.stat": "total_inactive_file 100000000\n",
            // What the kernel writes for no limit.
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": "4000000000\n",
        ]) { memory in
            #expect(memory.totalBytes == 3_000_000_000)
            #expect(memory.availableBytes == 2_100_000_000)
        }
    }

    @Test func aSystemThatSaysNothingHasNoNumber() throws {
        try memory([:]) { memory in #expect(memory.totalBytes == nil && memory.availableBytes == nil) }
    }

    @Test func thisMachineSays() throws {
        let total = try #require(MachineMemory.system.totalBytes)
        let available = try #require(MachineMemory.system.availableBytes)
        #expect(total > 1 << 24 && available > 0 && available <= total)
    }
}
