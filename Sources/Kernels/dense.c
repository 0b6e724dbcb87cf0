// SPDX-License-Identifier: Apache-2.0
// Float32 kernels of dense networks; the formulas stand in kernels_dense.h, plain Swift oracles in the tests.

#include "kernels_dense.h"

#include "inlined.h"

// ---- matrix product --------------------------------------------------------------------------------------------
//
// c is cut into tiles of at most 6 rows and 16 columns, held in registers while p runs over k. Six rows fill the
// sixteen vector registers of AVX2. Strips of b that are transposed, or whose rows lie far apart, are first copied
// into a small buffer on the stack, 256 rows at a time: 16 KiB, half of a first-level cache.

enum { TILE_ROWS = 6, TILE_COLUMNS = 16, STRIP_ROWS = 256 };

typedef float float1;

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

CLONED void consilium_matmul_strided(size_t m, size_t k, size_t n, const float *a, size_t a_row, size_t a_column,
                                     const float *b, size_t b_row, size_t b_column, float *c, size_t c_row,
                                     bool accumulate) {
    _Alignas(64) float strip[STRIP_ROWS * TILE_COLUMNS];
    if (!accumulate)
        for (size_t i = 0; i < m; i++) memset(c + i * c_row, 0, n * sizeof(float));
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
            case 16: column16(m, depth, a_part, a_row, a_column, part, part_row, c + j, c_row); break;
            case 8: column8(m, depth, a_part, a_row, a_column, part, part_row, c + j, c_row); break;
            case 4: column4(m, depth, a_part, a_row, a_column, part, part_row, c + j, c_row); break;
            default: column1(m, depth, a_part, a_row, a_column, part, part_row, c + j, c_row);
            }
            j += width;
        }
    }
}

void consilium_matmul(size_t m, size_t k, size_t n, const float *a, size_t a_row, size_t a_column, const float *b,
                      size_t b_row, size_t b_column, float *c, bool accumulate) {
    consilium_matmul_strided(m, k, n, a, a_row, a_column, b, b_row, b_column, c, n, accumulate);
}

// ---- vectors ---------------------------------------------------------------------------------------------------

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
