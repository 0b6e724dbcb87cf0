// SPDX-License-Identifier: Apache-2.0
// Batch normalisation in parts, one example at a time; the formulas stand in kernels_layers.h.
//
// Two arrangements: a channel's positions side by side, or 16 channels side by side at every position. One position
// is the second arrangement whatever `block` says, and then the last channels may be fewer than 16.

#include "inlined.h"
#include "kernels_layers.h"

INLINED bool in_lanes(size_t positions, size_t block) { return block == 16 || positions == 1; }

// sums[0..<n] += lanes.
INLINED void add_lanes(const double16 *lanes, size_t n, double *sums) {
    double values[16];
    memcpy(values, lanes, sizeof values);
    for (size_t l = 0; l < n; l++) sums[l] += values[l];
}

CLONED void consilium_channel_moments(size_t channels, size_t positions, size_t block, const float *x,
                                      const float *shift, double *sum, double *squares) {
    if (in_lanes(positions, block)) {
        SIXTEENS(
            channels, const float16 center = LOAD(shift + i); double16 total = 0.0; double16 total_squares = 0.0;
            for (size_t start = 0; start < positions; start += 64) {
                const size_t end = smaller(positions, start + 64);
                float16 a = 0.0f, b = 0.0f;
                for (size_t p = start; p < end; p++) {
                    const float16 v = LOAD(x + i * positions + 16 * p) - center;
                    a += v, b += v * v;
                }
                total += __builtin_convertvector(a, double16), total_squares += __builtin_convertvector(b, double16);
            } add_lanes(&total, n, sum + i);
            add_lanes(&total_squares, n, squares + i););
        return;
    }
    for (size_t c = 0; c < channels; c++, x += positions) {
        const float center = shift[c];
        SUM_BLOCKS(positions, start, length) {
            float16 a = 0.0f, b = 0.0f;
            SIXTEENS(length, const float16 v = LOAD_OR(x + start + i, center) - center; a += v; b += v * v;);
            sum[c] += (double)sum_of_lanes(&a), squares[c] += (double)sum_of_lanes(&b);
        }
    }
}

CLONED void consilium_channel_affine(size_t channels, size_t positions, size_t block, const float *x,
                                     const float *scale, const float *offset, bool relu, float *y) {
    // A NaN is not below the bound and stays.
    const float bound = relu ? 0.0f : -__builtin_inff();
    if (in_lanes(positions, block)) {
        SIXTEENS(channels, const float16 a = LOAD(scale + i); const float16 b = LOAD(offset + i);
                 for (size_t p = 0; p < positions; p++) {
                     const float16 v = LOAD(x + i * positions + 16 * p) * a + b;
                     STORE(y + i * positions + 16 * p, v < bound ? (float16)bound : v);
                 });
        return;
    }
    for (size_t c = 0; c < channels; c++, x += positions, y += positions) {
        const float a = scale[c], b = offset[c];
        SIXTEENS(positions, const float16 v = LOAD(x + i) * a + b; STORE(y + i, v < bound ? (float16)bound : v););
    }
}

// The gradient of 16 elements, masked and stored again when there is a y.
#define MASKED(at)                                                                                                     \
    ({                                                                                                                 \
        float16 d_ = LOAD(dy + (at));                                                                                  \
        if (y) {                                                                                                       \
            d_ = LOAD(y + (at)) > 0.0f ? d_ : (float16)0.0f;                                                           \
            STORE(dy + (at), d_);                                                                                      \
        }                                                                                                              \
        d_;                                                                                                            \
    })

CLONED void consilium_channel_gradient_sums(size_t channels, size_t positions, size_t block, const float *x,
                                            const float *y, float *dy, double *sum, double *products) {
    if (in_lanes(positions, block)) {
        SIXTEENS(
            channels, double16 total = 0.0; double16 total_products = 0.0;
            for (size_t start = 0; start < positions; start += 64) {
                const size_t end = smaller(positions, start + 64);
                float16 a = 0.0f, b = 0.0f;
                for (size_t p = start; p < end; p++) {
                    const size_t at = i * positions + 16 * p;
                    const float16 d = MASKED(at);
                    a += d, b += d * LOAD(x + at);
                }
                total += __builtin_convertvector(a, double16), total_products += __builtin_convertvector(b, double16);
            } add_lanes(&total, n, sum + i);
            add_lanes(&total_products, n, products + i););
        return;
    }
    for (size_t c = 0; c < channels; c++) {
        SUM_BLOCKS(positions, start, length) {
            float16 a = 0.0f, b = 0.0f;
            SIXTEENS(length, const size_t at = c * positions + start + i; const float16 d = MASKED(at); a += d;
                     b += d * LOAD(x + at););
            sum[c] += (double)sum_of_lanes(&a), products[c] += (double)sum_of_lanes(&b);
        }
    }
}

CLONED void consilium_channel_combine(size_t channels, size_t positions, size_t block, const float *dy, const float *x,
                                      const float *a, const float *b, const float *d, float *dx) {
    if (in_lanes(positions, block)) {
        SIXTEENS(channels, const float16 e = LOAD(a + i); const float16 f = LOAD(b + i);
                 const float16 g = LOAD(d + i); for (size_t p = 0; p < positions; p++) {
                     const size_t at = i * positions + 16 * p;
                     STORE(dx + at, e * LOAD(dy + at) + f * LOAD(x + at) + g);
                 });
        return;
    }
    for (size_t c = 0; c < channels; c++, dy += positions, x += positions, dx += positions) {
        const float e = a[c], f = b[c], g = d[c];
        SIXTEENS(positions, STORE(dx + i, e * LOAD(dy + i) + f * LOAD(x + i) + g););
    }
}
