// SPDX-License-Identifier: Apache-2.0
// Stands in front of glibc's file functions in the test program, also for SQLite's library, and notes their effects.
//
// Below SQLite's own layer of files (its VFS) on purpose: what counts is what the operating system is asked for, and
// that includes the folders that SQLite and our vault sync, or forget to. The effect and its note are one step under
// one lock, so that the notes have the order of the effects.

#define _GNU_SOURCE
#include "disk_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct consilium_disk_journal {
    char prefix[1024];
    consilium_disk_operation *operations;
    long count, capacity;
    consilium_disk_journal *next;
};

// The lock guards the list of open journals and what they hold; `watching` is read without it for a quick no.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static consilium_disk_journal *journals;
static volatile int watching;

// ---- Journals

consilium_disk_journal *consilium_disk_journal_open(const char *prefix) {
    consilium_disk_journal *journal = calloc(1, sizeof *journal);
    snprintf(journal->prefix, sizeof journal->prefix, "%s", prefix);
    pthread_mutex_lock(&lock);
    journal->next = journals;
    journals = journal;
    watching++;
    pthread_mutex_unlock(&lock);
    return journal;
}

long consilium_disk_journal_count(consilium_disk_journal *journal) {
    pthread_mutex_lock(&lock);
    long count = journal->count;
    pthread_mutex_unlock(&lock);
    return count;
}

consilium_disk_operation consilium_disk_journal_operation(consilium_disk_journal *journal, long index) {
    pthread_mutex_lock(&lock);
    consilium_disk_operation operation = journal->operations[index];
    pthread_mutex_unlock(&lock);
    return operation;
}

void consilium_disk_journal_stop(consilium_disk_journal *journal) {
    pthread_mutex_lock(&lock);
    for (consilium_disk_journal **place = &journals; *place != NULL; place = &(*place)->next) {
        if (*place != journal) continue;
        *place = journal->next;
        watching--;
        break;
    }
    pthread_mutex_unlock(&lock);
}

void consilium_disk_journal_close(consilium_disk_journal *journal) {
    consilium_disk_journal_stop(journal);
    for (long index = 0; index < journal->count; index++) {
        free((void *)journal->operations[index].path);
        free((void *)journal->operations[index].new_path);
        free((void *)journal->operations[index].bytes);
    }
    free(journal->operations);
    free(journal);
}

// ---- Notes; the lock is held

static consilium_disk_journal *journal_of(const char *path) {
    for (consilium_disk_journal *journal = journals; journal != NULL; journal = journal->next)
        if (strncmp(path, journal->prefix, strlen(journal->prefix)) == 0) return journal;
    return NULL;
}

/// The path of an open file, as it is now; no path for one that is watched by nobody or has none any more.
static consilium_disk_journal *journal_of_descriptor(int descriptor, char path[1024]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, 1023);
    if (length <= 0) return NULL;
    path[length] = 0;
    static const char deleted[] = " (deleted)";
    size_t ending = sizeof deleted - 1;
    if ((size_t)length > ending && strcmp(path + length - ending, deleted) == 0) return NULL;
    return journal_of(path);
}

static void note(consilium_disk_journal *journal, consilium_disk_operation operation) {
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity == 0 ? 256 : 2 * journal->capacity;
        journal->operations =
            realloc(journal->operations, (size_t)journal->capacity * sizeof *journal->operations);
    }
    operation.path = strdup(operation.path);
    if (operation.new_path != NULL) operation.new_path = strdup(operation.new_path);
    if (operation.bytes != NULL) {
        void *copy = malloc((size_t)operation.byte_count);
        memcpy(copy, operation.bytes, (size_t)operation.byte_count);
        operation.bytes = copy;
    }
    journal->operations[journal->count++] = operation;
}

// ---- The functions in front

static int open_and_note(int folder, const char *path, int flags, mode_t mode) {
    if (!watching || (flags & (O_CREAT | O_TRUNC)) == 0)
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    int is_new = fstatat(folder, path, &status, 0) != 0;
    int descriptor = (int)syscall(SYS_openat, folder, path, flags, mode);
    int saved = errno;
    char real[1024];
    consilium_disk_journal *journal = descriptor < 0 ? NULL : journal_of_descriptor(descriptor, real);
    if (journal != NULL && is_new)
        note(journal, (consilium_disk_operation){.kind = CONSILIUM_DISK_CREATE, .path = real});
    else if (journal != NULL && (flags & O_TRUNC) != 0)
        note(journal, (consilium_disk_operation){.kind = CONSILIUM_DISK_TRUNCATE, .path = real});
    pthread_mutex_unlock(&lock);
    errno = saved;
    return descriptor;
}

