// SPDX-License-Identifier: Apache-2.0
// Convolution as a matrix product over copied windows; the formulas stand in kernels_spatial.h.

#include "kernels_dense.h"
#include "windows.h"

// What one group multiplies: weights [outputs, depth], columns [depth, positions].
struct shape {
    size_t outputs, depth, positions, inputs;
    bool needs_columns;
};

static struct shape shape_of(const struct consilium_window *w, size_t groups, size_t in_channels, size_t out_channels) {
    struct shape s = {out_channels / groups, in_channels / groups * volume(w->kernel), volume(w->out),
                      in_channels / groups * volume(w->in), false};
    for (int d = 0; d < 3; d++)
        s.needs_columns |= w->kernel[d] != 1 || w->stride[d] != 1 || w->pad[d] != 0 || w->in[d] != w->out[d];
    return s;
}

size_t consilium_convolution_scratch(const struct consilium_window *window, size_t groups, size_t in_channels) {
    return in_channels / groups * volume(window->kernel) * volume(window->out);
}

CLONED static void copy_to_columns(const struct consilium_window *w, size_t channels, const float *x, float *columns) {
    const size_t places = volume(w->kernel), positions = volume(w->out), stride = w->stride[2];
    bool padded = false;
    for (int d = 0; d < 3; d++) {
        const struct range first = outputs_with_input(w, d, 0), last = outputs_with_input(w, d, w->kernel[d] - 1);
        padded |= first.first > 0 || last.end < w->out[d];
    }
    if (padded) memset(columns, 0, channels * places * positions * sizeof(float));
    for (size_t c = 0; c < channels; c++, x += volume(w->in), columns += places * positions)
        WINDOW_ROWS(w, const size_t count = inner.end - inner.first;
                    float *to = columns + place * positions + row + inner.first;
                    const float *from = x + input_row + shift;
                    if (stride == 1) memcpy(to, from, count * sizeof(float));
                    else for (size_t o = 0; o < count; o++) to[o] = from[o * stride];)
}

CLONED static void add_from_columns(const struct consilium_window *w, size_t channels, const float *columns,
                                    float *dx) {
    const size_t places = volume(w->kernel), positions = volume(w->out), stride = w->stride[2];
    memset(dx, 0, channels * volume(w->in) * sizeof(float));
    for (size_t c = 0; c < channels; c++, dx += volume(w->in), columns += places * positions)
        WINDOW_ROWS(w, const size_t count = inner.end - inner.first;
                    const float *from = columns + place * positions + row + inner.first;
                    float *to = dx + input_row + shift;
                    if (stride == 1) SIXTEENS(count, STORE(to + i, LOAD(to + i) + LOAD(from + i)););
                    else for (size_t o = 0; o < count; o++) to[o * stride] += from[o];)
}

void consilium_convolution_forward(const struct consilium_window *window, size_t groups, size_t in_channels,
                                   size_t out_channels, const float *x, const float *w, const float *bias, float *y,
                                   float *columns) {
    const struct shape s = shape_of(window, groups, in_channels, out_channels);
    for (size_t o = 0; bias && o < out_channels; o++)
        for (size_t p = 0; p < s.positions; p++) y[o * s.positions + p] = bias[o];
    for (size_t g = 0; g < groups; g++, x += s.inputs, w += s.outputs * s.depth, y += s.outputs * s.positions) {
        if (s.needs_columns) copy_to_columns(window, in_channels / groups, x, columns);
        consilium_matmul(s.outputs, s.depth, s.positions, w, s.depth, 1, s.needs_columns ? columns : x, s.positions, 1,
                         y, bias != NULL);
    }
}

void consilium_convolution_backward_data(const struct consilium_window *window, size_t groups, size_t in_channels,
                                         size_t out_channels, const float *dy, const float *w, float *dx,
                                         float *columns) {
    const struct shape s = shape_of(window, groups, in_channels, out_channels);
    for (size_t g = 0; g < groups; g++, dx += s.inputs, w += s.outputs * s.depth, dy += s.outputs * s.positions) {
        consilium_matmul(s.depth, s.outputs, s.positions, w, 1, s.depth, dy, s.positions, 1,
                         s.needs_columns ? columns : dx, false);
        if (s.needs_columns) add_from_columns(window, in_channels / groups, columns, dx);
    }
}

CLONED static void add_row_sums(size_t rows, size_t width, const float *x, bool accumulate, float *sums) {
    for (size_t row = 0; row < rows; row++)
        sums[row] = (accumulate ? sums[row] : 0.0f) + (float)sum_of(x + row * width, width);
}

void consilium_convolution_backward_weights(const struct consilium_window *window, size_t groups, size_t in_channels,
                                            size_t out_channels, const float *x, const float *dy, float *dw,
                                            float *dbias, bool accumulate, float *columns) {
    const struct shape s = shape_of(window, groups, in_channels, out_channels);
    if (dbias) add_row_sums(out_channels, s.positions, dy, accumulate, dbias);
    for (size_t g = 0; g < groups; g++, x += s.inputs, dw += s.outputs * s.depth, dy += s.outputs * s.positions) {
        if (s.needs_columns) copy_to_columns(window, in_channels / groups, x, columns);
        consilium_matmul(s.outputs, s.positions, s.depth, dy, s.positions, 1, s.needs_columns ? columns : x, 1,
                         s.positions, dw, accumulate);
    }
}
