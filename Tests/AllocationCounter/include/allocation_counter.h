// SPDX-License-Identifier: Apache-2.0
// Counts the memory allocations of the calling thread, for tests that claim there are none.

#ifndef CONSILIUM_ALLOCATION_COUNTER_H
#define CONSILIUM_ALLOCATION_COUNTER_H

/// Calls of malloc, calloc, realloc and the aligned allocators on this thread since it began.
long consilium_allocations_of_this_thread(void);

#endif
