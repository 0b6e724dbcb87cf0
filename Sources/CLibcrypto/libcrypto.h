// SPDX-License-Identifier: Apache-2.0
// The one OpenSSL header that Consilium uses: symmetric ciphers through the EVP interface.
#ifndef CONSILIUM_LIBCRYPTO_H
#define CONSILIUM_LIBCRYPTO_H

#include <openssl/evp.h>

#endif
