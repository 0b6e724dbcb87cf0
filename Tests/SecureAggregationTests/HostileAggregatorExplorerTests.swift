// SPDX-License-Identifier: Apache-2.0
// Every state that a hostile aggregator with a colluding site can drive the honest sites into.

import Federation
import SecureAggregation
import Testing

/// Walks all reachable states of the honest sites of one context, and asks in each what the adversary can compute.
///
/// Source of the invariants: privacy design review, §2 and §9.
@Suite struct HostileAggregatorExplorerTests {
    @Test(arguments: [(3, 0), (3, 1), (4, 0), (4, 1)])
    func noStateRevealsAStrictPartOfTheHonestSum(count: Int, colluders: Int) throws {
        let exploration = try Exploration(count: count, colluders: colluders).explored()
        #expect(exploration.hasUnmasked)
        #expect(exploration.hasVoided)
        #expect(exploration.violations.isEmpty, "\(exploration.violations) in \(exploration.stateCount) states")
    }

    /// The explorer can find what it looks for.
    @Test(arguments: [Mutation.releasesTwice, .releasesAfterVoid])
    func aSiteThatBreaksARuleIsFound(_ mutation: Mutation) throws {
        let exploration = try Exploration(count: 4, colluders: 1, mutation: mutation).explored()
        #expect(!exploration.violations.isEmpty)
    }
}

/// Ways in which sites could be wrong.
enum Mutation: CaseIterable {
    case releasesTwice
    case releasesAfterVoid
}

enum Violation: Hashable {
    /// A sum over some honest sites is known that is not the honest part of the one certified set.
    case partialSum
    /// Two different sums are known.
    case twoSums
    /// A site holds its update for free though it is in a sum that can be computed.
    case freedUpdateInSum
}

/// Breadth-first over the product of the honest sites' transition tables.
struct Exploration {
    private let world: HostileWorld
    private let behaviours: [SiteBehaviour]
    private let mutation: Mutation?
    private let threshold: Int
    private let quorum: Int
    private(set) var violations: Set<Violation> = []
    private(set) var stateCount = 0
    private(set) var hasUnmasked = false
    private(set) var hasVoided = false

    /// For each honest site its node, and the set it released for against the rules, if a mutation lets it.
    private struct State: Hashable {
        var nodes: [UInt16]
        var rogues: [UInt8]
        static let noRogue = UInt8.max
    }

    init(count: Int, colluders: Int, mutation: Mutation? = nil) throws {
        let parameters = try SumParameters.complete(count)
        let terms = RoundTerms(minimumSurvivors: parameters.quorum, minimumHonest: 2, colluders: colluders)
        world = try HostileWorld(parameters: parameters, terms: terms, hasColluder: colluders > 0)
        behaviours = try world.honest.map { [world] in try SiteBehaviour(world: world, position: $0) }
        self.mutation = mutation
        threshold = parameters.threshold
        quorum = parameters.quorum
    }

    func explored() -> Exploration {
        var result = self
        result.explore()
        return result
    }

    private mutating func explore() {
        var frontier: [State] = [State(nodes: [], rogues: [UInt8](repeating: State.noRogue, count: behaviours.count))]
        for behaviour in behaviours {
            frontier = frontier.flatMap { state in
                behaviour.starts.map { start in
                    State(nodes: state.nodes + [UInt16(start)], rogues: state.rogues)
                }
            }
        }
        var seen = Set(frontier)
        while let state = frontier.popLast() {
            judge(state)
            if mutation != nil, !violations.isEmpty { break }
            for next in successors(of: state) where seen.insert(next).inserted { frontier.append(next) }
        }
        stateCount = seen.count
    }

    // MARK: What the adversary can do

    private func node(_ site: Int, of state: State) -> SiteBehaviour.Node {
        behaviours[site].nodes[Int(state.nodes[site])]
    }

    private func successors(of state: State) -> [State] {
        let available = Availability(state, self)
        return behaviours.indices.flatMap { site in
            var states: [State] = []
            for (event, target) in behaviours[site].transitions[Int(state.nodes[site])] where available.allows(event) {
                var next = state
                next.nodes[site] = UInt16(target)
                states.append(next)
            }
            return states + rogueSuccessors(of: state, site: site, available: available)
        }
    }

    private func rogueSuccessors(of state: State, site: Int, available: Availability) -> [State] {
        guard let mutation, state.rogues[site] == State.noRogue else { return [] }
        let node = node(site, of: state)
        let mayRelease =
            switch mutation {
            case .releasesTwice: node.released != nil
            case .releasesAfterVoid: node.hasSignedVoid
            }
        guard mayRelease else { return [] }
        return world.proposals.indices.filter(available.isCertified).map { proposal in
            var next = state
            next.rogues[site] = UInt8(proposal)
            return next
        }
    }

