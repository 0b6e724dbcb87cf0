// SPDX-License-Identifier: Apache-2.0
// Every state that a hostile aggregator with a colluding site can drive the honest sites into.

import Federation
import SecureAggregation
import Testing

/// Walks all reachable states of the honest sites of one context, and asks in each what the adversary can compute.
///
/// Source of the invariants: privacy design review, §2 and §9.
@Suite struct HostileAggregatorExplorerTests {
    @Test(arguments: [(3, 0), (3, 1), (4, 1)])
    func noStateRevealsAStrictPartOfTheHonestSum(count: Int, colluders: Int) throws {
        let exploration = try Exploration(count: count, colluders: colluders).explored()
        #expect(exploration.changesByCrash == 0)
        #expect(exploration.hasUnmasked)
        #expect(exploration.hasVoided)
        #expect(exploration.violations.isEmpty, "\(exploration.violations) in \(exploration.stateCount) states")
    }

    /// The explorer can find what it looks for.
    @Test(arguments: Mutation.allCases)
    func aSiteThatBreaksARuleIsFound(_ mutation: Mutation) throws {
        let exploration = try Exploration(count: 4, colluders: 1, mutation: mutation).explored()
        #expect(!exploration.violations.isEmpty)
    }
}

/// Ways in which sites could be wrong.
enum Mutation: CaseIterable {
    case releasesWithoutCertificate
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

/// Depth-first over the product of the honest sites' transition tables.
struct Exploration {
    private let world: HostileWorld
    private let behaviours: [SiteBehaviour]
    private let mutation: Mutation?
    private let threshold: Int
    private let quorum: Int
    /// 1 where there is a colluding site: it signs, promises and shares whatever helps.
    private let helpers: Int
    private(set) var violations: Set<Violation> = []
    private(set) var stateCount = 0
    /// In each state every site is killed and rebuilt from its records before it sees another event.
    var changesByCrash: Int { behaviours.reduce(0) { $0 + $1.changesByCrash } }
    private(set) var hasUnmasked = false
    private(set) var hasVoided = false

    /// The node of each honest site, 12 bits each from the lowest; above them, 6 bits each, one more than the set it
    /// released for against the rules, if a mutation lets it.
    private struct State: Hashable {
        private var bits: UInt64 = 0
        private static let nodeBits = UInt64(12), rogueBits = UInt64(6), rogueStart = UInt64(40)

        subscript(node site: Int) -> Int {
            get { Int(bits >> (Self.nodeBits * UInt64(site)) & 0xfff) }
            set { set(newValue, at: Self.nodeBits * UInt64(site), mask: 0xfff) }
        }

        subscript(rogue site: Int) -> Int? {
            get {
                let value = Int(bits >> (Self.rogueStart + Self.rogueBits * UInt64(site)) & 0x3f)
                return value == 0 ? nil : value - 1
            }
            set {
                set((newValue ?? -1) + 1, at: Self.rogueStart + Self.rogueBits * UInt64(site), mask: 0x3f)
            }
        }

        private mutating func set(_ value: Int, at shift: UInt64, mask: UInt64) {
            precondition(value <= mask, "a state fits into its bits")
            bits = bits & ~(mask << shift) | UInt64(value) << shift
        }
    }

    init(count: Int, colluders: Int, mutation: Mutation? = nil) throws {
        let parameters = try SumParameters.complete(count)
        let terms = RoundTerms(minimumSurvivors: parameters.quorum, minimumHonest: 2, colluders: colluders)
        world = try HostileWorld(parameters: parameters, terms: terms, hasColluder: colluders > 0)
        precondition(world.honest.count <= 3, "a state has room for three honest sites")
        behaviours = try world.honest.map { [world] in try SiteBehaviour(world: world, position: $0) }
        self.mutation = mutation
        threshold = parameters.threshold
        quorum = parameters.quorum
        helpers = colluders > 0 ? 1 : 0
    }

    func explored() -> Exploration {
        var result = self
        result.explore()
        return result
    }

    private mutating func explore() {
        var frontier = [State()]
        for (site, behaviour) in behaviours.enumerated() {
            frontier = frontier.flatMap { state in
                behaviour.starts.map { start in
                    var state = state
                    state[node: site] = start
                    return state
                }
            }
        }
        var seen = Set(frontier)
        var next: [State] = []
        while let state = frontier.popLast() {
            judge(state)
            if mutation != nil, !violations.isEmpty { break }
            next.removeAll(keepingCapacity: true)
            addSuccessors(of: state, to: &next)
            for state in next where seen.insert(state).inserted { frontier.append(state) }
        }
        stateCount = seen.count
    }

    // MARK: What the adversary can do

    private func node(_ site: Int, of state: State) -> SiteBehaviour.Node {
        behaviours[site].nodes[state[node: site]]
    }

    private func addSuccessors(of state: State, to states: inout [State]) {
        for site in behaviours.indices {
            for step in behaviours[site].transitions[state[node: site]] where isPossible(step.event, in: state) {
                var next = state
                next[node: site] = step.target
                states.append(next)
            }
            guard mayMisbehave(site, in: state) else { continue }
            for proposal in world.proposals.indices
            where mutation == .releasesWithoutCertificate || isCertified(proposal, in: state) {
                var next = state
                next[rogue: site] = proposal
                states.append(next)
            }
        }
    }

    private func mayMisbehave(_ site: Int, in state: State) -> Bool {
        guard let mutation, state[rogue: site] == nil else { return false }
        return switch mutation {
        case .releasesWithoutCertificate: node(site, of: state).manifest != nil
        case .releasesAfterVoid: node(site, of: state).hasSignedVoid
        }
    }

    /// Whether enough signatures were handed out for what the event shows.
    private func isPossible(_ event: HostileEvent, in state: State) -> Bool {
        switch event {
        case .manifest, .inputReady, .proposal, .voidRequest: true
        case .certificate(let index): isCertified(index, in: state)
        case .voidCertificate:
            behaviours.indices.count { node($0, of: state).hasSignedVoid } + helpers >= quorum
        }
    }

    private func isCertified(_ proposal: Int, in state: State) -> Bool {
        let isHelped = world.proposals[proposal].survivors.contains(world.corrupt)
        return behaviours.indices.count { node($0, of: state).signed == proposal } + (isHelped ? 1 : 0) >= quorum
    }

    // MARK: What the adversary knows

    private mutating func judge(_ state: State) {
        if behaviours.indices.contains(where: { node($0, of: state).isFreed }) { hasVoided = true }
        let releases = behaviours.indices.count { node($0, of: state).released != nil || state[rogue: $0] != nil }
        guard releases + helpers >= threshold else { return }
        let knowledge = Knowledge(state, self)
        let sums = knowledge.computableSums
        if sums.count > 1 { violations.insert(.twoSums) }
        for sum in sums {
            hasUnmasked = true
            if !knowledge.honestPartsOfReleasedSets.contains(sum) { violations.insert(.partialSum) }
            if sum.contains(where: { node($0, of: state).isFreed }) { violations.insert(.freedUpdateInSum) }
        }
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
                if let proposal = state[rogue: site] { releases.append((site, world.proposals[proposal])) }
            }
            guard !releases.isEmpty else { return }
            let position = world.honest
            honestPartsOfReleasedSets = Set(
                releases.map { release in Set(sites.filter { release.proposal.survivors.contains(position[$0]) }) })

            // The colluding site holds a share of everything.
            func isRebuilt(_ isReleased: (HostileWorld.Proposal) -> Bool) -> Bool {
                Set(releases.filter { isReleased($0.proposal) }.map(\.site)).count + exploration.helpers
                    >= exploration.threshold
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
