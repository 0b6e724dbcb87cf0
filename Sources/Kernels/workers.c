// SPDX-License-Identifier: Apache-2.0
// The team of threads behind a training step: a counter that members spin on briefly and then sleep on.

#include "kernels_workers.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// A stage of a step takes from tens of microseconds to milliseconds: a member that comes 50 µs early is likely to be
// needed at once, and sleeping and waking cost about as much.
enum { SPIN_NANOSECONDS = 50000, TURNS_BETWEEN_LOOKS = 64 };

// A count of 32 bits that members wait on; wrapping round is harmless because only equality is asked.
typedef struct {
    _Alignas(64) _Atomic int value;
    _Atomic int sleepers;
} signal_word;

struct consilium_workers {
    int count;
    pthread_t *threads;
    void (*body)(void *, int);
    void *context;
    bool is_closing;
    signal_word run;       // raised by the caller for every run
    signal_word phase;     // raised by the last member to reach a wait
    _Alignas(64) _Atomic int arrived;
};

struct member {
    consilium_workers *workers;
    int number;
};

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void wait_while(signal_word *word, int old) {
    const long end = now() + SPIN_NANOSECONDS;
    do {
        for (int turn = 0; turn < TURNS_BETWEEN_LOOKS; turn++) {
            if (atomic_load_explicit(&word->value, memory_order_acquire) != old) return;
            pause_briefly();
        }
    } while (now() < end);
    atomic_fetch_add(&word->sleepers, 1);
    while (atomic_load(&word->value) == old) syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&word->sleepers, 1);
}

// The value is written before the sleepers are counted and they count themselves before they look at it, both in
// sequentially consistent order: nobody can fall asleep unseen.
static void raise_signal(signal_word *word) {
    atomic_fetch_add(&word->value, 1);
    if (atomic_load(&word->sleepers) > 0) syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void consilium_workers_wait(consilium_workers *workers) {
    if (workers->count == 1) return;
    const int old = atomic_load(&workers->phase.value);
    if (atomic_fetch_add(&workers->arrived, 1) + 1 == workers->count) {
        atomic_store(&workers->arrived, 0);
        raise_signal(&workers->phase);
    } else {
        wait_while(&workers->phase, old);
    }
}

static void *member_main(void *argument) {
    struct member member = *(struct member *)argument;
    free(argument);
    consilium_workers *workers = member.workers;
    for (int seen = 0;;) {
        wait_while(&workers->run, seen);
        seen = atomic_load(&workers->run.value);
        if (workers->is_closing) return NULL;
        workers->body(workers->context, member.number);
        consilium_workers_wait(workers);
    }
}

consilium_workers *consilium_workers_make(int count) {
    if (count < 1) return NULL;
    consilium_workers *workers = aligned_alloc(64, (sizeof *workers + 63) / 64 * 64);
    if (workers == NULL) return NULL;
    *workers = (consilium_workers){.count = 1};
    workers->threads = calloc((size_t)count, sizeof *workers->threads);
    bool is_whole = workers->threads != NULL;
    for (int number = 1; is_whole && number < count; number++) {
        struct member *member = malloc(sizeof *member);
        is_whole = member != NULL;
        if (!is_whole) break;
        *member = (struct member){workers, number};
        is_whole = pthread_create(&workers->threads[number], NULL, member_main, member) == 0;
        if (is_whole) workers->count = number + 1; else free(member);
    }
    if (is_whole) return workers;
    consilium_workers_destroy(workers);
    return NULL;
}

void consilium_workers_run(consilium_workers *workers, void (*body)(void *, int), void *context) {
    if (workers->count > 1) {
        workers->body = body;
        workers->context = context;
        raise_signal(&workers->run);
    }
    body(context, 0);
    consilium_workers_wait(workers);
}

void consilium_workers_destroy(consilium_workers *workers) {
    if (workers == NULL) return;
    if (workers->count > 1) {
        workers->is_closing = true;
        raise_signal(&workers->run);
        for (int number = 1; number < workers->count; number++) pthread_join(workers->threads[number], NULL);
    }
    free(workers->threads);
    free(workers);
}
