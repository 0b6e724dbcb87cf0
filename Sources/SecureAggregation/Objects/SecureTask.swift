// SPDX-License-Identifier: Apache-2.0
// O3: what a round sums, and the terms below which nobody signs or releases.

package import Federation

/// One attempt at one round, as every member must see it (O3). Its hash is part of the context.
///
/// Bytes: `fl/secagg/v1 task` LF || study hash || u8 release class || u32 attempt || plan hash || LP(section table: for
/// each section u64 entries, u8 b, u8 value bits) || n, Q, t, k, m, minSurvivors, minimumHonest, c, maxLoneDifferences as
/// u32 each || bitmap of the required || u8 strict || privacy policy hash.
package struct SecureTask: Hashable, Sendable {
    private static let label = "fl/secagg/v1 task\n"
    /// As many as a 16-bit length allows.
    package static let mostSections = Int(UInt16.max) / 10
    /// Of ``maxLoneDifferences``: no limit.
    private static let unlimited = UInt32.max

    /// What the sum is for.
    package enum ReleaseClass: UInt8, CaseIterable, Hashable, Sendable {
        case training = 1
        case statistics
        case evaluation
        case controls
    }

    /// One run of elements of the same width.
    package struct Section: Hashable, Sendable {
        /// Number of elements.
        package var entries: UInt64
        /// b: an element is one of ℤ/2ᵇ, 2 to 32 with mask words of 4 bytes, or 64 with 8.
        package var ringBits: UInt8
        /// v: one site's value fits in so many bits, with its sign.
        package var valueBits: UInt8

        /// The last section of every task: each site puts 1 into its four entries, so the sum must be |U| in all of them.
        package static let checkLanes = Section(entries: 4, ringBits: 32, valueBits: 2)

        package init(entries: UInt64, ringBits: UInt8, valueBits: UInt8) {
            self.entries = entries
            self.ringBits = ringBits
            self.valueBits = valueBits
        }

        /// Whether there are elements of b bits: a packed form for widths between 32 and 64 would have no use.
        fileprivate var hasKnownWidth: Bool { (2...32).contains(ringBits) || ringBits == 64 }
    }

    /// The numbers of the round, in the order of the bytes.
    package struct Numbers: Hashable, Sendable {
        /// n, of the invited roster.
        package var sites: Int
        /// Q.
        package var quorum: Int
        /// t, of one neighbourhood.
        package var threshold: Int
        /// k; n − 1 on the complete graph.
        package var neighbours: Int
        /// m; 0 on the complete graph.
        package var windowMinimum: Int
        package var minSurvivors: Int
        package var minimumHonest: Int
        /// c.
        package var colluders: Int
        /// Released rounds that may differ from the one before by one to `minimumHonest` − 1 sites; nil for no limit.
        package var maxLoneDifferences: Int?

        package init(
            sites: Int, quorum: Int, threshold: Int, neighbours: Int, windowMinimum: Int, minSurvivors: Int,
            minimumHonest: Int, colluders: Int, maxLoneDifferences: Int?
        ) {
            self.sites = sites
            self.quorum = quorum
            self.threshold = threshold
            self.neighbours = neighbours
            self.windowMinimum = windowMinimum
            self.minSurvivors = minSurvivors
            self.minimumHonest = minimumHonest
            self.colluders = colluders
            self.maxLoneDifferences = maxLoneDifferences
        }
    }

    package let study: Digest
    package let releaseClass: ReleaseClass
    /// Counted from 1.
    package let attempt: Int
    /// Covers optimiser, clip, scale, weights and cohorts.
    package let plan: Digest
    package let sections: [Section]
    package let numbers: Numbers
    /// Must be in U.
    package let required: PositionSet
    /// Whether a certificate counts only once it is logged and cosigned.
    package let isStrict: Bool
    package let privacyPolicy: Digest

    /// - Throws: `.malformed` unless it would be read back as it is. Whether the numbers protect anybody is the judgement
    ///   of `Parameters/`; here they are only kept from being absurd.
    package init(
        study: Digest, releaseClass: ReleaseClass, attempt: Int, plan: Digest, sections: [Section], numbers: Numbers,
        required: PositionSet, isStrict: Bool, privacyPolicy: Digest
    ) throws(SecureSumError) {
        guard (1...Int(UInt32.max)).contains(attempt), numbers.isSane, required.rosterCount == numbers.sites,
            Self.areSane(sections)
        else { throw .malformed }
        self.study = study
        self.releaseClass = releaseClass
        self.attempt = attempt
        self.plan = plan
        self.sections = sections
        self.numbers = numbers
        self.required = required
        self.isStrict = isStrict
        self.privacyPolicy = privacyPolicy
    }

    /// The task hash of the context.
    package var hash: Digest { sha256(bytes) }

    /// Elements of one site's vector, all sections together.
    package var entries: UInt64 { sections.reduce(0) { $0 + $1.entries } }

    private static func areSane(_ sections: [Section]) -> Bool {
        guard (2...mostSections).contains(sections.count), sections.last == .checkLanes else { return false }
        // 2⁴⁰ entries in all: far beyond any vector, and no sum of sizes overflows.
        var total: UInt64 = 0
        for section in sections {
            guard (1...1 << 40).contains(section.entries), section.hasKnownWidth,
                (1...section.ringBits).contains(section.valueBits)
            else { return false }
            total += section.entries
            guard total <= 1 << 40 else { return false }
        }
        return true
    }
}

