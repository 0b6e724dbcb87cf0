// SPDX-License-Identifier: Apache-2.0
// The team of threads: nobody runs ahead, nobody is left behind, and nobody works while idle.

import Glibc
import Tensors
import Testing

@Suite struct WorkerTeamTests {
    /// One number for each member on a cache line of its own; what was written before a wait is read after it.
    private final class Slots {
        private let memory: UnsafeMutablePointer<Int>
        private static let width = 8

        init(_ count: Int) {
            memory = .allocate(capacity: count * Self.width)
            memory.initialize(repeating: 0, count: count * Self.width)
        }

        deinit { memory.deallocate() }

        subscript(_ member: Int) -> Int {
            get { memory[member * Self.width] }
            set { memory[member * Self.width] = newValue }
        }
    }

    @Test(arguments: 1...4) func nobodyPassesAWaitAlone(count: Int) {
        let team = WorkerTeam(count: count)
        #expect(team.count == count)
        let (done, wrong) = (Slots(count), Slots(count))
        let phases = 20
        for run in 0..<100 {
            team.run { member in
                for phase in 1...phases {
                    done[member] += 1
                    team.wait()
                    for other in 0..<count where done[other] != run * phases + phase { wrong[member] += 1 }
                    team.wait()
                }
            }
            // The run has returned: everybody has finished it.
            for member in 0..<count where done[member] != (run + 1) * phases { wrong[0] += 1 }
        }
        #expect((0..<count).map { wrong[$0] } == [Int](repeating: 0, count: count))
        #expect((0..<count).map { done[$0] } == [Int](repeating: 100 * phases, count: count))
    }

    @Test(arguments: 2...4) func sleepersAreWoken(count: Int) {
        // One member is late by far more than the others spin, a different one each time.
        let team = WorkerTeam(count: count)
        let (done, wrong) = (Slots(count), Slots(count))
        for run in 0..<20 {
            usleep(run % 3 == 0 ? 2000 : 0)
            team.run { member in
                if member == run % count { usleep(2000) }
                done[member] += 1
                team.wait()
                for other in 0..<count where done[other] != run + 1 { wrong[member] += 1 }
                if member == (run + 1) % count { usleep(2000) }
            }
        }
        #expect((0..<count).map { wrong[$0] } == [Int](repeating: 0, count: count))
        #expect((0..<count).map { done[$0] } == [Int](repeating: 20, count: count))
    }

    @Test func membersAreThreadsAndTheCallerIsTheFirst() {
        let (team, threads) = (WorkerTeam(count: 4), Slots(4))
        for _ in 0..<5 {
            team.run { threads[$0] = Int(bitPattern: UInt(pthread_self())) }
            #expect(threads[0] == Int(bitPattern: UInt(pthread_self())))
            #expect(Set((0..<4).map { threads[$0] }).count == 4)
        }
    }

    @Test func anIdleTeamUsesNoProcessorTime() {
        // The members' own clocks: other suites run in this process at the same time.
        let (team, clocks) = (WorkerTeam(count: 4), Slots(4))
        team.run { clocks[$0] = Int(Self.clockOfThisThread()) }
        usleep(20_000)
        let before = (1..<4).map { Self.nanoseconds(clocks[$0]) }
        usleep(200_000)
        let after = (1..<4).map { Self.nanoseconds(clocks[$0]) }
        let used = zip(after, before).reduce(0) { $0 + $1.0 - $1.1 }
        #expect(before.allSatisfy { $0 > 0 })
        #expect(used < 5_000_000, "\(used) ns in 0.2 s")
    }

    @Test func threadsEndWithTheirTeam() {
        let clocks = Slots(3)
        do {
            let team = WorkerTeam(count: 3)
            team.run { clocks[$0] = Int(Self.clockOfThisThread()) }
        }
        // The system may take a moment to forget a thread that was joined.
        for _ in 0..<100 where (1..<3).contains(where: { Self.nanoseconds(clocks[$0]) >= 0 }) { usleep(10_000) }
        #expect(!(1..<3).contains { Self.nanoseconds(clocks[$0]) >= 0 })
    }

    @Test func manyTeamsComeAndGo() {
        let total = Slots(1)
        for _ in 0..<50 {
            let (team, done) = (WorkerTeam(count: 3), Slots(3))
            team.run { done[$0] = $0 + 1 }
            total[0] += done[0] + done[1] + done[2]
            _ = WorkerTeam(count: 2)
        }
        #expect(total[0] == 300)
    }

    private static func clockOfThisThread() -> clockid_t {
        var clock = clockid_t()
        return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : -1
    }

    /// The processor time of a thread; −1 when it is gone.
    private static func nanoseconds(_ clock: Int) -> Int {
        var time = timespec()
        return clock_gettime(clockid_t(clock), &time) == 0 ? time.tv_sec * 1_000_000_000 + time.tv_nsec : -1
    }
}
