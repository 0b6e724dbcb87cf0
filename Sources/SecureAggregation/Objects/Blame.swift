// SPDX-License-Identifier: Apache-2.0
// Who spoiled a sum, with what proves it to somebody who was not there.

/// A site that did not keep to the protocol, provably.
package enum Blame: Hashable, Sendable {
    /// Signed a release without exactly the items of the set, or with one that is not under the dealer's root.
    case responder(ResponderEvidence)
    /// Signed roots over shares that do not belong together.
    case dealer(DealerEvidence)

    package var site: Position {
        switch self {
        case .responder(let evidence): evidence.release.site
        case .dealer(let evidence): evidence.header.dealer
        }
    }
}

/// A release that is not what the certified set asks for.
package struct ResponderEvidence: Hashable, Sendable {
    package let release: ShareRelease
    /// The header whose root an item misses; nil where the list of items itself is wrong.
    package let header: DealHeader?

    package init(release: ShareRelease, header: DealHeader?) {
        self.release = release
        self.header = header
    }
}

/// Shares under one dealer's roots that contradict its commitment.
package struct DealerEvidence: Hashable, Sendable {
    package let header: DealHeader
    package let secret: SecretID
    /// t of them, ascending by holder.
    package let shares: [ReleasedShare]

    package init(header: DealHeader, secret: SecretID, shares: [ReleasedShare]) {
        self.header = header
        self.secret = secret
        self.shares = shares
    }
}

/// A share with the path that binds it to its dealer's header.
package struct ReleasedShare: Hashable, Sendable {
    package let holder: Position
    /// 40 bytes.
    package let share: [UInt8]
    package let path: HashPath

    package init(holder: Position, share: [UInt8], path: HashPath) {
        self.holder = holder
        self.share = share
        self.path = path
    }
}
