// SPDX-License-Identifier: Apache-2.0
// Stands in front of glibc's fsync and fdatasync in the test program, also for SQLite's library, and counts.

#include "sync_counter.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// The lock guards prefix and syncs.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char prefix[1024];
static long syncs;

void consilium_sync_count_start(const char *new_prefix) {
    pthread_mutex_lock(&lock);
    snprintf(prefix, sizeof prefix, "%s", new_prefix);
    syncs = 0;
    pthread_mutex_unlock(&lock);
}

long consilium_sync_count_stop(void) {
    pthread_mutex_lock(&lock);
    prefix[0] = 0;
    long counted = syncs;
    pthread_mutex_unlock(&lock);
    return counted;
}

static void note(int descriptor) {
    char link[64], path[1024];
    pthread_mutex_lock(&lock);
    if (prefix[0] != 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            if (strncmp(path, prefix, strlen(prefix)) == 0) syncs++;
        }
    }
    pthread_mutex_unlock(&lock);
}

int fsync(int descriptor) {
    note(descriptor);
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    note(descriptor);
    return (int)syscall(SYS_fdatasync, descriptor);
}
