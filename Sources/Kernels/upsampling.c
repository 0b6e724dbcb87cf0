// SPDX-License-Identifier: Apache-2.0
// Nearest-neighbour enlargement of maps and its transpose; the formulas stand in kernels_spatial.h.

#include <string.h>

#include "kernels_spatial.h"

void consilium_upsample(size_t channels, const size_t sizes[3], const size_t factors[3], const float *x, float *y) {
    const size_t rows = channels * sizes[0] * sizes[1];
    const size_t wide = sizes[2] * factors[2];
    for (size_t row = 0; row < rows; ++row) {
        // The first copy of the row, in the first copy of its plane.
        const size_t plane = row / sizes[1];
        float *first = y + (plane * factors[0] * sizes[1] + row % sizes[1]) * factors[1] * wide;
        for (size_t w = 0; w < sizes[2]; ++w) {
            for (size_t copy = 0; copy < factors[2]; ++copy) first[w * factors[2] + copy] = x[row * sizes[2] + w];
        }
        for (size_t copy = 1; copy < factors[1]; ++copy) memcpy(first + copy * wide, first, wide * sizeof(float));
    }
    const size_t plane_size = sizes[1] * factors[1] * wide;
    for (size_t plane = 0; plane < channels * sizes[0]; ++plane) {
        float *first = y + plane * factors[0] * plane_size;
        for (size_t copy = 1; copy < factors[0]; ++copy) {
            memcpy(first + copy * plane_size, first, plane_size * sizeof(float));
        }
    }
}

void consilium_upsample_backward(size_t channels, const size_t sizes[3], const size_t factors[3], const float *dy,
                                 float *dx) {
    const size_t high = sizes[1] * factors[1];
    const size_t wide = sizes[2] * factors[2];
    memset(dx, 0, channels * sizes[0] * sizes[1] * sizes[2] * sizeof(float));
    for (size_t plane = 0; plane < channels * sizes[0] * factors[0]; ++plane) {
        for (size_t row = 0; row < high; ++row) {
            const float *from = dy + (plane * high + row) * wide;
            float *to = dx + (plane / factors[0] * sizes[1] + row / factors[1]) * sizes[2];
            for (size_t w = 0; w < sizes[2]; ++w) {
                for (size_t copy = 0; copy < factors[2]; ++copy) to[w] += from[w * factors[2] + copy];
            }
        }
    }
}
