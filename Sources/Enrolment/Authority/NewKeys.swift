// SPDX-License-Identifier: Apache-2.0
// Makes keys from the one source of randomness.

import Crypto
package import Federation
package import Randomness

extension RandomSource {
    /// A fresh P-256 key. A draw outside the group's order (one in 2³²) is thrown away.
    package func tlsKey() -> TLSKey {
        while true {
            if let key = try? P256.Signing.PrivateKey(rawRepresentation: bytes(32)) { return TLSKey(key) }
        }
    }

    /// A fresh Ed25519 key, by its seed, which is what is kept.
    package func statementKey() -> (key: StatementKey, seed: [UInt8]) {
        while true {
            let seed = bytes(32)
            if let key = StatementKey(seed: seed) { return (key, seed) }
        }
    }
}
