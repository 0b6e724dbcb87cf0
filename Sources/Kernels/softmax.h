// SPDX-License-Identifier: Apache-2.0
// Parts of every softmax over rows: the largest value, the exponentials, and how many rows go together.

#ifndef CONSILIUM_SOFTMAX_H
#define CONSILIUM_SOFTMAX_H

#include "inlined.h"

#include <math.h>

// The largest scale·x[i]; NaNs are passed over: they come back in the sum of exponentials. Missing lanes of the last
// vector are filled with x[0].
INLINED float largest_of(float scale, const float *x, size_t count) {
    float16 largest = -INFINITY;
    SIXTEENS(count, const float16 v = scale * LOAD_OR(x + i, x[0]); largest = v > largest ? v : largest;);
    return largest_lane(&largest);
}

// y[i] = e^(scale·x[i] − shift); returns the sum. `scale` is not 0, so that missing lanes give e^−∞ = 0.
INLINED double exponentials(float scale, float shift, const float *x, size_t count, float *y) {
    const float missing = scale < 0.0f ? INFINITY : -INFINITY;
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        float16 sum = 0.0f;
        SIXTEENS(length, const float16 e = EXPONENTIAL(scale * LOAD_OR(x + start + i, missing) - shift); sum += e;
                 STORE(y + start + i, e););
        total += (double)sum_of_lanes(&sum);
    }
    return total;
}

// Rows are worked on in groups that fit the first-level cache, one pass over the whole group after the other: row by
// row, each pass would wait for the largest value or the sum that the one before ends with.
enum { GROUP_ROWS = 16, GROUP_FLOATS = 4096 };
INLINED size_t group_of(size_t rows, size_t columns) {
    const size_t fitting = GROUP_FLOATS / (columns | 1);
    return smaller(rows, fitting < 1 ? 1 : smaller(fitting, GROUP_ROWS));
}

#endif
