// SPDX-License-Identifier: Apache-2.0
// Reads the round of seven sites that Tests/Interop/make_secure_vectors.py wrote.

import Federation
import SecureAggregation
import Testing

/// The part of `secagg/objects.json` that objects are made of.
struct GoldenRound: Decodable {
    var keys: Keys
    var round: Round
    var rosters: Rosters
    var graph: Graphs
    var negative: [Negative]

    struct Keys: Decodable {
        var aggregator: KeyPair
        var sites: [String: SiteKeys]
    }

    struct KeyPair: Decodable {
        var seed: String
        var `public`: String
    }

    struct SiteKeys: Decodable {
        var site: String
        var statementSeed: String
        var statement: String
        var witness: String
        var xwingSeed: String
        var xwing: String
    }

    struct Round: Decodable {
        var roster: Hashed
        var inputs: Inputs
        var task: Task
        var number: UInt64
        var context: String
        var sites: [String: Site]
        var refusingAck: String
        var v1: [Int]
        var manifest: String
        var manifestHash: String
        var survivors: [Int]
        var inputsHash: String
        var set: String
        var setHash: String
        var proposal: String
        var certificate: String
        var responders: [Int]
        var rebuilt: [Secret]
        var sumHash: String
        var nextModel: String
        var result: String
        var void: Void
    }

    struct Hashed: Decodable {
        var bytes: String
        var hash: String
    }

    /// Of the next epoch, each with new keys that somebody stands up for.
    struct Rosters: Decodable {
        var rotation: ChangedRoster
        var vouches: ChangedRoster
    }

    struct ChangedRoster: Decodable {
        var bytes: String
        var hash: String
        /// The sites with new keys.
        var changed: [String]
    }

    struct Inputs: Decodable {
        var blobs: [String: String]
        var modelHash: String
    }

    struct Task: Decodable {
        var study: String
        var kind: UInt8
        var attempt: Int
        var plan: String
        var sections: [[UInt64]]
        var n: Int
        var quorum: Int
        var threshold: Int
        var neighbours: Int
        var window: Int
        var minSurvivors: Int
        var minimumHonest: Int
        var colluders: Int
        var maxLoneDifferences: Int
        var required: [Int]
        var strict: Int
        var policy: String
        var bytes: String
        var hash: String
    }

    /// One dealer's part.
    struct Deal: Decodable {
        var rho: String
        var selfSeed: String
        var pairSeeds: [String: String]
        var items: [String: [String]]
        var plaintexts: [String: String]
        var envelopes: [String: String]
        var commitments: [String]
        var shareRoots: [String: String]
        var header: String
    }

    struct Site: Decodable {
        var ack: String
        var root: String
        var input: String
        var receipt: String?
        var setSignature: String?
        var shares: String?
    }

    struct Secret: Decodable {
        var dealer: Int
        var index: UInt32
        var secret: String
    }

    struct Void: Decodable {
        var context: String
        var bytes: String
        var hash: String
        var certificate: String
    }

    struct Graphs: Decodable {
        var defaultRow: Row
        var small: Small
    }

    struct Row: Decodable {
        var draftHash: String
        var reveals: [String]
        var revealCommitment1: String
        var key: String
        var order: [Int]
        var k: Int
    }

    struct Small: Decodable {
        var order: [Int]
        var k: Int
        var deal: SmallDeal
        var released: Released
    }

    struct SmallDeal: Decodable {
        var context: String
        var dealer: Int
        var statement: String
    }

    struct Released: Decodable {
        var v1: String
        var survivors: String
        var items: [String: [[Int]]]
    }

    struct Negative: Decodable {
        var name: String
        var object: String
        var bytes: String
        var manifest: String?
        var dealer: Int?
        var holder: Int?
        var key: Int?
        var shares: [String: String]?
        var graph: String?
    }

    /// The deals, which share their keys with other parts of a site.
    private struct Deals: Decodable {
        var round: Sites
        var graph: Graph

        struct Sites: Decodable { var sites: [String: Deal] }
        struct Graph: Decodable { var small: Small }
        struct Small: Decodable { var deal: Deal }
    }

    /// Of positions 1…7 in the round, and of the one dealer in the small graph.
    static func deals() throws -> (round: [String: Deal], small: Deal) {
        let file = try GoldenVectors.decode(Deals.self, from: "secagg/objects.json")
        return (file.round.sites, file.graph.small.deal)
    }

    static func load() throws -> GoldenRound { try GoldenVectors.decode(GoldenRound.self, from: "secagg/objects.json") }
}

/// The bytes behind hexadecimal text.
func golden(_ text: String?) throws -> [UInt8] { try #require(text.flatMap { [UInt8](hex: $0) }) }

func goldenDigest(_ text: String?) throws -> Digest { try #require(text.flatMap { Digest(hex: $0) }) }