    /// Which certificates exist, given the signatures that honest sites have handed out.
    private struct Availability {
        private var certified: [Bool]
        private var hasVoid: Bool

        init(_ state: State, _ exploration: Exploration) {
            let nodes = exploration.behaviours.indices.map { exploration.node($0, of: state) }
            let corrupt = exploration.world.corrupt
            certified = exploration.world.proposals.indices.map { index in
                let signers = nodes.count { $0.signed == index }
                let helper = exploration.world.proposals[index].survivors.contains(corrupt) ? 1 : 0
                return signers + helper >= exploration.quorum
            }
            hasVoid = nodes.count(where: \.hasSignedVoid) + (corrupt > 0 ? 1 : 0) >= exploration.quorum
        }

        func isCertified(_ proposal: Int) -> Bool { certified[proposal] }

        func allows(_ event: HostileEvent) -> Bool {
            switch event {
            case .manifest, .inputReady, .proposal, .voidRequest: true
            case .certificate(let index): certified[index]
            case .voidCertificate: hasVoid
            }
        }
    }

    // MARK: What the adversary knows

    private mutating func judge(_ state: State) {
        let knowledge = Knowledge(state, self)
        let sums = knowledge.computableSums
        if sums.count > 1 { violations.insert(.twoSums) }
        for sum in sums {
            hasUnmasked = true
            if !knowledge.honestPartsOfReleasedSets.contains(sum) { violations.insert(.partialSum) }
            if sum.contains(where: { node($0, of: state).isFreed }) { violations.insert(.freedUpdateInSum) }
        }
        if behaviours.indices.contains(where: { node($0, of: state).isFreed }) { hasVoided = true }
    }

    /// All that follows from uploads, released shares and the colluding site's own knowledge.
    private struct Knowledge {
        /// Indices of honest sites.
        private(set) var computableSums: Set<Set<Int>> = []
        private(set) var honestPartsOfReleasedSets: Set<Set<Int>> = []

        init(_ state: State, _ exploration: Exploration) {
            let world = exploration.world
            let sites = exploration.behaviours.indices
            let nodes = sites.map { exploration.node($0, of: state) }
            var releases: [(site: Int, proposal: HostileWorld.Proposal)] = []
            for site in sites {
                if let proposal = nodes[site].released { releases.append((site, world.proposals[proposal])) }
                if state.rogues[site] != State.noRogue {
                    releases.append((site, world.proposals[Int(state.rogues[site])]))
                }
            }
            guard !releases.isEmpty else { return }
            let position = world.honest
            honestPartsOfReleasedSets = Set(
                releases.map { release in Set(sites.filter { release.proposal.survivors.contains(position[$0]) }) })

            // The colluding site holds a share of everything.
            let own = world.corrupt > 0 ? 1 : 0
            func isRebuilt(_ isReleased: (HostileWorld.Proposal) -> Bool) -> Bool {
                Set(releases.filter { isReleased($0.proposal) }.map(\.site)).count + own >= exploration.threshold
            }
            let selfSeeds = sites.map { site in isRebuilt { $0.survivors.contains(position[site]) } }
            func dealers(_ proposal: HostileWorld.Proposal) -> PositionSet {
                world.manifests[proposal.manifest].dealers
            }
            func isPairKnown(_ one: Int, _ other: Int) -> Bool {
                isRebuilt { proposal in
                    dealers(proposal).contains(position[one]) && dealers(proposal).contains(position[other])
                        && proposal.survivors.contains(position[one]) != proposal.survivors.contains(position[other])
                }
            }
            func masks(_ site: Int, with other: Int) -> Bool {
                nodes[site].manifest.map { world.manifests[$0].dealers.contains(position[other]) } ?? false
            }
            let candidates = sites.filter { nodes[$0].isExposed && selfSeeds[$0] }
            for bits in 1..<max(1, 1 << candidates.count) {
                let sum = Set(candidates.indices.filter { bits >> $0 & 1 == 1 }.map { candidates[$0] })
                let cancels = sites.allSatisfy { one in
                    sites.filter { $0 > one }.allSatisfy { other in
                        let first = sum.contains(one) && masks(one, with: other)
                        let second = sum.contains(other) && masks(other, with: one)
                        return first == second || isPairKnown(one, other)
                    }
                }
                if cancels { computableSums.insert(sum) }
            }
        }
    }
}
