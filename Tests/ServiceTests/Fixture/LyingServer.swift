// SPDX-License-Identifier: Apache-2.0
// A real site whose aggregator is played by the test.

import ClinicalData
import Federation
import Foundation
import ModelFiles
import NIOPosix
import PeerTransport
import SiteService
import Testing
import WireProtocol

/// One site and its connections to an aggregator that a test writes by hand.
struct LyingServer {
    let study: Study
    let site: TestSite
    let folder: String
    private let connections: AsyncStream<any PeerConnection>

    /// Runs `body` with a site that connects again and again.
    static func run(
        _ study: Study = TestStudy.make(), plan: SitePlan = SitePlan("a"), _ body: (LyingServer) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "service-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let workers = NIOThreadPool(numberOfThreads: 1)
        workers.start()
        let network = InMemoryNetwork()
        let (connections, input) = AsyncStream.makeStream(of: (any PeerConnection).self)
        let listener = Task {
            try await network.listen { connection in
                input.yield(connection)
                // The connection is closed when this returns: it lives until the test ends it.
                try? await Task.sleep(for: .seconds(3_600))
            }
        }
        let site = try TestSite(plan, folder: folder.path, workers: workers) { try await network.connect(as: $0) }
        site.start()
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await body(
                    LyingServer(study: study, site: site, folder: folder.path, connections: connections)))
        } catch {
            result = .failure(error)
        }
        let error = await site.stop()
        #expect(error == nil, "the site ended by itself")
        listener.cancel()
        _ = await listener.result
        try await workers.shutdownGracefully()
        try result.get()
    }

    /// The site's next connection, before anything was said on it.
    func connection() async throws -> RawAggregator {
        for await connection in connections { return RawAggregator(connection: connection) }
        throw TestFailure("the site does not connect")
    }

    /// The site's next connection, after hello and welcome.
    func welcomed() async throws -> RawAggregator {
        let server = try await connection()
        let hello = try await server.hear { _ in true }
        guard case .hello(let versions, _) = hello, versions == [1] else { throw TestFailure("no hello") }
        try await server.say(.welcome(version: 1, federation: "lies", software: "test"))
        return server
    }

    /// The site's next connection, after it accepted the study.
    func accepted() async throws -> RawAggregator {
        let server = try await welcomed()
        try await server.say(.studyOffer(study.canonicalBytes))
        let decision = try await server.hear { if case .decision = $0 { true } else { false } }
        #expect(decision == .decision(study: study.hash, .accepted))
        return server
    }

    /// The bytes of a model file of the study.
    func model(
        of other: Study? = nil, parameters: [Float] = [0.1, 0.2, 0.3], round: Int = 0
    ) throws -> [UInt8] {
        let study = other ?? study
        let table = try site.plan.dataset.table(named: TestStudy.dataset, for: study.data)
        let moments = TableMoments.vector(of: table, rows: table.rows(in: .train))
        let result = try StatisticsSum(contract: study.data).result(of: moments)
        let description = try StudyModel(
            study: study, preprocessing: result.preprocessing, round: round, trainingRows: result.rows)
        return description.headerBytes + parameters.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    }

    /// A training task for the study with this model.
    func task(_ model: [UInt8], digest: Digest? = nil, byteCount: Int? = nil, round: Int = 1) -> RoundTask {
        RoundTask(
            study: study.hash, id: RoundID(kind: .training, round: round, attempt: 1), sites: 3,
            inputs: [
                BlobReference(name: "model", digest: digest ?? .blob(model), byteCount: byteCount ?? model.count)
            ])
    }

    /// Answers the site's next request for a blob with these bytes.
    func serve(_ bytes: [UInt8], on server: RawAggregator, pieces: Int = 1 << 16) async throws {
        let request = try await server.hear { if case .blobRequest = $0 { true } else { false } }
        guard case .blobRequest(_, let offset, let stream) = request else { throw TestFailure("no request") }
        try await server.send(bytes, stream: stream, from: Int(offset), pieces: pieces)
    }

    /// Vectors that the site ever offered.
    var offers: Int {
        site.line.passed.count { passing in
            if case .fromSite(.uploadOffer) = passing { true } else { false }
        }
    }

    /// The site is well: it takes part in an honest round over its next connection.
    func expectHonestRound(on server: RawAggregator) async throws {
        let model = try model(parameters: [0.5, 0.25, 0.125])
        let task = task(model, round: 2)
        try await server.say(.roundOpen(task))
        try await serve(model, on: server)
        let offer = try await server.hear { if case .uploadOffer(task.hash, _, _, _) = $0 { true } else { false } }
        guard case .uploadOffer = offer else { throw TestFailure("no offer") }
    }
}
