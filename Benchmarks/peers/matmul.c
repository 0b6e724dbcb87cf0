// SPDX-License-Identifier: Apache-2.0
// A matrix product in oneDNN's own loop, beside `consilium-bench product`:
//   cc -O2 Benchmarks/peers/matmul.c -o matmul -ldnnl && OMP_NUM_THREADS=2 ./matmul 2048

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    const dnnl_dim_t n = count > 1 ? atoll(arguments[1]) : 2048;
    enum { REPETITIONS = 30 };
    float *a = aligned_alloc(64, (size_t)(n * n) * 4), *b = aligned_alloc(64, (size_t)(n * n) * 4),
          *c = aligned_alloc(64, (size_t)(n * n) * 4);
    for (dnnl_dim_t i = 0; i < n * n; i++) a[i] = 0.5f, b[i] = 0.25f, c[i] = 0.0f;
    double rates[REPETITIONS];
    for (int repetition = -1; repetition < REPETITIONS; repetition++) {
        const double began = seconds();
        if (dnnl_sgemm('N', 'N', n, n, n, 1.0f, a, n, b, n, 0.0f, c, n) != dnnl_success) return 1;
        if (repetition >= 0) rates[repetition] = 2.0 * (double)(n * n * n) / (seconds() - began) / 1e9;
    }
    qsort(rates, REPETITIONS, sizeof *rates, ascending);
    printf("{\"gflops\": {\"median\": %.1f, \"min\": %.1f, \"max\": %.1f}}\n", rates[REPETITIONS / 2], rates[0],
           rates[REPETITIONS - 1]);
    return 0;
}
