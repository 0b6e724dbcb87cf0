// SPDX-License-Identifier: Apache-2.0
// A dry start's look at a state directory: right about what a start would find, and without a trace.

import Foundation
import GRDB
import Store
import Testing

@Suite struct StateConditionTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    @Test func aDirectoryThatIsNotThereYetIsNotMade() throws {
        #expect(try SiteStore.examine(directory: directory("state")) == .absent)
        #expect(try AggregatorStore.examine(directory: directory("state")) == .absent)
        #expect(try directory.names().isEmpty)
    }

    @Test func anEmptyDirectoryStaysEmpty() throws {
        #expect(try SiteStore.examine(directory: directory.path) == .absent)
        #expect(try directory.names().isEmpty)
    }

    @Test func aParentThatIsNotThereIsRefused() async {
        _ = await expectError(.missing) { try SiteStore.examine(directory: directory("not/there")) }
    }

    @Test func aRunningOrStoppedStoreIsCurrentAndNoByteOfItChanges() throws {
        do {
            let store = try SiteStore.open(directory: directory.path)
            #expect(try SiteStore.examine(directory: directory.path) == .current)
            withExtendedLifetime(store) {}
        }
        let before = try bytes(of: directory("site.sqlite"))
        #expect(try SiteStore.examine(directory: directory.path) == .current)
        #expect(try bytes(of: directory("site.sqlite")) == before)
    }

    @Test func anOlderStoreIsOlderAndStaysSo() throws {
        let file = directory("site.sqlite")
        do {
            let queue = try DatabaseQueue(path: file)
            try queue.write { try $0.execute(sql: "PRAGMA application_id = \(0x436E_5369)") }
            try queue.close()
        }
        try setPermissions(0o600, of: file)
        let before = try bytes(of: file)
        #expect(try SiteStore.examine(directory: directory.path) == .older)
        #expect(try bytes(of: file) == before)
    }

    @Test func whatAStartWouldRefuseIsRefused() async throws {
        do { _ = try AggregatorStore.open(directory: directory.path) }
        _ = await expectError(.wrongKind) { try SiteStore.examine(directory: directory.path) }
        try setPermissions(0o640, of: directory("aggregator.sqlite"))
        _ = await expectError(.exposed) { try AggregatorStore.examine(directory: directory.path) }
        try setPermissions(0o600, of: directory("aggregator.sqlite"))
        try setPermissions(0o750, of: directory.path)
        _ = await expectError(.exposed) { try AggregatorStore.examine(directory: directory.path) }
        try setPermissions(0o700, of: directory.path)
        try write(Array("no database".utf8), to: directory("aggregator.sqlite"))
        _ = await expectError(.damaged) { try AggregatorStore.examine(directory: directory.path) }
    }
}
