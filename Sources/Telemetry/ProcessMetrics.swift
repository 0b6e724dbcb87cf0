// SPDX-License-Identifier: Apache-2.0
// What the kernel says of this process, under the names that Prometheus clients use everywhere.

import Foundation
import Glibc

/// The process itself, as metrics.
package enum ProcessMetrics {
    package static let catalogue = [
        MetricDescription("process_cpu_seconds_total", .counter, "Processor time used, in seconds."),
        MetricDescription("process_resident_memory_bytes", .gauge, "Resident memory."),
        MetricDescription("process_open_fds", .gauge, "Open files and sockets."),
        MetricDescription("process_start_time_seconds", .gauge, "When the process began, in seconds since 1970."),
    ]

    /// The lines of ``catalogue`` at this moment; what the kernel does not tell is left out.
    package static func text() -> String {
        var values: [String: String] = [:]
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
            values["process_cpu_seconds_total"] = "\(seconds(usage.ru_utime) + seconds(usage.ru_stime))"
        }
        if let pages = fields(of: "/proc/self/statm").dropFirst().first.flatMap({ Int($0) }) {
            values["process_resident_memory_bytes"] = "\(pages * sysconf(Int32(_SC_PAGESIZE)))"
        }
        if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            values["process_open_fds"] = "\(files.count)"
        }
        values["process_start_time_seconds"] = "\(started)"
        return catalogue.compactMap { metric in
            values[metric.name].map {
                "# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.kind.rawValue)\n\(metric.name) \($0)\n"
            }
        }.joined()
    }

    /// Seconds since 1970: the machine's start and this process's ticks after it (proc(5), field 22).
    private static let started: Int64 = {
        let stat = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8)) ?? ""
        // The second field is a name in brackets that may hold blanks.
        let after = stat.lastIndex(of: ")").map { stat[$0...].split(separator: " ") } ?? []
        let boot = ((try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? "").split(separator: "\n")
            .first { $0.hasPrefix("btime ") }?.split(separator: " ").last.flatMap { Int64($0) }
        guard after.count > 20, let ticks = Int64(after[20]), let boot else { return Int64(time(nil)) }
        return boot + ticks / Int64(sysconf(Int32(_SC_CLK_TCK)))
    }()

    private static func fields(of path: String) -> [Substring] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: " ")
    }
}
