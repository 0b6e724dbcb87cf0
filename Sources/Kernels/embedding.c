// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding table, fetched by token and added to by token; the formulas stand in kernels_layers.h.

#include "inlined.h"
#include "kernels_layers.h"

CLONED void consilium_embedding(size_t count, size_t width, const int32_t *tokens, int32_t padding, const float *table,
                                float *y) {
    for (size_t t = 0; t < count; t++, y += width) {
        if (tokens[t] == padding) {
            memset(y, 0, width * sizeof(float));
            continue;
        }
        const float *row = table + (size_t)tokens[t] * width;
        SIXTEENS(width, STORE(y + i, LOAD(row + i)););
    }
}

CLONED void consilium_embedding_backward(size_t count, size_t width, const int32_t *tokens, int32_t padding,
                                         float factor, const float *dy, float *dtable) {
    for (size_t t = 0; t < count; t++, dy += width) {
        if (tokens[t] == padding) continue;
        float *row = dtable + (size_t)tokens[t] * width;
        SIXTEENS(width, STORE(row + i, LOAD(row + i) + factor * LOAD(dy + i)););
    }
}
