// SPDX-License-Identifier: Apache-2.0
// The root's key under a passphrase: PKCS#8 with scrypt and AES-256-CBC (RFC 5958, 8018, 7914), by libcrypto.

import CLibcrypto
import Crypto

/// An encrypted private key in PEM, as `openssl pkcs8` reads and writes it.
package enum EncryptedKey {
    /// scrypt with N = 2¹⁴, r = 8, p = 8: 16 MiB, the most that OpenSSL's reader allows itself, eight times over.
    private static let cost: (N: UInt64, r: UInt64, p: UInt64) = (1 << 14, 8, 8)

    /// Why a key could not be locked or unlocked.
    package enum Failure: Error, Equatable {
        case unreadable
        case wrongPassphrase
        case libraryFailed
    }

    /// Encrypts `key`.
    ///
    /// - Throws: ``Failure/libraryFailed``
    package static func lock(_ key: TLSKey, passphrase: [UInt8], salt: [UInt8], iv: [UInt8]) throws -> String {
        precondition(salt.count == 16 && iv.count == 16 && !passphrase.isEmpty, "16 bytes of salt and vector")
        let plain = Array(key.key.derRepresentation)
        let info = plain.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var start = bytes.baseAddress
            return d2i_PKCS8_PRIV_KEY_INFO(nil, &start, bytes.count)
        }
        guard let info else { throw Failure.libraryFailed }
        defer { PKCS8_PRIV_KEY_INFO_free(info) }
        var salt = salt
        var vector = iv
        guard
            let algorithm = PKCS5_pbe2_set_scrypt(
                EVP_aes_256_cbc(), &salt, CInt(salt.count), &vector, cost.N, cost.r, cost.p)
        else { throw Failure.libraryFailed }
        // On success the result owns the algorithm.
        guard
            let sealed = passphrase.withUnsafeBytes({ bytes in
                PKCS8_set0_pbe(
                    bytes.baseAddress?.assumingMemoryBound(to: CChar.self), CInt(bytes.count), info, algorithm)
            })
        else {
            X509_ALGOR_free(algorithm)
            throw Failure.libraryFailed
        }
        defer { X509_SIG_free(sealed) }
        return try text { PEM_write_bio_PKCS8($0, sealed) }
    }

    /// Decrypts what ``lock(_:passphrase:salt:iv:)`` or OpenSSL wrote.
    ///
    /// - Throws: ``Failure``
    package static func unlock(_ pem: String, passphrase: [UInt8]) throws -> TLSKey {
        let bytes = Array(pem.utf8)
        guard let input = BIO_new_mem_buf(bytes, CInt(bytes.count)) else { throw Failure.libraryFailed }
        defer { BIO_free(input) }
        guard let sealed = PEM_read_bio_PKCS8(input, nil, nil, nil) else { throw Failure.unreadable }
        defer { X509_SIG_free(sealed) }
        let info = passphrase.withUnsafeBytes { bytes in
            PKCS8_decrypt(sealed, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), CInt(bytes.count))
        }
        guard let info else { throw Failure.wrongPassphrase }
        defer { PKCS8_PRIV_KEY_INFO_free(info) }
        var output: UnsafeMutablePointer<UInt8>?
        let count = i2d_PKCS8_PRIV_KEY_INFO(info, &output)
        guard count > 0, let output else { throw Failure.libraryFailed }
        defer { CRYPTO_clear_free(output, Int(count), nil, 0) }
        let plain = Array(UnsafeBufferPointer(start: output, count: Int(count)))
        guard let key = try? P256.Signing.PrivateKey(derRepresentation: plain) else { throw Failure.unreadable }
        return TLSKey(key)
    }

    private static func text(_ write: (OpaquePointer) -> CInt) throws -> String {
        guard let output = BIO_new(BIO_s_mem()) else { throw Failure.libraryFailed }
        defer { BIO_free(output) }
        guard write(output) == 1 else { throw Failure.libraryFailed }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = BIO_read(output, &bytes, CInt(bytes.count))
        guard count > 0, count < bytes.count else { throw Failure.libraryFailed }
        return String(decoding: bytes[..<Int(count)], as: UTF8.self)
    }
}
