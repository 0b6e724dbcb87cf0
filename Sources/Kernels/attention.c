// SPDX-License-Identifier: Apache-2.0
// Softmax of rows and of attention scores; the formulas stand in kernels_layers.h.

#include "inlined.h"
#include "kernels_layers.h"
#include "softmax.h"

#include <math.h>

INLINED void multiply_by(float factor, float *y, size_t count) {
    SIXTEENS(count, STORE(y + i, factor * LOAD(y + i)););
}

// ln x for finite x ≥ 1, or a NaN: x = 2ᵉ·m, √½ ≤ m < √2, ln m = 2·artanh((m−1)/(m+1)) by its series. The C library's
// log may use fused products on one machine and not on another.
INLINED double logarithm(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t moved = bits - 0x3fe6a09e667f3bcdu;  // √½
    const double power = (double)(int32_t)(moved >> 52);
    bits -= moved & 0xfff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    const double s = (m - 1.0) / (m + 1.0), square = s * s;
    double series = 0.0;
    for (int k = 23; k >= 1; k -= 2) series = series * square + 1.0 / k;
    return power * 0.6931471805599453 + 2.0 * s * series + (x - x);
}

CLONED void consilium_softmax(size_t rows, size_t columns, const float *x, float *y) {
    float largest[GROUP_ROWS], factor[GROUP_ROWS];
    for (size_t group; rows > 0; rows -= group, x += group * columns, y += group * columns) {
        group = group_of(rows, columns);
        for (size_t r = 0; r < group; r++) largest[r] = largest_of(1.0f, x + r * columns, columns);
        for (size_t r = 0; r < group; r++)
            factor[r] = (float)(1.0 / exponentials(1.0f, largest[r], x + r * columns, columns, y + r * columns));
        for (size_t r = 0; r < group; r++) multiply_by(factor[r], y + r * columns, columns);
    }
}

CLONED void consilium_softmax_backward(size_t rows, size_t columns, const float *y, const float *dy, float *dx) {
    for (size_t row = 0; row < rows; row++, y += columns, dy += columns, dx += columns) {
        const float sum = (float)sum_of_products(dy, y, columns);
        SIXTEENS(columns, STORE(dx + i, LOAD(y + i) * (LOAD(dy + i) - sum)););
    }
}

CLONED void consilium_log_softmax(size_t rows, size_t columns, const float *x, float *y) {
    float largest[GROUP_ROWS], log_sum[GROUP_ROWS];
    for (size_t group; rows > 0; rows -= group, x += group * columns, y += group * columns) {
        group = group_of(rows, columns);
        for (size_t r = 0; r < group; r++) largest[r] = largest_of(1.0f, x + r * columns, columns);
        for (size_t r = 0; r < group; r++) {
            const float *row = x + r * columns;
            double sum = 0.0;
            SUM_BLOCKS(columns, start, length) {
                float16 part = 0.0f;
                SIXTEENS(length, part += EXPONENTIAL(LOAD_OR(row + start + i, -INFINITY) - largest[r]););
                sum += (double)sum_of_lanes(&part);
            }
            log_sum[r] = (float)logarithm(sum);
        }
        for (size_t r = 0; r < group; r++)
            SIXTEENS(columns,
                     STORE(y + r * columns + i, (LOAD(x + r * columns + i) - largest[r]) - log_sum[r]););
    }
}

CLONED void consilium_log_softmax_backward(size_t rows, size_t columns, const float *y, const float *dy, float *dx) {
    for (size_t row = 0; row < rows; row++, y += columns, dy += columns, dx += columns) {
        const float sum = (float)sum_of(dy, columns);
        SIXTEENS(columns, STORE(dx + i, LOAD(dy + i) - EXPONENTIAL(LOAD(y + i)) * sum););
    }
}

CLONED void consilium_attention_softmax(size_t queries, size_t keys, size_t length, bool causal, float scale,
                                        float *s) {
    size_t seen[GROUP_ROWS];
    float largest[GROUP_ROWS], factor[GROUP_ROWS];
    for (size_t first = 0, group; first < queries; first += group, s += group * keys) {
        group = group_of(queries - first, keys);
        for (size_t r = 0; r < group; r++) {
            seen[r] = smaller(length, keys);
            // The last query sees all keys: query + 1 + keys − queries of them, which may be none.
            const size_t until = first + r + 1 + keys;
            if (causal) seen[r] = smaller(seen[r], until < queries ? 0 : until - queries);
            largest[r] = largest_of(scale, s + r * keys, seen[r]);
            // All scores −∞, or NaN: shifted by −∞ all would be NaN; unshifted the sum is 0, or a NaN that stays.
            if (largest[r] == -INFINITY) largest[r] = 0.0f;
        }
        for (size_t r = 0; r < group; r++) {
            const double sum = exponentials(scale, largest[r], s + r * keys, seen[r], s + r * keys);
            factor[r] = sum == 0.0 ? 0.0f : (float)(1.0 / sum);
        }
        for (size_t r = 0; r < group; r++) {
            float *row = s + r * keys;
            multiply_by(factor[r], row, seen[r]);
            SIXTEENS(keys - seen[r], STORE(row + seen[r] + i, (float16)0.0f););
        }
    }
}

CLONED void consilium_attention_softmax_backward(size_t queries, size_t keys, float scale, const float *p, float *dp) {
    for (size_t query = 0; query < queries; query++, p += keys, dp += keys) {
        const float sum = (float)sum_of_products(dp, p, keys);
        SIXTEENS(keys, STORE(dp + i, scale * LOAD(p + i) * (LOAD(dp + i) - sum)););
    }
}

CLONED void consilium_turn_pairs(size_t steps, size_t stride, size_t heads, size_t width, float direction,
                                 const float *cosines, const float *sines, float *x) {
    for (size_t step = 0; step < steps; step++, x += stride, cosines += width, sines += width)
        for (size_t head = 0; head < heads; head++) {
            float *row = x + head * width;
            SIXTEENS(width, const float16 v = LOAD(row + i);
                     const float16 other = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15,
                                                                   14);
                     STORE(row + i, v * LOAD(cosines + i) + other * (direction * LOAD(sines + i))););
        }
}
