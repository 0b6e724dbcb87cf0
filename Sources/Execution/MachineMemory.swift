// SPDX-License-Identifier: Apache-2.0
// The memory that this process may have: the machine's, within the limits of its container or service.

import Foundation

/// Reads what the Linux kernel says about memory, anew each time.
///
/// Source: Linux `Documentation/filesystems/proc.rst` (meminfo), `admin-guide/cgroup-v2.rst` (memory interface files) and
/// `admin-guide/cgroup-v1/memory.rst`.
package struct MachineMemory: Sendable {
    private let root: String

    package static let system = MachineMemory()

    /// - Parameter root: The folder that holds `proc` and `sys`; another than the system's is for tests.
    package init(root: String = "") { self.root = root }

    /// The most that this process could ever have: the machine's memory, or less if a group's limit is lower; nil where
    /// the system does not say.
    package var totalBytes: Int? {
        ([meminfo("MemTotal")] + groups.map(\.limit)).compactMap(\.self).min()
    }

    /// What the system can give now without swapping, within the limits of the groups; nil where it does not say.
    package var availableBytes: Int? {
        let free = groups.map { group -> Int? in
            guard let limit = group.limit, let used = number(group.folder + group.usage) else { return nil }
            // The kernel drops cached files before it refuses memory.
            let cached = statistic(group.cache, in: group.folder + "/memory.stat") ?? 0
            return max(limit - max(used - cached, 0), 0)
        }
        return ([meminfo("MemAvailable")] + free).compactMap(\.self).min()
    }

    // MARK: Groups

    private struct Group {
        var folder: String
        var limit: Int?
        var usage: String
        var cache: String
    }

    /// The control groups of this process, from its own up to the root: each may have a limit.
    private var groups: [Group] {
        var result: [Group] = []
        for line in (text("/proc/self/cgroup") ?? "0::/").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isSecond = parts[1].isEmpty
            guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
            let base = "/sys/fs/cgroup" + (isSecond ? "" : "/memory")
            let names = parts[2].split(separator: "/").filter { $0 != ".." }
            for count in (0...names.count).reversed() {
                let folder = ([base] + names.prefix(count).map(String.init)).joined(separator: "/")
                result.append(
                    Group(
                        folder: folder,
                        limit: number(folder + (isSecond ? "/memory.max" : "/memory.limit_in_bytes")),
                        usage: isSecond ? "/memory.current" : "/memory.usage_in_bytes",
                        cache: isSecond ? "inactive_file" : "total_inactive_file"))
            }
        }
        return result
    }

    // MARK: Files

    private func text(_ path: String) -> String? { try? String(contentsOfFile: root + path, encoding: .utf8) }

    /// nil for `max`, and for a file that is not there.
    private func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    private func meminfo(_ name: String) -> Int? {
        // In kibibytes, whatever the unit behind the number is called.
        statistic(name + ":", in: "/proc/meminfo").map { $0 << 10 }
    }

    private func statistic(_ name: String, in path: String) -> Int? {
        for line in (text(path) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count >= 2, words[0] == name { return Int(words[1]) }
        }
        return nil
    }
}
