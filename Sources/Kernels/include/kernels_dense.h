// SPDX-License-Identifier: Apache-2.0
// The float32 matrix product of this project, and sums of vectors.
//
// Every loop is compiled for AVX-512, AVX2 and baseline x86-64 and chosen when the program starts. An element is always
// summed in the same order and nothing is fused, so the float results are the same bits on every machine. Callers check
// the shapes (module Tensors).

#ifndef CONSILIUM_KERNELS_DENSE_H
#define CONSILIUM_KERNELS_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// c[i,j] = Σₚ a[i,p]·b[p,j] for i < m, p < k, j < n; added to c when `accumulate` is true.
/// The strides say how far apart, in floats, two rows and two columns of a and b lie, so a transposed matrix costs
/// nothing to name. c is dense, row-major, and overlaps neither a nor b.
void consilium_matmul(size_t m, size_t k, size_t n, const float *a, size_t a_row, size_t a_column,
                      const float *b, size_t b_row, size_t b_column, float *c, bool accumulate);

/// The same with rows of c `c_row` floats apart; what lies between them is left alone.
void consilium_matmul_strided(size_t m, size_t k, size_t n, const float *a, size_t a_row, size_t a_column,
                              const float *b, size_t b_row, size_t b_column, float *c, size_t c_row, bool accumulate);

/// y[i] += a·x[i].
void consilium_axpy(size_t count, float a, const float *x, float *y);

/// y[i] += a·(x[i] − z[i]).
void consilium_axpy_difference(size_t count, float a, const float *x, const float *z, float *y);

/// y[i] = x[i] as bfloat16, the upper half of a float32: rounded to the nearest, ties to even. A NaN stays a NaN.
void consilium_to_bfloat16(size_t count, const float *x, uint16_t *y);

/// Whether every x[i] is neither infinite nor NaN.
bool consilium_all_finite(size_t count, const float *x);

#endif
