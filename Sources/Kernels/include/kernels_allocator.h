// SPDX-License-Identifier: Apache-2.0
// Settings of the C library's allocator that suit a program moving model-sized buffers.
#ifndef CONSILIUM_KERNELS_ALLOCATOR_H
#define CONSILIUM_KERNELS_ALLOCATOR_H

/// Makes glibc recycle buffers up to 8 MiB instead of mapping fresh pages for each. Call it once, first thing in
/// `main`, before other threads exist. Does nothing with another C library.
///
/// Why: by default a buffer of 128 KiB or more is its own mapping, and the top of the heap goes back to the kernel as
/// soon as 128 KiB are free. A network or training loop that takes and frees such a buffer each turn then spends most
/// of its time while the kernel clears pages (59 % of a TLS transfer in 256 KiB writes). Larger buffers, whole models,
/// stay mappings of their own, so that their memory returns to the system when they are freed.
/// Cost: each arena may keep up to 64 MiB of freed memory.
void consilium_tune_allocator(void);

#endif
