// SPDX-License-Identifier: Apache-2.0
// Float32 kernels of dense networks; the formulas stand in kernels_dense.h, plain Swift oracles in the tests.

#include "kernels_dense.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// No product is fused with a sum: all versions of a loop, and all machines, then give the same bits. Measured, fusing
// gains 4 % on a 13-64-32-2 perceptron and nothing on wider ones, which wait for memory.
#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONED
#endif
#define INLINED static inline __attribute__((always_inline))

// ---- matrix product --------------------------------------------------------------------------------------------
//
// c is cut into tiles of at most 6 rows and 16 columns, held in registers while p runs over k. Six rows fill the
// sixteen vector registers of AVX2. Strips of b that are transposed, or whose rows lie far apart, are first copied
// into a small buffer on the stack, 256 rows at a time: 16 KiB, half of a first-level cache.

enum { TILE_ROWS = 6, TILE_COLUMNS = 16, STRIP_ROWS = 256 };

typedef float float1;
typedef float float4 __attribute__((vector_size(16)));
typedef float float8 __attribute__((vector_size(32)));
typedef float float16 __attribute__((vector_size(64)));

// c[0..<rows, 0..<W] += a · b, where b's rows are `b_row` apart and c's `c_row`.
#define DEFINE_TILE(W)                                                                                                 \
    INLINED void tile##W(size_t rows, size_t k, const float *a, size_t a_row, size_t a_column, const float *b,         \
                         size_t b_row, float *c, size_t c_row) {                                                       \
        float##W sum[TILE_ROWS];                                                                                       \
        for (size_t i = 0; i < rows; i++) memcpy(&sum[i], c + i * c_row, sizeof(float##W));                            \
        for (size_t p = 0; p < k; p++) {                                                                               \
            float##W line;                                                                                             \
            memcpy(&line, b + p * b_row, sizeof line);                                                                 \
            for (size_t i = 0; i < rows; i++) sum[i] += a[i * a_row + p * a_column] * line;                            \
        }                                                                                                              \
        for (size_t i = 0; i < rows; i++) memcpy(c + i * c_row, &sum[i], sizeof(float##W));                            \
    }                                                                                                                  \
    INLINED void column##W(size_t m, size_t k, const float *a, size_t a_row, size_t a_column, const float *b,          \
                           size_t b_row, float *c, size_t c_row) {                                                     \
        for (; m >= TILE_ROWS; m -= TILE_ROWS, a += TILE_ROWS * a_row, c += TILE_ROWS * c_row)                         \
            tile##W(TILE_ROWS, k, a, a_row, a_column, b, b_row, c, c_row);                                             \
        if (m & 4) {                                                                                                   \
            tile##W(4, k, a, a_row, a_column, b, b_row, c, c_row);                                                     \
            a += 4 * a_row, c += 4 * c_row;                                                                            \
        }                                                                                                              \
        if (m & 2) {                                                                                                   \
            tile##W(2, k, a, a_row, a_column, b, b_row, c, c_row);                                                     \
            a += 2 * a_row, c += 2 * c_row;                                                                            \
        }                                                                                                              \
        if (m & 1) tile##W(1, k, a, a_row, a_column, b, b_row, c, c_row);                                              \
    }
DEFINE_TILE(1)
DEFINE_TILE(4)
DEFINE_TILE(8)
DEFINE_TILE(16)

CLONED void consilium_matmul(size_t m, size_t k, size_t n, const float *a, size_t a_row, size_t a_column,
                             const float *b, size_t b_row, size_t b_column, float *c, bool accumulate) {
    _Alignas(64) float strip[STRIP_ROWS * TILE_COLUMNS];
    if (!accumulate) memset(c, 0, m * n * sizeof(float));
    // 32 rows: copying a strip costs about as much as multiplying it by one or two rows of a.
    const bool copies = b_column != 1 || (m >= 32 && b_row > 64);
    for (size_t p = 0; p < k; p += STRIP_ROWS) {
        const size_t depth = k - p < STRIP_ROWS ? k - p : STRIP_ROWS;
        const float *a_part = a + p * a_column;
        for (size_t j = 0; j < n;) {
            const size_t left = n - j;
            const size_t width = left >= 16 ? 16 : left >= 8 ? 8 : left >= 4 ? 4 : 1;
            const float *part = b + p * b_row + j * b_column;
            size_t part_row = b_row;
            if (copies) {
                for (size_t q = 0; q < width; q++)
                    for (size_t r = 0; r < depth; r++) strip[r * width + q] = part[r * b_row + q * b_column];
                part = strip, part_row = width;
            }
            switch (width) {
            case 16: column16(m, depth, a_part, a_row, a_column, part, part_row, c + j, n); break;
            case 8: column8(m, depth, a_part, a_row, a_column, part, part_row, c + j, n); break;
            case 4: column4(m, depth, a_part, a_row, a_column, part, part_row, c + j, n); break;
            default: column1(m, depth, a_part, a_row, a_column, part, part_row, c + j, n);
            }
            j += width;
        }
    }
}

// ---- rows and vectors ------------------------------------------------------------------------------------------

void consilium_fill_rows(size_t rows, size_t columns, const float *bias, float *y) {
    for (size_t i = 0; i < rows; i++) memcpy(y + i * columns, bias, columns * sizeof(float));
}

CLONED void consilium_column_sums(size_t rows, size_t columns, const float *x, float *restrict sums) {
    memset(sums, 0, columns * sizeof(float));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) sums[j] += x[i * columns + j];
}

CLONED void consilium_axpy(size_t count, float a, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

CLONED void consilium_axpy_difference(size_t count, float a, const float *x, const float *z, float *y) {
    for (size_t i = 0; i < count; i++) y[i] += a * (x[i] - z[i]);
}

// Exponents of all ones mark infinities and NaN. Whole blocks are looked at before a branch, so that they vectorise.
CLONED bool consilium_all_finite(size_t count, const float *x) {
    enum { BLOCK = 4096 };
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t length = count - start < BLOCK ? count - start : BLOCK;
        uint32_t beyond = 0;
        for (size_t i = 0; i < length; i++) {
            uint32_t bits;
            memcpy(&bits, &x[start + i], sizeof bits);
            beyond |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (beyond) return false;
    }
    return true;
}

CLONED void consilium_multiply(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) y[i] *= x[i];
}

// ---- activations -----------------------------------------------------------------------------------------------

INLINED float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// eˣ to about two units in the last place, by a polynomial on [−½ ln 2, ½ ln 2] (Cephes expf.c, Moshier); written out
// because a call of the C library's expf keeps a loop from being vectorised. 0 below −87.3, the largest finite power
// above 88; a NaN stays a NaN.
INLINED float exponential(float x) {
    float bounded = x < -87.3f ? -87.3f : x;
    bounded = bounded > 88.0f ? 88.0f : bounded;
    const float round = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer held in the low bits
    const float shifted = bounded * 1.44269504f + round;
    const float power = shifted - round;
    const float r = (bounded - power * 0.693359375f) + power * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    const float scaled = p * from_bits((bits + 127u) << 23);  // the addition's high bits leave with the shift
    return x < -87.3f ? 0.0f : scaled;
}

// tanh x: odd polynomial near zero (Cephes tanhf.c), 1 − 2/(e²ˣ+1) elsewhere, where nothing cancels.
INLINED float hyperbolic_tangent(float x) {
    const float s = x * x;
    float p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    const float near = p * s * x + x;
    const float far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
    return s < 0.390625f ? near : far;
}

CLONED void consilium_relu(size_t count, float *z) {
    for (size_t i = 0; i < count; i++) z[i] = z[i] < 0.0f ? 0.0f : z[i];
}

CLONED void consilium_relu_backward(size_t count, const float *y, float *dy) {
    for (size_t i = 0; i < count; i++) dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

CLONED void consilium_tanh(size_t count, float *z) {
    for (size_t i = 0; i < count; i++) z[i] = hyperbolic_tangent(z[i]);
}

CLONED void consilium_tanh_backward(size_t count, const float *y, float *dy) {
    for (size_t i = 0; i < count; i++) dy[i] *= 1.0f - y[i] * y[i];
}

CLONED void consilium_sigmoid(size_t count, float *z) {
    for (size_t i = 0; i < count; i++) z[i] = 1.0f / (1.0f + exponential(-z[i]));
}

CLONED void consilium_sigmoid_backward(size_t count, const float *y, float *dy) {
    for (size_t i = 0; i < count; i++) dy[i] *= y[i] * (1.0f - y[i]);
}

CLONED void consilium_softmax_rows(size_t rows, size_t columns, float *z, double *log_sums) {
    for (size_t i = 0; i < rows; i++, z += columns) {
        float largest = z[0];
        for (size_t j = 1; j < columns; j++) largest = z[j] > largest ? z[j] : largest;
        float sum = 0.0f;  // summed in order: the compiler may not regroup it
        for (size_t j = 0; j < columns; j++) z[j] = exponential(z[j] - largest);
        for (size_t j = 0; j < columns; j++) sum += z[j];
        for (size_t j = 0; j < columns; j++) z[j] /= sum;
        log_sums[i] = (double)largest + log((double)sum);
    }
}

// ---- optimiser steps -------------------------------------------------------------------------------------------

CLONED void consilium_sgd_step(size_t count, float *restrict w, const float *restrict g, float *restrict velocity,
                               float rate, float momentum, bool nesterov, float decay) {
    if (velocity == NULL) {
        for (size_t i = 0; i < count; i++) w[i] -= rate * (g[i] + decay * w[i]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const float d = g[i] + decay * w[i];
        velocity[i] = momentum * velocity[i] + d;
        w[i] -= rate * (nesterov ? d + momentum * velocity[i] : velocity[i]);
    }
}

CLONED void consilium_adam_step(size_t count, float *restrict w, const float *restrict g, float *restrict m,
                                float *restrict v, struct consilium_adam s) {
    for (size_t i = 0; i < count; i++) {
        const float d = g[i] + s.l2_decay * w[i];
        m[i] = s.beta1 * m[i] + s.complement1 * d;
        v[i] = s.beta2 * v[i] + s.complement2 * d * d;
        const float root = __builtin_elementwise_sqrt(v[i]);
        w[i] = s.weight_factor * w[i] - s.step_size * m[i] / (root * s.second_correction + s.epsilon);
    }
}
