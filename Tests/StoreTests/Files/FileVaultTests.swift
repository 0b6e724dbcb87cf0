// SPDX-License-Identifier: Apache-2.0
// The vault's files: named by content, private, found again, removed, swept after a crash.

import Federation
import Store
import Testing

@Suite struct FileVaultTests {
    let directory: TestDirectory
    let vault: FileVault
    /// More than two reading pieces, and no multiple of one.
    static let content = (0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }

    init() throws {
        directory = try TestDirectory()
        vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
    }

    private func hash(_ bytes: [UInt8]) -> Digest {
        var hasher = BlobHasher()
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }

    private func store(_ bytes: [UInt8], in folder: FileVault.Folder = .models) throws -> StoredFile {
        let file = try vault.newFile(in: folder)
        try bytes.withUnsafeBytes { try file.append($0) }
        return try file.finish()
    }

    @Test(arguments: [0, 1, 262_144, 262_145, 700_001])
    func aFileIsNamedByItsContentAndReadsBack(_ count: Int) throws {
        let content = Array(Self.content.prefix(count))
        let file = try store(content)
        #expect(file.digest == hash(content) && file.byteCount == count)
        #expect(file.path == directory("models/\(file.digest.hex)"))
        #expect(try bytes(of: file.path) == content)
        var pieces: [UInt8] = []
        try file.reader().forEachPiece { pieces += $0 }
        #expect(pieces == content)
        try file.verify()
        #expect(try vault.file(file.reference("model")) == file)
        #expect(try vault.file(file.saved) == file)
    }

    @Test func aReaderReadsAnywhereButNotBeyondTheEnd() throws {
        let reader = try store(Self.content).reader()
        #expect(reader.byteCount == Self.content.count)
        for offset in [0, 1, 262_143, 699_900] {
            var buffer = [UInt8](repeating: 0, count: 101)
            try buffer.withUnsafeMutableBytes { try reader.read(at: offset, into: $0) }
            #expect(buffer == Array(Self.content[offset..<offset + 101]))
            #expect(try reader.byte(at: offset) == Self.content[offset])
        }
        var buffer = [UInt8](repeating: 0, count: 102)
        #expect(throws: StoreError.self) {
            try buffer.withUnsafeMutableBytes { try reader.read(at: 699_900, into: $0) }
        }
        #expect(throws: StoreError.self) { try reader.byte(at: 700_001) }
    }

    @Test func floatsComeBackBitForBit() throws {
        let floats: [Float] = [0, -0.0, 1, .pi, .infinity, -.leastNonzeroMagnitude, .greatestFiniteMagnitude]
        let file = try vault.newFile(in: .models)
        try [UInt8](repeating: 7, count: 3).withUnsafeBytes { try file.append($0) }
        try file.append(floats: floats)
        let reader = try file.finish().reader()
        #expect(try reader.floats(at: 3, count: floats.count).map(\.bitPattern) == floats.map(\.bitPattern))
        #expect(try reader.floats(at: 7, count: 1).map(\.bitPattern) == [(-Float(0)).bitPattern])
        #expect(throws: StoreError.self) { try reader.floats(at: 7, count: floats.count) }
    }

    @Test func equalModelsAreOneFileAndEqualUploadsAreTwo() throws {
        #expect(try store([1, 2, 3]) == store([1, 2, 3]))
        let first = try storedUpload([1, 2, 3], named: "task-alpha", in: vault)
        let second = try storedUpload([1, 2, 3], named: "task-beta", in: vault)
        #expect(first.digest == second.digest && first.path != second.path)
        try vault.remove(first)
        #expect(try bytes(of: second.path) == [1, 2, 3])
    }

    @Test func whatIsMissingOrChangedInLengthIsNotFound() async throws {
        let file = try store([1, 2, 3])
        #expect(vault.contains(file.reference("model")))
        try write([1, 2], to: file.path)
        _ = await expectError(.wrongLength) { try vault.file(file.saved) }
        try write([1, 2, 4], to: file.path)
        _ = await expectError(.wrongDigest) { try vault.file(file.saved).verify() }
        try vault.remove(file)
        try vault.remove(file)
        _ = await expectError(.missing) { try vault.file(file.saved) }
        #expect(!vault.contains(file.reference("model")))
    }

    @Test func foldersAndFilesAreForTheirOwnerOnly() async throws {
        #expect(try permissions(of: directory("models")) == 0o700)
        #expect(try permissions(of: directory("uploads")) == 0o700)
        #expect(try permissions(of: store([1]).path) == 0o600)
        let partial = try vault.partialUpload(named: "p")
        #expect(try permissions(of: directory("uploads/p.partial")) == 0o600)
        partial.discard()
        try setPermissions(0o750, of: directory("models"))
        _ = await expectError(.exposed) { try FileVault(directory: directory.path) }
    }

    @Test func aFileWhereAFolderBelongsIsRefused() async throws {
        let other = try TestDirectory()
        try write([], to: other("models"))
        _ = await expectError(.wrongKind) { try FileVault(directory: other.path) }
    }

    @Test func sweepingKeepsWhatIsNamedAndRemovesTheRest() throws {
        let kept = try store([1])
        let dropped = try store([2])
        let upload = try storedUpload([3], named: "task-alpha", in: vault)
        for name in ["task-beta", "task-gamma"] {
            let partial = try vault.partialUpload(named: name)
            try [4].withUnsafeBytes { try partial.append($0) }
        }
        try write([5], to: directory("models/new-1-1.partial"))
        #expect(try vault.removeAll(in: .models, except: [kept.saved.name]) == 2)
        #expect(exists(kept.path) && !exists(dropped.path) && !exists(directory("models/new-1-1.partial")))
        #expect(try vault.removeAll(in: .uploads, except: ["task-alpha", "task-beta"]) == 1)
        #expect(exists(upload.path) && exists(directory("uploads/task-beta.partial")))
        #expect(!exists(directory("uploads/task-gamma.partial")))
        #expect(try vault.removeAll(in: .uploads, except: []) == 2)
    }

    @Test func leavingsOfACrashDoNotStandInTheWay() throws {
        let pattern = try vault.newFile(in: .models)
        let name = try #require(try directory.names(in: "models").first)
        pattern.discard()
        // The next numbers, as if an earlier process of the same id had left them.
        let stem = name.split(separator: "-").dropLast().joined(separator: "-")
        for number in 2...4 { try write([9, 9], to: directory("models/\(stem)-\(number).partial")) }
        #expect(try bytes(of: store([1]).path) == [1])
        #expect(try bytes(of: directory("models/\(stem)-2.partial")) == [9, 9])
    }
}
