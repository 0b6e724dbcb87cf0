// SPDX-License-Identifier: Apache-2.0
// Settings of the C library's allocator that suit a program moving model-sized buffers.
#include "kernels_allocator.h"

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

void consilium_tune_allocator(void) {
#if defined(__GLIBC__)
    // Setting either threshold also switches off glibc's own moving of both.
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    // Grow the heap in steps that hold a few network buffers, not page by page.
    mallopt(M_TOP_PAD, 4 << 20);
    // Buffers are made on one thread and dropped on another: with an arena for each thread, each keeps its own spares.
    mallopt(M_ARENA_MAX, 2);
#endif
}
