// SPDX-License-Identifier: Apache-2.0
// Decides who may be connected: in the handshake, and for as long as the connection lives.

import Glibc
import Synchronization

/// A check of verified identities, which the owner of a connection supplies.
///
/// It is asked in every handshake, at least every quarter of a minute, and at once by ``recheck()``. A connection
/// whose peer no longer passes ends. The peer's certificate must also be valid for as long as the connection lives.
package final class PeerGate: Sendable {
    /// Why somebody is not let in, or no longer.
    package enum Objection: Hashable, Sendable {
        /// A member whose rights were taken away, or nobody of ours.
        case denied
        /// Somebody of ours in another role than this connection needs.
        case wrongRole
    }

    private struct Visitor {
        var identity: PeerIdentity
        var end: @Sendable (TransportError) -> Void
    }

    private let check: @Sendable (PeerIdentity) -> Objection?
    private let now: @Sendable () -> Int64
    /// Guards the connections that are let in.
    private let visitors = Mutex<[ObjectIdentifier: Visitor]>([:])

    /// - Parameters:
    ///   - now: seconds since 1970, for the validity of certificates.
    ///   - check: called on event loops; it must not wait.
    package init(
        now: @escaping @Sendable () -> Int64, check: @escaping @Sendable (PeerIdentity) -> Objection?
    ) {
        self.now = now
        self.check = check
    }

    /// A gate by the machine's clock; without a check it looks at nothing but validity.
    package convenience init(check: @escaping @Sendable (PeerIdentity) -> Objection? = { _ in nil }) {
        self.init(now: { Int64(time(nil)) }, check: check)
    }

    /// Asks the check about every live connection again, and ends those it objects to.
    package func recheck() {
        for visitor in visitors.withLock({ Array($0.values) }) {
            if let objection = objection(to: visitor.identity) { visitor.end(objection) }
        }
    }

    func objection(to identity: PeerIdentity) -> TransportError? {
        if let end = identity.notAfter, end < now() { return .peerExpired }
        switch check(identity) {
        case .denied: return .peerDenied
        case .wrongRole: return .peerWrongRole
        case nil: return nil
        }
    }

    /// Notes a connection that was let in.
    ///
    /// - Parameter end: ends it; called from any thread.
    func enter(_ key: ObjectIdentifier, _ identity: PeerIdentity, end: @escaping @Sendable (TransportError) -> Void) {
        visitors.withLock { $0[key] = Visitor(identity: identity, end: end) }
        // The list may have changed between the check and now.
        if let objection = objection(to: identity) { end(objection) }
    }

    func leave(_ key: ObjectIdentifier) { visitors.withLock { _ = $0.removeValue(forKey: key) } }
}