#define OPEN_MODE(flags) \
    mode_t mode = 0; \
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

int open(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_and_note(folder, path, flags, mode);
}

static ssize_t write_and_note(int descriptor, const void *bytes, size_t count, off_t offset, int is_placed) {
    if (!watching)
        return is_placed ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                         : syscall(SYS_write, descriptor, bytes, count);
    pthread_mutex_lock(&lock);
    char path[1024];
    int before = errno;
    consilium_disk_journal *journal = journal_of_descriptor(descriptor, path);
    if (journal == NULL) {
        // Not under the lock: a pipe or a socket may wait.
        pthread_mutex_unlock(&lock);
        errno = before;
        return is_placed ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                         : syscall(SYS_write, descriptor, bytes, count);
    }
    struct stat status;
    if (!is_placed) {
        int is_appending = (fcntl(descriptor, F_GETFL) & O_APPEND) != 0;
        offset = is_appending && fstat(descriptor, &status) == 0 ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
    }
    ssize_t written = is_placed ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                                : syscall(SYS_write, descriptor, bytes, count);
    int saved = errno;
    if (written > 0)
        note(journal, (consilium_disk_operation){
            .kind = CONSILIUM_DISK_WRITE, .path = path, .offset = offset, .bytes = bytes, .byte_count = written});
    pthread_mutex_unlock(&lock);
    errno = saved;
    return written;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    return write_and_note(descriptor, bytes, count, 0, 0);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return write_and_note(descriptor, bytes, count, offset, 1);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return write_and_note(descriptor, bytes, count, offset, 1);
}

/// Performs `number` on an open file and notes `kind` when it worked.
static int change_and_note(long number, consilium_disk_kind kind, int descriptor, off_t length) {
    if (!watching) return (int)syscall(number, descriptor, length);
    pthread_mutex_lock(&lock);
    int before = errno;
    char path[1024];
    consilium_disk_journal *journal = journal_of_descriptor(descriptor, path);
    errno = before;
    int result = (int)syscall(number, descriptor, length);
    int saved = errno;
    if (journal != NULL && result == 0)
        note(journal, (consilium_disk_operation){.kind = kind, .path = path, .offset = length});
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int ftruncate(int descriptor, off_t length) {
    return change_and_note(SYS_ftruncate, CONSILIUM_DISK_TRUNCATE, descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) {
    return change_and_note(SYS_ftruncate, CONSILIUM_DISK_TRUNCATE, descriptor, length);
}

int fsync(int descriptor) { return change_and_note(SYS_fsync, CONSILIUM_DISK_SYNC, descriptor, 0); }

int fdatasync(int descriptor) { return change_and_note(SYS_fdatasync, CONSILIUM_DISK_SYNC, descriptor, 0); }

/// Performs `number` on a path and notes `kind` when it worked.
static int name_and_note(
    long number, consilium_disk_kind kind, const char *path, const char *new_path, mode_t mode) {
    if (!watching)
        return new_path != NULL ? (int)syscall(number, path, new_path) : (int)syscall(number, path, mode);
    pthread_mutex_lock(&lock);
    int result = new_path != NULL ? (int)syscall(number, path, new_path) : (int)syscall(number, path, mode);
    int saved = errno;
    consilium_disk_journal *journal = journal_of(path);
    if (journal != NULL && result == 0)
        note(journal, (consilium_disk_operation){.kind = kind, .path = path, .new_path = new_path});
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int rename(const char *path, const char *new_path) {
    return name_and_note(SYS_rename, CONSILIUM_DISK_RENAME, path, new_path, 0);
}

int link(const char *path, const char *new_path) {
    return name_and_note(SYS_link, CONSILIUM_DISK_LINK, path, new_path, 0);
}

int unlink(const char *path) { return name_and_note(SYS_unlink, CONSILIUM_DISK_REMOVE, path, NULL, 0); }

int rmdir(const char *path) { return name_and_note(SYS_rmdir, CONSILIUM_DISK_REMOVE, path, NULL, 0); }

int mkdir(const char *path, mode_t mode) {
    return name_and_note(SYS_mkdir, CONSILIUM_DISK_MAKE_FOLDER, path, NULL, mode);
}
