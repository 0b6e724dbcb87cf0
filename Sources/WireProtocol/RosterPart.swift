// SPDX-License-Identifier: Apache-2.0
// A roster and its deny list in pieces, so that a large federation's fits any connection's buffers.

/// A piece of a roster followed by its deny list.
package struct RosterPart: Hashable, Sendable {
    package let data: ArraySlice<UInt8>
    /// Of the first byte of `data` in the whole.
    package let offset: Int
    package let rosterByteCount: Int
    package let denyListByteCount: Int

    /// The pieces of a roster and deny list, in order; they share their bytes.
    ///
    /// - Precondition: both together have at most ``WireLimits/rosterBytes``.
    package static func parts(roster: [UInt8], denyList: [UInt8]) -> [RosterPart] {
        let whole = roster + denyList
        precondition((1...WireLimits.rosterBytes).contains(whole.count), "a roster of a federation")
        return stride(from: 0, to: whole.count, by: WireLimits.rosterPartBytes).map { offset in
            RosterPart(
                data: whole[offset..<min(offset + WireLimits.rosterPartBytes, whole.count)], offset: offset,
                rosterByteCount: roster.count, denyListByteCount: denyList.count)
        }
    }

    package init(data: ArraySlice<UInt8>, offset: Int, rosterByteCount: Int, denyListByteCount: Int) {
        self.data = data
        self.offset = offset
        self.rosterByteCount = rosterByteCount
        self.denyListByteCount = denyListByteCount
    }

    init(_ part: WireRosterPart) throws(WireError) {
        let (roster, denyList) = (Int(part.rosterBytes), Int(part.denyListBytes))
        guard roster + denyList <= WireLimits.rosterBytes else { throw .invalidField("roster_bytes") }
        guard (1...WireLimits.rosterPartBytes).contains(part.data.count),
            Int(part.offset) + part.data.count <= roster + denyList
        else { throw .invalidField("data") }
        self.init(
            data: Array(part.data)[...], offset: Int(part.offset), rosterByteCount: roster, denyListByteCount: denyList)
    }
}

/// Puts the pieces of one connection together.
package struct RosterAssembler: Sendable {
    private var collected: [UInt8] = []
    private var sizes: (roster: Int, denyList: Int)?

    package init() {}

    /// Takes the next piece.
    ///
    /// - Returns: roster and deny list when this was the last one.
    /// - Throws: ``WireError`` `invalidField` for a piece that does not follow the one before; all are forgotten then.
    package mutating func add(_ part: RosterPart) throws(WireError) -> (roster: [UInt8], denyList: [UInt8])? {
        if part.offset == 0 {
            collected = []
            sizes = (part.rosterByteCount, part.denyListByteCount)
        }
        guard let sizes, sizes == (part.rosterByteCount, part.denyListByteCount), part.offset == collected.count else {
            self = RosterAssembler()
            throw .invalidField("offset")
        }
        collected += part.data
        guard collected.count == sizes.roster + sizes.denyList else { return nil }
        let whole = collected
        self = RosterAssembler()
        return (Array(whole[..<sizes.roster]), Array(whole[sizes.roster...]))
    }
}
