// SPDX-License-Identifier: Apache-2.0
// Sums, products, bias rows and transposes of float32 vectors and matrices; the formulas stand in kernels_layers.h.

#include "inlined.h"
#include "kernels_layers.h"

CLONED double consilium_sum_of_squares(size_t count, const float *x) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        double16 sum = 0.0;
        SIXTEENS(length, const float16 v = LOAD(x + start + i);
                 const double16 w = __builtin_convertvector(v, double16); sum += w * w;);
        total += SUM_OF_SIXTEEN(sum);
    }
    return total;
}

CLONED double consilium_dot(size_t count, const float *x, const float *y) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        double16 sum = 0.0;
        SIXTEENS(length, sum += __builtin_convertvector(LOAD(x + start + i), double16) *
                                __builtin_convertvector(LOAD(y + start + i), double16););
        total += SUM_OF_SIXTEEN(sum);
    }
    return total;
}

CLONED double consilium_sum(size_t count, const float *x) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        double16 sum = 0.0;
        SIXTEENS(length, sum += __builtin_convertvector(LOAD(x + start + i), double16););
        total += SUM_OF_SIXTEEN(sum);
    }
    return total;
}

CLONED void consilium_scale(size_t count, float factor, float *x) {
    SIXTEENS(count, STORE(x + i, LOAD(x + i) * factor););
}

CLONED void consilium_add_to(size_t count, const float *x, float *y) {
    SIXTEENS(count, STORE(y + i, LOAD(y + i) + LOAD(x + i)););
}

CLONED void consilium_add(size_t count, const float *a, const float *b, float *y) {
    SIXTEENS(count, STORE(y + i, LOAD(a + i) + LOAD(b + i)););
}

CLONED void consilium_product(size_t count, const float *a, const float *b, float *y) {
    SIXTEENS(count, STORE(y + i, LOAD(a + i) * LOAD(b + i)););
}

CLONED void consilium_add_product(size_t count, const float *a, const float *b, float *y) {
    SIXTEENS(count, STORE(y + i, LOAD(y + i) + LOAD(a + i) * LOAD(b + i)););
}

CLONED void consilium_add_rows(size_t rows, size_t width, const float *bias, float *y) {
    for (size_t row = 0; row < rows; row++, y += width) SIXTEENS(width, STORE(y + i, LOAD(y + i) + LOAD(bias + i)););
}

// Eight rows at once, read along the rows. 256 rows are added up apart, so that rounding does not grow with the rows.
CLONED void consilium_add_column_sums(size_t rows, size_t width, const float *x, float *sums) {
    enum { STRIP = 1024, GROUP = 256 };
    float part[STRIP];
    for (size_t column = 0; column < width; column += STRIP) {
        const size_t columns = smaller(width - column, STRIP);
        for (size_t start = 0; start < rows; start += GROUP) {
            const size_t end = smaller(rows, start + GROUP);
            memset(part, 0, columns * sizeof(float));
            size_t row = start;
            for (; row + 8 <= end; row += 8) {
                const float *p = x + row * width + column;
                SIXTEENS(columns, const float *q = p + i;
                         const float16 a = LOAD(q) + LOAD(q + width);
                         const float16 b = LOAD(q + 2 * width) + LOAD(q + 3 * width);
                         const float16 c = LOAD(q + 4 * width) + LOAD(q + 5 * width);
                         const float16 d = LOAD(q + 6 * width) + LOAD(q + 7 * width);
                         STORE(part + i, LOAD(part + i) + ((a + b) + (c + d))););
            }
            for (; row < end; row++) {
                const float *p = x + row * width + column;
                SIXTEENS(columns, STORE(part + i, LOAD(part + i) + LOAD(p + i)););
            }
            SIXTEENS(columns, STORE(sums + column + i, LOAD(sums + column + i) + LOAD(part + i)););
        }
    }
}

// Rows i and i + step of a square exchange the squares of `step` lanes that lie off their diagonal.
#define EXCHANGE(step, even, odd)                                                                                      \
    for (int i = 0; i < 16; i++) {                                                                                     \
        if (i & (step)) continue;                                                                                      \
        const float16 a = lines[i], b = lines[i + (step)];                                                             \
        lines[i] = __builtin_shufflevector(a, b, even);                                                                \
        lines[i + (step)] = __builtin_shufflevector(a, b, odd);                                                        \
    }
#define EVEN1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define ODD1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define EVEN2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define ODD2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define EVEN4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define ODD4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define EVEN8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define ODD8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31

// Down the columns of x, so that y is written along its rows.
CLONED void consilium_transpose(size_t rows, size_t columns, const float *x, float *y) {
    const size_t whole_rows = rows & ~(size_t)15, whole_columns = columns & ~(size_t)15;
    for (size_t column = 0; column < whole_columns; column += 16)
        for (size_t row = 0; row < whole_rows; row += 16) {
            float16 lines[16];
            for (size_t l = 0; l < 16; l++) memcpy(&lines[l], x + (row + l) * columns + column, sizeof lines[l]);
            EXCHANGE(8, EVEN8, ODD8)
            EXCHANGE(4, EVEN4, ODD4)
            EXCHANGE(2, EVEN2, ODD2)
            EXCHANGE(1, EVEN1, ODD1)
            for (size_t l = 0; l < 16; l++) memcpy(y + (column + l) * rows + row, &lines[l], sizeof lines[l]);
        }
    for (size_t row = 0; row < rows; row++)
        for (size_t column = row < whole_rows ? whole_columns : 0; column < columns; column++)
            y[column * rows + row] = x[row * columns + column];
}
