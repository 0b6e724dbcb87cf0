// SPDX-License-Identifier: Apache-2.0
// Float32 convolution and pooling over plain row-major tensors: what the engine uses where oneDNN is not compiled in.
//
// Every element is summed in a fixed order, so results are the same bits on every machine. Callers check the shapes.

#ifndef CONSILIUM_KERNELS_SPATIAL_H
#define CONSILIUM_KERNELS_SPATIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The window of a convolution or a pooling over up to three spatial dimensions; unused ones have size 1, kernel 1,
/// stride 1, dilation 1 and padding 0. Output position o covers the inputs o·stride − pad + i·dilation, i < kernel.
struct consilium_window {
    size_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
};

/// y[o, p] = bias[o] + Σ w[o, c, i]·x[c, window(p, i)] for one example.
/// x [in_channels, in…], w [out_channels, in_channels/groups, kernel…], y [out_channels, out…]; bias may be NULL.
/// `columns` is scratch of consilium_convolution_scratch() floats.
void consilium_convolution_forward(const struct consilium_window *window, size_t groups, size_t in_channels,
                                   size_t out_channels, const float *x, const float *w, const float *bias, float *y,
                                   float *columns);
/// dx = Σ of w·dy over the windows that hold an input, for one example; dx is overwritten.
void consilium_convolution_backward_data(const struct consilium_window *window, size_t groups, size_t in_channels,
                                         size_t out_channels, const float *dy, const float *w, float *dx,
                                         float *columns);
/// dw (+)= dy·columns(x)ᵀ and dbias (+)= Σ_p dy, for one example; added when `accumulate`. dbias may be NULL.
void consilium_convolution_backward_weights(const struct consilium_window *window, size_t groups, size_t in_channels,
                                            size_t out_channels, const float *x, const float *dy, float *dw,
                                            float *dbias, bool accumulate, float *columns);
/// Floats of scratch: in_channels/groups · kernel · out positions.
size_t consilium_convolution_scratch(const struct consilium_window *window, size_t groups, size_t in_channels);

/// y[c, p] = the largest x of the window, a NaN winning; `places[c, p]` the first place inside the window that holds it
/// (kernel index, < 2³² − 1). Padding never wins; a window of nothing else gives −∞ and place 2³² − 1, which backward
/// skips. For `channels` planes. `places` may be NULL.
void consilium_max_pool_forward(const struct consilium_window *window, size_t channels, const float *x, float *y,
                                uint32_t *places);
/// dx is overwritten: zero, plus dy at each window's place.
void consilium_max_pool_backward(const struct consilium_window *window, size_t channels, const float *dy,
                                 const uint32_t *places, float *dx);
/// y[c, p] = mean of the window; padding counts only when `counts_padding`: then the divisor is always the kernel's
/// volume, as in oneDNN; else the number of inputs in the window (0 for a window without any).
void consilium_average_pool_forward(const struct consilium_window *window, size_t channels, bool counts_padding,
                                    const float *x, float *y);
void consilium_average_pool_backward(const struct consilium_window *window, size_t channels, bool counts_padding,
                                     const float *dy, float *dx);

/// y[c, p] = x[c, p / factor], each of the three dimensions divided by itself and rounded down: nearest neighbour.
/// x is [channels, depth, height, width], y the same with every size times its factor.
void consilium_upsample(size_t channels, const size_t sizes[3], const size_t factors[3], const float *x, float *y);
/// dx[c, q] = Σ dy[c, p] over the p with p / factor = q.
void consilium_upsample_backward(size_t channels, const size_t sizes[3], const size_t factors[3], const float *dy,
                                 float *dx);

#endif
