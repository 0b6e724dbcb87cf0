// SPDX-License-Identifier: Apache-2.0
// System calls that Swift's view of the C library lacks.
#ifndef CONSILIUM_KERNELS_WRITEBACK_H
#define CONSILIUM_KERNELS_WRITEBACK_H

#include <stdint.h>

/// Has the kernel begin to send these bytes of a file to its device, without waiting for it. Promises nothing: only
/// fsync does, which then has less to wait for.
void consilium_start_writeback(int descriptor, int64_t offset, int64_t byte_count);

#endif