extension SecureTask.Numbers {
    fileprivate var isSane: Bool {
        (SumParameters.fewestSites...SumParameters.mostSites).contains(sites) && (1...sites).contains(quorum)
            && (2...sites - 1).contains(neighbours) && (2...neighbours + 1).contains(threshold)
            && (0...sites).contains(windowMinimum) && (0...sites).contains(minSurvivors)
            && (0...sites).contains(minimumHonest) && (0..<sites).contains(colluders)
            && maxLoneDifferences.map { (0..<Int(UInt32.max)).contains($0) } ?? true
    }
}

// MARK: Bytes

extension SecureTask {
    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(study)
        writer.byte(releaseClass.rawValue)
        writer.integer(UInt32(attempt))
        writer.digest(plan)
        writer.integer(UInt16(10 * sections.count))
        for section in sections {
            writer.integer(section.entries)
            writer.byte(section.ringBits)
            writer.byte(section.valueBits)
        }
        let n = numbers
        for number in [
            n.sites, n.quorum, n.threshold, n.neighbours, n.windowMinimum, n.minSurvivors, n.minimumHonest, n.colluders,
        ] { writer.integer(UInt32(number)) }
        writer.integer(n.maxLoneDifferences.map { UInt32($0) } ?? Self.unlimited)
        writer.raw(required.bitmap)
        writer.byte(isStrict ? 1 : 0)
        writer.digest(privacyPolicy)
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        let study = try reader.digest()
        guard let releaseClass = ReleaseClass(rawValue: try reader.byte()) else { throw .malformed }
        let attempt = Int(try reader.integer(UInt32.self))
        let plan = try reader.digest()
        let sections = try Self.sections(try reader.prefixed())
        let numbers = try Numbers(&reader)
        let required = try reader.positionSet(rosterCount: numbers.sites)
        let strict = try reader.byte()
        guard strict <= 1 else { throw .malformed }
        let privacyPolicy = try reader.digest()
        try reader.end()
        try self.init(
            study: study, releaseClass: releaseClass, attempt: attempt, plan: plan, sections: sections,
            numbers: numbers, required: required, isStrict: strict == 1, privacyPolicy: privacyPolicy)
    }

    private static func sections(_ table: [UInt8]) throws(SecureSumError) -> [Section] {
        guard table.count % 10 == 0 else { throw .malformed }
        var reader = SecureSumReader(unlabelled: table, malformed: .malformed)
        return try reader.readEach(0..<table.count / 10) { (reader, _) throws(SecureSumError) in
            Section(entries: try reader.integer(), ringBits: try reader.byte(), valueBits: try reader.byte())
        }
    }
}

extension SecureTask.Numbers {
    fileprivate init(_ reader: inout SecureSumReader) throws(SecureSumError) {
        let numbers = try reader.readEach(0..<8) { (reader, _) throws(SecureSumError) in
            Int(try reader.integer(UInt32.self))
        }
        let differences = try reader.integer(UInt32.self)
        self.init(
            sites: numbers[0], quorum: numbers[1], threshold: numbers[2], neighbours: numbers[3],
            windowMinimum: numbers[4], minSurvivors: numbers[5], minimumHonest: numbers[6], colluders: numbers[7],
            maxLoneDifferences: differences == .max ? nil : Int(differences))
    }
}
