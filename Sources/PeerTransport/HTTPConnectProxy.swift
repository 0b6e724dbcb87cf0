// SPDX-License-Identifier: Apache-2.0
// The way out of a hospital network: a tunnel through an HTTP proxy.

import NIOCore
import NIOExtras
import NIOHTTP1

/// An HTTP proxy that opens tunnels with CONNECT (RFC 9110 §9.3.6).
package struct HTTPConnectProxy: Sendable, Hashable, CustomStringConvertible {
    /// User name and password for the Basic scheme (RFC 7617).
    package struct Credentials: Sendable, Hashable, CustomStringConvertible {
        let user: String
        let password: String

        /// Creates credentials.
        ///
        /// - Precondition: `user` has no colon (RFC 7617 §2).
        package init(user: String, password: String) {
            precondition(!user.contains(":"), "a user name in the Basic scheme has no colon")
            self.user = user
            self.password = password
        }

        /// Never the password.
        package var description: String { "credentials" }
    }

    /// Name or address of the proxy.
    package let host: String
    /// Its port.
    package let port: Int
    private let credentials: Credentials?

    /// Describes a proxy.
    package init(host: String, port: Int, credentials: Credentials? = nil) {
        self.host = host
        self.port = port
        self.credentials = credentials
    }

    /// `host:port`.
    package var description: String { "\(host):\(port)" }

    /// Asks the proxy for a tunnel; the handlers leave the pipeline when it stands.
    func openTunnel(_ channel: any Channel, toHost host: String, port: Int, deadline: NIODeadline)
        -> EventLoopFuture<Void>
    {
        let authority = host.contains(":") ? "[\(host)]" : host
        var headers = HTTPHeaders([("Host", "\(authority):\(port)")])
        if let credentials {
            let pair = Array("\(credentials.user):\(credentials.password)".utf8)
            headers.add(name: "Proxy-Authorization", value: "Basic \(Base64.encode(pair))")
        }
        let tunnel = channel.eventLoop.makePromise(of: Void.self)
        let encoder = HTTPRequestEncoder()
        let decoder = ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes))
        let connector = NIOHTTP1ProxyConnectHandler(
            targetHost: authority, targetPort: port, headers: headers, deadline: deadline, promise: tunnel)
        let operations = channel.pipeline.syncOperations
        do {
            try operations.addHandlers([encoder, decoder, connector])
        } catch {
            tunnel.fail(error)
        }
        return tunnel.futureResult.assumeIsolated()
            .flatMap { operations.removeHandler(encoder) }
            .flatMap { operations.removeHandler(decoder) }
            .nonisolated()
    }
}

/// Base 64 with padding (RFC 4648 §4).
private enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
