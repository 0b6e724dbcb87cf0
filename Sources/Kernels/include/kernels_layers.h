// SPDX-License-Identifier: Apache-2.0
// Float32 loops of layers that are not products: activations, normalisation, attention weights, recurrent gates,
// embeddings, dropout.
//
// Every loop is compiled for AVX-512, AVX2 and baseline x86-64 and chosen when the program starts; an element is always
// computed in the same order. Callers check the shapes. Backward functions of one input overwrite dx unless said
// otherwise, and dx may be dy.

#ifndef CONSILIUM_KERNELS_LAYERS_H
#define CONSILIUM_KERNELS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// y[i] = f(x[i]); x may be y. dx[i] = dy[i]·f′; `v` is what the table says backward reads: y where f′ follows from it
/// with one multiplication or comparison, x else.
enum consilium_activation {
    CONSILIUM_LINEAR = 0,
    CONSILIUM_RELU,         // v = y
    CONSILIUM_LEAKY_RELU,   // v = y; slope `parameter` > 0
    CONSILIUM_ELU,          // v = y; α = `parameter` > 0: f′ = y + α below zero
    CONSILIUM_GELU,         // v = x; x·Φ(x), Φ by erf
    CONSILIUM_GELU_TANH,    // v = x
    CONSILIUM_SILU,         // v = x
    CONSILIUM_TANH,         // v = y
    CONSILIUM_SIGMOID,      // v = y
};
void consilium_activate(int kind, float parameter, size_t count, const float *x, float *y);
void consilium_activate_backward(int kind, float parameter, size_t count, const float *v, const float *dy, float *dx);

/// Rows: y = softmax x or log softmax x. Backward: dx = y·(dy − Σ dy·y), or dy − eʸ·Σ dy.
void consilium_softmax(size_t rows, size_t columns, const float *x, float *y);
void consilium_softmax_backward(size_t rows, size_t columns, const float *y, const float *dy, float *dx);
void consilium_log_softmax(size_t rows, size_t columns, const float *x, float *y);
void consilium_log_softmax_backward(size_t rows, size_t columns, const float *y, const float *dy, float *dx);

/// Attention weights of one [queries, keys] matrix of scores, in place: softmax of scale·s over the first `length`
/// keys (and, when causal, the keys up to the query's own place; queries and keys then end together); the others 0. A
/// row with no key left, or with all of its scores −∞, is all 0. `scale` is not 0.
void consilium_attention_softmax(size_t queries, size_t keys, size_t length, bool causal, float scale, float *s);
/// ds = scale·p·(dp − Σ dp·p), in place of dp.
void consilium_attention_softmax_backward(size_t queries, size_t keys, float scale, const float *p, float *dp);
/// Rotary positions in place: row t of `steps`, `stride` floats apart, has `heads` heads of `width`, an even number; in
/// each x[i] ← x[i]·cosines[t,i] + direction·sines[t,i]·x[i's partner], the partners being 0 and 1, 2 and 3, ….
void consilium_turn_pairs(size_t steps, size_t stride, size_t heads, size_t width, float direction,
                          const float *cosines, const float *sines, float *x);

/// Rows of `width`: y = (x − mean)/√(variance + ε)·weight + bias; saves mean and 1/√(variance + ε) of each row in
/// `statistics` [rows, 2] (may be NULL). Statistics are taken in two passes.
void consilium_layer_norm(size_t rows, size_t width, float epsilon, const float *x, const float *weight,
                          const float *bias, float *y, float *statistics);
/// dx overwritten; dweight[j] += Σ_rows dy·x̂, dbias[j] += Σ_rows dy (either may be NULL, then neither is made).
void consilium_layer_norm_backward(size_t rows, size_t width, const float *x, const float *weight,
                                   const float *statistics, const float *dy, float *dx, float *dweight, float *dbias);

/// Group normalisation of one example [channels, positions]: mean and variance over each group of channels.
/// `statistics` [groups, 2]. Gradients as for layer norm, one weight and bias per channel.
/// `block` is 1 for plain memory, 16 for channels in blocks of 16 ([channels/16, positions, 16], channels % 16 = 0).
void consilium_group_norm(size_t channels, size_t positions, size_t groups, size_t block, float epsilon, const float *x,
                          const float *weight, const float *bias, float *y, float *statistics);
void consilium_group_norm_backward(size_t channels, size_t positions, size_t groups, size_t block, const float *x,
                                   const float *weight, const float *statistics, const float *dy, float *dx,
                                   float *dweight, float *dbias);

/// Batch norm in parts, so that workers can share a batch: sums over one example [channels, positions] are added into
/// double sums: Σ (x − shift), Σ (x − shift)² per channel, where `shift` [channels] is any value near the mean.
void consilium_channel_moments(size_t channels, size_t positions, size_t block, const float *x, const float *shift,
                               double *sum, double *squares);
/// y = x·scale[c] + offset[c]; with relu max(0, ·).
void consilium_channel_affine(size_t channels, size_t positions, size_t block, const float *x, const float *scale,
                              const float *offset, bool relu, float *y);
