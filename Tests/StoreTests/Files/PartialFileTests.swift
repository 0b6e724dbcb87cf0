// SPDX-License-Identifier: Apache-2.0
// A file on its way: resumed where it ends, torn, taken over, refused when it is wrong, stopped by a full disk.

import Federation
import Foundation
import Store
import Testing

@Suite struct PartialFileTests {
    let directory: TestDirectory
    let vault: FileVault
    let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    init() throws {
        directory = try TestDirectory()
        vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
    }

    private var partialPath: String { directory("uploads/up.partial") }

    private func append(_ bytes: ArraySlice<UInt8>, to file: PartialFile) throws {
        try bytes.withUnsafeBytes { try file.append($0) }
    }

    private func digest(of bytes: [UInt8]) -> Digest {
        var hasher = BlobHasher()
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }

    /// Longer than what one thread writes and hashes by itself, between shorter pieces.
    @Test func longAndShortPiecesKeepTheirOrder() throws {
        let file = try vault.newFile(in: .models)
        var bytes: [UInt8] = []
        for count in [3, 600_000, 0, 1 << 18, 17] {
            let floats = (0..<count).map { Float($0) + Float(count) }
            try file.append(floats: floats)
            floats.withUnsafeBytes { bytes += $0 }
        }
        let stored = try file.finish()
        #expect(stored.digest == digest(of: bytes))
        try stored.verify()
    }

    @Test func anUploadIsResumedWhereItEnds() throws {
        for end in stride(from: 1_000, through: 9_000, by: 1_000) {
            // Each connection has a writer of its own; the earlier one is gone.
            let file = try vault.partialUpload(named: "up")
            #expect(file.byteCount == end - 1_000)
            try append(content[(end - 1_000)..<end], to: file)
            #expect(file.byteCount == end)
        }
        #expect(!exists(directory("uploads/up")))
        let file = try vault.partialUpload(named: "up")
        try append(content[9_000...], to: file)
        let stored = try file.finish(expecting: digest(of: content))
        #expect(try bytes(of: directory("uploads/up")) == content)
        #expect(stored.saved.name == "up" && stored.saved.folder == .uploads && stored.byteCount == 10_000)
        #expect(!exists(partialPath))
    }

    @Test(arguments: [0, 1, 1_500, 2_999])
    func aTornPartialFileIsContinuedFromWhatIsThere(_ length: Int) throws {
        do {
            let file = try vault.partialUpload(named: "up")
            try append(content[..<3_000], to: file)
        }
        try write(Array(content[..<length]), to: partialPath)
        let file = try vault.partialUpload(named: "up")
        #expect(file.byteCount == length)
        try append(content[length...], to: file)
        #expect(try file.finish(expecting: digest(of: content)).byteCount == content.count)
    }

    @Test func damagedBytesAreRefusedAndThrownAway() async throws {
        do {
            let file = try vault.partialUpload(named: "up")
            try append(content[..<3_000], to: file)
        }
        // As after a power cut: the length is right, the content is not.
        try write([UInt8](repeating: 0, count: 3_000), to: partialPath)
        let file = try vault.partialUpload(named: "up")
        try append(content[3_000...], to: file)
        _ = await expectError(.wrongDigest) { try file.finish(expecting: digest(of: content)) }
        #expect(!exists(partialPath) && !exists(directory("uploads/up")))
        #expect(try vault.partialUpload(named: "up").byteCount == 0)
    }

    @Test func everyFlippedByteIsNoticed() async throws {
        let short = Array(content[..<64])
        for index in short.indices {
            var flipped = short
            flipped[index] ^= 1
            let file = try vault.newUpload(named: "up")
            try append(flipped[...], to: file)
            _ = await expectError(.wrongDigest) { try file.finish(expecting: digest(of: short)) }
        }
    }

    @Test func theNewerWriterCutsOffTheOlderOne() async throws {
        let older = try vault.partialUpload(named: "up")
        try append(content[..<100], to: older)
        let newer = try vault.partialUpload(named: "up")
        #expect(newer.byteCount == 100)
        _ = await expectError(.superseded) { try append(content[100...], to: older) }
        _ = await expectError(.superseded) { try older.finish() }
        older.discard()
        try append(content[100...], to: newer)
        #expect(try newer.finish().digest == digest(of: content))
        #expect(try bytes(of: directory("uploads/up")) == content)
    }

    @Test func manyWritersAtOnceLeaveOneWholeFile() async throws {
        // Each resumes where the file ends and appends the same content; whoever is cut off stops.
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<16 {
                group.addTask { [vault, content] in
                    guard let file = try? vault.partialUpload(named: "up") else { return }
                    while case let start = file.byteCount, start < content.count {
                        let piece = content[start..<min(start + 97, content.count)]
                        do { try piece.withUnsafeBytes { try file.append($0) } } catch { return }
                    }
                }
            }
        }
        let file = try vault.partialUpload(named: "up")
        try append(content[file.byteCount...], to: file)
        _ = try file.finish(expecting: digest(of: content))
        #expect(try bytes(of: directory("uploads/up")) == content)
    }

    @Test func aModelDownloadIsResumed() throws {
        let expected = digest(of: content)
        do { try append(content[..<4_321], to: try vault.partialModel(expected)) }
        let file = try vault.partialModel(expected)
        #expect(file.byteCount == 4_321)
        try append(content[4_321...], to: file)
        let stored = try file.finish(expecting: expected)
        #expect(try vault.file(stored.reference("model")) == stored)
    }

    @Test func aNewUploadOverwritesWhatWasThere() throws {
        let old = try vault.partialUpload(named: "up")
        try append(content[...], to: old)
        let new = try vault.newUpload(named: "up")
        #expect(new.byteCount == 0)
        try append(content[..<5], to: new)
        _ = try new.finish()
        #expect(try bytes(of: directory("uploads/up")) == Array(content[..<5]))
    }

    @Test func aNamelessFileGoesAwayUnlessItIsFinished() throws {
        do {
            let file = try vault.newFile(in: .models)
            try append(content[...], to: file)
            #expect(try directory.names(in: "models").count == 1)
        }
        #expect(try directory.names(in: "models").isEmpty)
        let discarded = try vault.newFile(in: .models)
        discarded.discard()
        discarded.discard()
        #expect(try directory.names(in: "models").isEmpty)
        let finished = try vault.newFile(in: .models)
        _ = try finished.finish()
        #expect(throws: StoreError.self) { try append(content[...], to: finished) }
        #expect(throws: StoreError.self) { try finished.finish() }
        #expect(try directory.names(in: "models").count == 1)
    }

    @Test func aFullDiskIsSaidWithThePlaceAndWhatToDo() async throws {
        // The device accepts the opening and refuses every write, as a full disk does.
        try FileManager.default.createSymbolicLink(atPath: partialPath, withDestinationPath: "/dev/full")
        let file = try vault.partialUpload(named: "up")
        let error = try #require(await expectError(.diskFull) { try append(content[...], to: file) })
        #expect(error.message.contains(directory("uploads")) && error.hint.contains("free disk space"))
        #expect(file.byteCount == 0)
    }

    @Test func aFolderThatIsGoneIsSaid() async throws {
        let file = try vault.newFile(in: .models)
        try FileManager.default.removeItem(atPath: directory("models"))
        let error = try #require(await expectError(.missing) { try file.finish() })
        #expect(error.message.contains(directory("models")))
        _ = await expectError(.missing) { try vault.newFile(in: .models) }
    }
}
