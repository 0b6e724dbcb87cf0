// SPDX-License-Identifier: Apache-2.0
// Writes down what the test program does to the files below a folder, in order, for tests that cut the power.

#ifndef CONSILIUM_DISK_JOURNAL_H
#define CONSILIUM_DISK_JOURNAL_H

#include <stdint.h>

/// What was done. A sync is noted when it has returned; everything else may be lost until one follows.
typedef enum {
    CONSILIUM_DISK_CREATE = 1,
    CONSILIUM_DISK_MAKE_FOLDER = 2,
    CONSILIUM_DISK_WRITE = 3,
    CONSILIUM_DISK_TRUNCATE = 4,
    CONSILIUM_DISK_SYNC = 5,
    CONSILIUM_DISK_RENAME = 6,
    CONSILIUM_DISK_REMOVE = 7,
    CONSILIUM_DISK_LINK = 8,
} consilium_disk_kind;

/// One operation. The pointers belong to the journal and are valid until it is closed.
typedef struct {
    consilium_disk_kind kind;
    const char *path;
    /// Of a renaming, else NULL.
    const char *new_path;
    /// Where a write begins, or the length that a truncation leaves.
    int64_t offset;
    const void *bytes;
    int64_t byte_count;
} consilium_disk_operation;

typedef struct consilium_disk_journal consilium_disk_journal;

/// Notes from now on, on any thread, what happens to files and folders whose path begins with `prefix`.
///
/// Several journals may be open at once. The path is the one that the operating system reports for open files.
consilium_disk_journal *consilium_disk_journal_open(const char *prefix);

/// Operations noted so far.
long consilium_disk_journal_count(consilium_disk_journal *journal);

/// The operation at `index`, which must be less than the count.
consilium_disk_operation consilium_disk_journal_operation(consilium_disk_journal *journal, long index);

/// Notes nothing any more, and keeps what was noted.
void consilium_disk_journal_stop(consilium_disk_journal *journal);

/// Stops and forgets everything.
void consilium_disk_journal_close(consilium_disk_journal *journal);

#endif