/// dy is first masked to where y > 0 when y is not NULL (in place); then per channel Σ dy and Σ dy·x are added.
void consilium_channel_gradient_sums(size_t channels, size_t positions, size_t block, const float *x, const float *y,
                                     float *dy, double *sum, double *products);
/// dx = a[c]·dy + b[c]·x + d[c].
void consilium_channel_combine(size_t channels, size_t positions, size_t block, const float *dy, const float *x,
                               const float *a, const float *b, const float *d, float *dx);

/// One step of LSTM gates for `rows` rows of `width` units. `gates` [rows, 4·width] holds input, forget, cell, output
/// pre-activations and is overwritten by their activations. c = f·c_before + i·g; h = o·tanh c; `tanh_c` is kept.
/// Rows that are not live (`is_live` per row, NULL = all live) keep h and c of the step before, their gates as they
/// are, and get tanh_c = 0. c may be c_before, h may be h_before.
void consilium_lstm_gates(size_t rows, size_t width, float *gates, const float *c_before, const float *h_before,
                          const uint8_t *is_live, float *c, float *tanh_c, float *h);
/// dgates [rows, 4·width] (pre-activation gradients, 0 for rows not live) from dh and dc, which are updated in place to
/// the gradient that reaches c_before; dh of rows not live is left to pass through, of live rows set to 0.
void consilium_lstm_gates_backward(size_t rows, size_t width, const float *gates, const float *c_before,
                                   const float *tanh_c, const uint8_t *is_live, float *dh, float *dc, float *dgates);
/// One step of GRU gates as PyTorch and Keras' reset_after compute it. `input` [rows, 3·width] = W·x + b for reset,
/// update, new; `hidden` [rows, 3·width] = R·h + b_h; overwrites `input` by r, z, n; keeps hidden's new part as is.
/// h = (1 − z)·n + z·h_before with n = tanh(input_n + r·hidden_n).
void consilium_gru_gates(size_t rows, size_t width, float *input, const float *hidden, const float *h_before,
                         const uint8_t *is_live, float *h);
/// dinput [rows, 3·width] and dhidden [rows, 3·width] (their r and z parts are equal; dhidden_n = r·dn); dh is updated
/// in place to its direct part z·dh (the caller adds Rᵀ·dhidden); rows not live pass dh through and have zero dgates.
void consilium_gru_gates_backward(size_t rows, size_t width, const float *gates, const float *hidden_new,
                                  size_t hidden_stride, const float *h_before, const uint8_t *is_live, float *dh,
                                  float *dinput, float *dhidden);

/// y[i, :] = table[tokens[i], :], zero where the token is `padding` (−1: no padding token).
void consilium_embedding(size_t count, size_t width, const int32_t *tokens, int32_t padding, const float *table,
                         float *y);
/// dtable[tokens[i], :] += factor·dy[i, :], in the order of i, except padding tokens.
void consilium_embedding_backward(size_t count, size_t width, const int32_t *tokens, int32_t padding, float factor,
                                  const float *dy, float *dtable);

/// y[i] = kept(first + i) ? x[i]·scale : 0 (also of a NaN), where kept() hashes the 64-bit key and the element's number
/// (defined in dropout.c): the same call in backward on dy gives dx. `threshold`/2³² is the odds of zero.
void consilium_dropout(size_t count, uint64_t key, uint64_t first, uint32_t threshold, float scale, const float *x,
                       float *y);
/// The same with one decision per row (spatial dropout): rows of `width` elements, row r decided by first + r.
void consilium_dropout_rows(size_t rows, size_t width, uint64_t key, uint64_t first, uint32_t threshold, float scale,
                            const float *x, float *y);

/// y[i] += deviation·N(0, 1), from uniform random words, as many as `count` rounded up to a multiple of 32. The numbers
/// reach to ±6.7; float32 noise is for measuring and local training, not for the sums that leave a site.
void consilium_add_gaussian(size_t count, const uint32_t *words, float deviation, float *y);

/// Σ x², summed in blocks in a fixed order, in double.
double consilium_sum_of_squares(size_t count, const float *x);
/// Σ x·y and Σ x in the same way.
double consilium_dot(size_t count, const float *x, const float *y);
double consilium_sum(size_t count, const float *x);
/// x[i] *= factor.
void consilium_scale(size_t count, float factor, float *x);
/// y[i] += x[i]; y[i] = a[i] + b[i]; y[i] = a[i]·b[i]; y[i] += a[i]·b[i].
void consilium_add_to(size_t count, const float *x, float *y);
void consilium_add(size_t count, const float *a, const float *b, float *y);
void consilium_product(size_t count, const float *a, const float *b, float *y);
void consilium_add_product(size_t count, const float *a, const float *b, float *y);
/// y[i, :] += bias for rows of `width`; sums[j] += Σᵢ x[i, j].
void consilium_add_rows(size_t rows, size_t width, const float *bias, float *y);
void consilium_add_column_sums(size_t rows, size_t width, const float *x, float *sums);
/// y = xᵀ: x [rows, columns], y [columns, rows].
void consilium_transpose(size_t rows, size_t columns, const float *x, float *y);

#endif
