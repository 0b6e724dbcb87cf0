// SPDX-License-Identifier: Apache-2.0
// Overwrites memory that held secrets, in a way that no optimiser removes.

import CLibcrypto

extension UnsafeMutableRawBufferPointer {
    /// Overwrites all bytes with zeros, also where nobody reads them again.
    package func wipe() {
        unsafe OPENSSL_cleanse(baseAddress, count)
    }
}
