// SPDX-License-Identifier: Apache-2.0
// An actor that waits for the store or for workers goes on as itself, also when they fail.

import Execution
import Federation
import NIOPosix
import Store
import Testing

/// A break ends the test process with "Incorrect actor executor assumption": two threads could be inside one actor.
@Suite struct IsolationTests {
    private struct Failure: Error {}

    private actor Caller {
        let store: AggregatorStore
        init(store: AggregatorStore) { self.store = store }

        func write(_ study: Digest) async throws {
            _ = try await store.submit(
                study: study, name: "a", canonicalBytes: [1], entry: sampleEntry(.studyProposed, study: study), at: 1)
            preconditionIsolated()
        }

        /// - Returns: whether the store refused.
        func failingWrite(_ study: Digest, site: SiteID) async -> Bool {
            do {
                try await store.recordDecision(study: study, site: site, .accepted, at: 1)
                return false
            } catch {
                preconditionIsolated()
                return true
            }
        }

        func work(_ workers: any Workers, fails: Bool) async -> Bool {
            do {
                let value = try await workers.runIfActive {
                    if fails { throw Failure() }
                    return 7
                }
                preconditionIsolated()
                return value != 7
            } catch {
                preconditionIsolated()
                return true
            }
        }

        func sleep(_ clock: ServiceClock) async -> Bool {
            do {
                try await clock.sleep(for: .seconds(3_600))
                return false
            } catch {
                preconditionIsolated()
                return true
            }
        }
    }

    private let caller = Caller(store: try! .inMemory())

    @Test func afterAWriteThatSucceedsOrFails() async throws {
        try await caller.write(digest("known"))
        let hospital = try site("a")
        #expect(await caller.failingWrite(digest("unknown"), site: hospital))
    }

    @Test func afterWorkThatSucceedsOrFails() async {
        let inPlace = WorkersInPlace(before: {}, after: {})
        for workers in [NIOThreadPool.singleton, inPlace] as [any Workers] {
            #expect(await !caller.work(workers, fails: false))
            #expect(await caller.work(workers, fails: true))
        }
    }

    @Test func afterASleepThatIsCancelled() async {
        let sleeper = Task { await caller.sleep(.system) }
        sleeper.cancel()
        #expect(await sleeper.value)
    }
}
