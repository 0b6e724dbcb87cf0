// SPDX-License-Identifier: Apache-2.0
// The OpenSSL headers that Consilium uses: symmetric ciphers, and private keys under a passphrase.
#ifndef CONSILIUM_LIBCRYPTO_H
#define CONSILIUM_LIBCRYPTO_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#endif
