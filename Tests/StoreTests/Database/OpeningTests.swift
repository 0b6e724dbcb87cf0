// SPDX-License-Identifier: Apache-2.0
// Opening a state directory: made private, held by one process, refused when something is wrong with it.

import Federation
import Foundation
import GRDB
import Store
import Testing

@Suite struct OpeningTests {
    let directory: TestDirectory
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        sample = try SampleStudy()
    }

    private var file: String { directory("aggregator.sqlite") }

    // MARK: Making

    @Test func directoryAndFilesAreMadePrivate() async throws {
        let state = directory("state")
        let store = try AggregatorStore.open(directory: state)
        try await sample.submit(to: store)
        #expect(try permissions(of: state) == 0o700)
        let names = try directory.names(in: "state")
        #expect(names.contains("aggregator.sqlite") && names.contains("aggregator.sqlite-wal"))
        for name in names { #expect(try permissions(of: "\(state)/\(name)") == 0o600, "\(name)") }
    }

    @Test func onlyTheLastPartOfThePathIsMade() async throws {
        let error = try #require(
            await expectError(.missing) { try AggregatorStore.open(directory: directory("not/there")) })
        #expect(error.message.contains(directory("not/there")))
        #expect(!exists(directory("not")))
    }

    @Test func aRelativePathAndATrailingSlashAreFine() async throws {
        let store = try SiteStore.open(directory: directory("state") + "/")
        #expect(try await store.studies().isEmpty)
        #expect(exists(directory("state/site.sqlite")))
    }

    // MARK: Refusing

    @Test(arguments: [0o701, 0o710, 0o704, 0o750, 0o777])
    func aDirectoryThatOthersReachIsRefused(_ mode: Int) async throws {
        try setPermissions(mode, of: directory.path)
        let error = try #require(
            await expectError(.exposed) { try AggregatorStore.open(directory: directory.path) })
        #expect(error.hint.contains("chmod 700"))
        _ = await expectError(.exposed) { try SiteStore.open(directory: directory.path) }
        #expect(try directory.names().isEmpty, "nothing is written into it")
    }

    @Test(arguments: [0o604, 0o620, 0o644])
    func aDatabaseThatOthersReachIsRefused(_ mode: Int) async throws {
        do { _ = try AggregatorStore.open(directory: directory.path) }
        try setPermissions(mode, of: file)
        let error = try #require(
            await expectError(.exposed) { try AggregatorStore.open(directory: directory.path) })
        #expect(error.hint.contains("chmod 600"))
    }

    @Test func aFileInPlaceOfTheDirectoryIsRefused() async throws {
        try write([1], to: directory("state"))
        _ = await expectError(.wrongKind) { try AggregatorStore.open(directory: directory("state")) }
        _ = await expectError(.wrongKind) { try AggregatorStore.openReadOnly(directory: directory("state")) }
    }

    @Test func aDirectoryInPlaceOfTheDatabaseIsRefused() async throws {
        try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
        _ = await expectError(.wrongKind) { try AggregatorStore.open(directory: directory.path) }
    }

    @Test func aPlaceThatCannotBeWrittenIsRefused() async throws {
        // No user, not even root, makes a directory there.
        _ = await expectError(.permissionDenied) { try AggregatorStore.open(directory: "/sys/consilium-state") }
    }

    @Test func aReadOnlyStoreRefusesToWrite() async throws {
        do { try await sample.submit(to: try AggregatorStore.open(directory: directory.path)) }
        let store = try AggregatorStore.openReadOnly(directory: directory.path)
        _ = await expectError(.permissionDenied) { try await sample.open(in: store) }
    }

    @Test func textInPlaceOfADatabaseIsRefused() async throws {
        try write(Array(repeating: UInt8(ascii: "x"), count: 5_000), to: file)
        try setPermissions(0o600, of: file)
        let error = try #require(
            await expectError(.damaged) { try AggregatorStore.open(directory: directory.path) })
        #expect(error.message.contains(file) && error.hint.contains("backup"))
        _ = await expectError(.damaged) { try AggregatorStore.openReadOnly(directory: directory.path) }
        #expect(try bytes(of: file).count == 5_000, "it is left as it was")
    }

    @Test func aDamagedPageIsFoundWhenTheStoreIsOpened() async throws {
        do {
            let store = try AggregatorStore.open(directory: directory.path)
            for number in 0..<50 {
                try await store.submit(
                    study: digest("\(number)"), name: "study", canonicalBytes: [UInt8](repeating: 1, count: 500),
                    entry: try sampleEntry(), at: 0)
            }
        }
        var content = try bytes(of: file)
        for index in (content.count - 3_000)..<content.count { content[index] = 0xFF }
        for index in 8_192..<8_300 { content[index] = 0xFF }
        try write(content, to: file)
        _ = await expectError(.damaged) { try AggregatorStore.open(directory: directory.path) }
    }

    @Test func anotherProgramsDatabaseIsRefused() async throws {
        do {
            let queue = try DatabaseQueue(path: file)
            try await queue.write { try $0.execute(sql: "CREATE TABLE patients (name TEXT)") }
            try queue.close()
        }
        try setPermissions(0o600, of: file)
        let before = try bytes(of: file)
        _ = await expectError(.foreign) { try AggregatorStore.open(directory: directory.path) }
        _ = await expectError(.foreign) { try AggregatorStore.openReadOnly(directory: directory.path) }
        #expect(try bytes(of: file) == before)
    }

    @Test func aSitesStateIsNoAggregatorsState() async throws {
        do { _ = try SiteStore.open(directory: directory.path) }
        _ = await expectError(.wrongKind) { try AggregatorStore.open(directory: directory.path) }
        _ = await expectError(.missing) { try AggregatorStore.openReadOnly(directory: directory.path) }
        try FileManager.default.moveItem(atPath: directory("site.sqlite"), toPath: file)
        _ = await expectError(.foreign) { try AggregatorStore.open(directory: directory.path) }
    }

    @Test func whatIsNotThereCannotBeRead() async throws {
        _ = await expectError(.missing) { try SiteStore.openReadOnly(directory: directory("nowhere")) }
        _ = await expectError(.missing) { try SiteStore.openReadOnly(directory: directory.path) }
        #expect(try directory.names().isEmpty)
    }

    // MARK: One process

    @Test func aDirectoryIsHeldByOneStore() async throws {
        var store: AggregatorStore? = try AggregatorStore.open(directory: directory.path)
        let error = try #require(
            await expectError(.inUse) { try AggregatorStore.open(directory: directory.path) })
        #expect(error.message.contains("another aggregator uses this state directory"))
        let copy = store
        store = nil
        _ = await expectError(.inUse, "a copy holds it") { try AggregatorStore.open(directory: directory.path) }
        #expect(try await copy?.studies().isEmpty == true)
    }

    @Test func aDirectoryIsFreeOnceItsStoreIsGone() async throws {
        for number in 1...3 {
            let store = try AggregatorStore.open(directory: directory.path)
            try await store.submit(
                study: digest("\(number)"), name: "", canonicalBytes: [], entry: try sampleEntry(), at: 0)
            #expect(try await store.studies().count == number)
        }
    }

    @Test func aDirectoryHeldByAnotherProcessIsRefused() async throws {
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        // The child says when it has the lock, and holds it until its input ends.
        holder.arguments = [directory("site.lock"), "sh", "-c", "echo held; cat > /dev/null"]
        let (input, output) = (Pipe(), Pipe())
        holder.standardInput = input
        holder.standardOutput = output
        try holder.run()
        #expect(output.fileHandleForReading.readData(ofLength: 5) == Data("held\n".utf8))
        _ = await expectError(.inUse) { try SiteStore.open(directory: directory.path) }
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        #expect(throws: Never.self) { try SiteStore.open(directory: directory.path) }
    }

    // MARK: Reading beside the daemon

    @Test func aReaderSeesTheStateOfARunningAndOfAStoppedDaemon() async throws {
        do {
            let store = try AggregatorStore.open(directory: directory.path)
            try await sample.submit(to: store)
            let reader = try AggregatorStore.openReadOnly(directory: directory.path)
            #expect(try await reader.studies().count == 1)
            try await sample.open(in: store)
            #expect(try await reader.latestRound(study: sample.hash)?.state == .open)
        }
        let reader = try AggregatorStore.openReadOnly(directory: directory.path)
        #expect(try await reader.rounds(study: sample.hash).count == 1)
        let store = try AggregatorStore.open(directory: directory.path)
        try await sample.close(in: store)
        #expect(try await reader.latestRound(study: sample.hash)?.state == .closed)
    }
}
