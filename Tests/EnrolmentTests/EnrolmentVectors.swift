// SPDX-License-Identifier: Apache-2.0
// Reads the vectors that Tests/Interop/make_enrolment_vectors.py wrote.

import Federation
import Foundation
import Testing

/// `enrolment/enrolment.json` in the folder named by `CONSILIUM_VECTORS`, else the committed one.
struct EnrolmentVectors: Decodable {
    var federation: String
    var now: Int64
    var site: String
    var address: String
    var wordListSHA256: String
    var token: String
    var tokenID: String
    var secret: String
    var expiry: Int64
    var rootHash: String
    var proofKey: String
    var badTokens: [String: String]
    var descriptor: String
    var descriptorHash: String
    var root: String
    var issuing: String
    var leaf: String
    var escapedLeaf: String
    var certificateRequest: String
    var statementSeed: String
    var witnessSeed: String
    var keysHash: String
    var serverKeyHash: String
    var nonce: String
    var message: String
    var proof: String
    var request: String
    var words: String
    var renewal: String
    var serial: String
    var emptyDenyList: String
    var denyList: String
    var firstRoster: String
    var secondRoster: String

    static func load() throws -> EnrolmentVectors {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        var file = root.deletingLastPathComponent().appending(path: "protocol/vectors/enrolment/enrolment.json")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(filePath: folder).appending(path: "enrolment/enrolment.json")
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no enrolment/enrolment.json in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        return try JSONDecoder().decode(EnrolmentVectors.self, from: Data(contentsOf: file))
    }

    /// The bytes behind hexadecimal text.
    func bytes(_ path: KeyPath<EnrolmentVectors, String>) throws -> [UInt8] {
        try #require([UInt8](hex: self[keyPath: path]))
    }

    func digest(_ path: KeyPath<EnrolmentVectors, String>) throws -> Digest {
        try #require(Digest(bytes: bytes(path)))
    }
}
