// SPDX-License-Identifier: Apache-2.0
// Counts the files that are synced to the device, for tests that claim durability.

#ifndef CONSILIUM_SYNC_COUNTER_H
#define CONSILIUM_SYNC_COUNTER_H

/// Starts counting from zero the calls of fsync and fdatasync, on any thread, for files and folders whose path begins
/// with `prefix`. One count at a time in the process.
void consilium_sync_count_start(const char *prefix);

/// Stops counting and returns the calls since the start.
long consilium_sync_count_stop(void);

#endif
