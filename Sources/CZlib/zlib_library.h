// SPDX-License-Identifier: Apache-2.0
// The one zlib header that Consilium uses.
#ifndef CONSILIUM_ZLIB_LIBRARY_H
#define CONSILIUM_ZLIB_LIBRARY_H

#include <zlib.h>

#endif
