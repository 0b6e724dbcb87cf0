// SPDX-License-Identifier: Apache-2.0
// Decides which new connections a listener takes, before any cryptography is spent on them.

/// Counts a listener's connections and limits how fast one address may open new ones.
///
/// A plain value without a clock: time comes in as seconds since any fixed moment.
struct AdmissionControl {
    /// A token bucket; it holds whole and fractional connections.
    private struct Bucket {
        var tokens: Double
        var seconds: Double
    }

    /// Addresses remembered at most. Beyond that, newcomers share one bucket.
    private static let rememberedAddresses = 4096

    private let limits: TransportLimits
    private var handshakes = 0
    /// The same by address, without those that have none.
    private var handshakesOfAddress: [String: Int] = [:]
    private var connections = 0
    private var buckets: [String: Bucket] = [:]

    init(limits: TransportLimits) { self.limits = limits }

    /// Counts a new connection, or says why it must be closed.
    ///
    /// - Parameter address: What is counted by: an IPv4 address or an IPv6 /64; nothing for a Unix socket, whose users
    ///   are not told apart.
    mutating func admit(address: String?, atSeconds now: Double) throws(TransportError) {
        guard connections < limits.maximumConnections else {
            throw TransportError(.tooManyConnections, "all \(limits.maximumConnections) connections are taken")
        }
        guard handshakes < limits.maximumHandshakes else {
            throw TransportError(.tooManyHandshakes, "\(limits.maximumHandshakes) handshakes are under way")
        }
        if let address {
            guard handshakesOfAddress[address, default: 0] < limits.maximumHandshakesPerAddress else {
                throw TransportError(.tooManyFromAddress, "one address leaves its handshakes unfinished")
            }
            guard takeToken(of: address, at: now) else {
                throw TransportError(.tooManyFromAddress, "one address opens connections too fast")
            }
            handshakesOfAddress[address, default: 0] += 1
        }
        connections += 1
        handshakes += 1
    }

    /// The peer of one admitted connection is known now, or never will be.
    ///
    /// - Parameter address: what it was admitted by.
    mutating func handshakeEnded(address: String?) {
        handshakes -= 1
        guard let address, let count = handshakesOfAddress[address] else { return }
        handshakesOfAddress[address] = count > 1 ? count - 1 : nil
    }

    /// One admitted connection is closed.
    mutating func connectionClosed() { connections -= 1 }

    private mutating func takeToken(of address: String, at now: Double) -> Bool {
        let key = key(for: address, at: now)
        var bucket = buckets[key] ?? Bucket(tokens: burst, seconds: now)
        bucket.tokens = tokens(in: bucket, at: now)
        bucket.seconds = now
        defer { buckets[key] = bucket }
        guard bucket.tokens >= 1 else { return false }
        bucket.tokens -= 1
        return true
    }

    /// Forgets full buckets when the table is full: a full bucket says no more than an absent one.
    private mutating func key(for address: String, at now: Double) -> String {
        guard buckets[address] == nil, buckets.count >= Self.rememberedAddresses else { return address }
        buckets = buckets.filter { tokens(in: $0.value, at: now) < burst }
        return buckets.count < Self.rememberedAddresses ? address : ""
    }

    private var burst: Double { Double(limits.connectionBurstPerAddress) }

    private func tokens(in bucket: Bucket, at now: Double) -> Double {
        min(burst, bucket.tokens + max(0, now - bucket.seconds) * limits.connectionsPerSecondPerAddress)
    }
}
