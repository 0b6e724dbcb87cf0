// SPDX-License-Identifier: Apache-2.0
// A fixed team of threads that runs one function at a time, each member on its own share of the work.
//
// The caller is member 0; the others sleep on a futex between runs, after a short spin, so an idle team uses no
// processor time and a team beside another busy process loses at most the spin.

#ifndef CONSILIUM_KERNELS_WORKERS_H
#define CONSILIUM_KERNELS_WORKERS_H

typedef struct consilium_workers consilium_workers;

/// A team of `count` ≥ 1 members; NULL when threads or memory are refused.
consilium_workers *consilium_workers_make(int count);
/// Runs body(context, member) on every member and returns when all have returned. Only the thread that made the team
/// calls it.
void consilium_workers_run(consilium_workers *workers, void (*body)(void *context, int member), void *context);
/// Inside a body: waits until every member has come to this call.
void consilium_workers_wait(consilium_workers *workers);
void consilium_workers_destroy(consilium_workers *workers);

#endif
