// SPDX-License-Identifier: Apache-2.0
// Many seeds of the federation simulator, in several processes, and one line of figures.

import ArgumentParser
import Foundation
import Simulation

/// A developer's tool, like the measurements: it needs no installation of its own, and nothing of it is shipped.
struct TortureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture", abstract: "A federation on virtual time, under faults drawn from seeds.",
        discussion: """
            Runs the seeds FIRST to FIRST + SEEDS - 1. Each is a study of five sites and six
            rounds with the real aggregator, sites, stores and messages; the network, the
            disks and the clocks fail as the seed says. Ends with one line of figures; exit
            status 1 when an invariant broke. --trace prints what happened, step by step.
            """)

    @Option(help: "Seeds to run.") var seeds = 100
    @Option(help: "The first seed; drawn from the system when left out.") var first: UInt64?
    @Option(help: "Stop beginning seeds after this many seconds.") var seconds: Double?
    @Option(help: "Processes at once.") var processes = 2
    @Flag(help: "Print the trace of every seed.") var trace = false
    @Flag(help: .hidden) var child = false

    func validate() throws {
        guard seeds >= 1, processes >= 1 else { throw ValidationError("at least one seed and one process") }
    }

    func run() async throws {
        let first = first ?? UInt64.random(in: 1...1 << 40)
        let figures =
            child || trace || processes == 1
            ? try runHere(first: first) : try await runInProcesses(first: first)
        print(child ? figures.encoded : figures.line(first: first))
        if figures.broken > 0 { throw ExitCode(1) }
    }

    private func runHere(first: UInt64) throws -> TortureFigures {
        var figures = TortureFigures()
        let began = ContinuousClock.now
        let memory = "/dev/shm"
        let folder =
            FileManager.default.isWritableFile(atPath: memory) ? memory : FileManager.default.temporaryDirectory.path
        for seed in first..<first + UInt64(seeds) {
            if let seconds, (ContinuousClock.now - began) / .seconds(1) > seconds { break }
            var run = TortureRun(seed: seed, folder: folder)
            run.keepsTrace = trace
            let outcome = try run.run()
            figures.add(outcome)
            for line in outcome.lines { print(line) }
            for problem in outcome.problems {
                FileHandle.standardError.write(Data("seed \(seed): \(problem)\n".utf8))
            }
        }
        figures.seconds = (ContinuousClock.now - began) / .seconds(1)
        return figures
    }

    private func runInProcesses(first: UInt64) async throws -> TortureFigures {
        let began = ContinuousClock.now
        var figures = TortureFigures()
        // Small portions keep all processes at work, and their memory small.
        let portion = UInt64(max(1, min(200, (seeds + processes - 1) / processes)))
        var next = first
        let end = first + UInt64(seeds)
        try await withThrowingTaskGroup(of: TortureFigures.self) { group in
            var running = 0
            while true {
                let isOpen = next < end && !isOver(since: began)
                if isOpen, running < processes {
                    let (from, count) = (next, min(portion, end - next))
                    next += count
                    running += 1
                    let left = seconds.map { max(0, $0 - (ContinuousClock.now - began) / .seconds(1)) }
                    group.addTask { try await Self.runChild(first: from, seeds: count, seconds: left) }
                } else if let part = try await group.next() {
                    running -= 1
                    figures.add(part)
                } else if !isOpen {
                    break
                }
            }
        }
        figures.seconds = (ContinuousClock.now - began) / .seconds(1)
        return figures
    }

    private func isOver(since began: ContinuousClock.Instant) -> Bool {
        seconds.map { (ContinuousClock.now - began) / .seconds(1) > $0 } ?? false
    }

    private static func runChild(first: UInt64, seeds: UInt64, seconds: Double?) async throws -> TortureFigures {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments =
            ["torture", "--child", "--first", "\(first)", "--seeds", "\(seeds)"]
            + (seconds.map { ["--seconds", "\($0)"] } ?? [])
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = await Task.detached {
            String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }.value
        process.waitUntilExit()
        guard let figures = TortureFigures(encoded: text) else {
            throw BenchError(
                "the simulator ended with status \(process.terminationStatus) in seeds \(first) to \(first + seeds - 1)"
            )
        }
        return figures
    }
}

/// What a number of seeds came to.
struct TortureFigures: Sendable {
    var seeds = 0
    var broken = 0
    var steps = 0
    var crashes = 0
    var faults = 0
    var virtualSeconds = 0.0
    var seconds = 0.0

    mutating func add(_ outcome: TortureRun.Outcome) {
        seeds += 1
        if !outcome.problems.isEmpty { broken += 1 }
        steps += outcome.steps
        crashes += outcome.crashes
        faults += outcome.faults
        virtualSeconds += outcome.virtualSeconds
    }

    mutating func add(_ other: TortureFigures) {
        seeds += other.seeds
        broken += other.broken
        steps += other.steps
        crashes += other.crashes
        faults += other.faults
        virtualSeconds += other.virtualSeconds
    }

    func line(first: UInt64) -> String {
        let rate = String(format: "%.0f", Double(seeds) / max(seconds, 1e-9) * 60)
        let hours = String(format: "%.1f", virtualSeconds / 3_600)
        return "torture: \(seeds) seeds from \(first), \(broken) broken, \(crashes) crashes among \(faults) faults, "
            + "\(steps) steps, \(hours) virtual hours, \(rate) seeds a minute"
    }

    // MARK: Between processes

    var encoded: String { "\(seeds) \(broken) \(steps) \(crashes) \(faults) \(virtualSeconds)" }

    init() {}

    init?(encoded text: String) {
        let words = text.split(separator: "\n").last.map { $0.split(separator: " ") } ?? []
        let numbers = words.dropLast().compactMap { Int($0) }
        guard words.count == 6, numbers.count == 5, let time = words.last.flatMap({ Double($0) }) else { return nil }
        (seeds, broken, steps, crashes, faults) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
        virtualSeconds = time
    }
}
