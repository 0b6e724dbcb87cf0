// SPDX-License-Identifier: Apache-2.0
// The proof that a request comes from who holds the token, bound to the keys and to the server that is asked.

import Crypto
import Federation
import Foundation

/// HMAC-SHA256 over what a request says; RFC 2104, with a key by HKDF (RFC 5869).
enum EnrolmentProof {
    /// HKDF-SHA256(ikm = secret, salt = token id, info = `fl/enrol/v1 mac`, 32 bytes).
    static func key(secret: [UInt8], tokenID: [UInt8]) -> [UInt8] {
        let key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: secret), salt: tokenID, info: Array("fl/enrol/v1 mac".utf8),
            outputByteCount: 32)
        return key.withUnsafeBytes { Array($0) }
    }

    static func code(for message: [UInt8], key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }

    /// In constant time.
    static func isCode(_ code: [UInt8], for message: [UInt8], key: [UInt8]) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: message, using: SymmetricKey(data: key))
    }
}
