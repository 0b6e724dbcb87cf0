// SPDX-License-Identifier: Apache-2.0
// Largest and mean value of windows; the formulas stand in kernels_spatial.h.
//
// The loops run over the places of the window outside and over an output row inside, so that the inner loop has no
// bounds to test and is vectorised where the stride is 1 or 2.

#include "windows.h"

#include <math.h>

enum { NOWHERE = 0xffffffffu };  // of a window without inputs

// The first place holding the largest value stays: only a larger value, or the first NaN, takes over.
INLINED void take_larger(size_t count, size_t stride, const float *restrict x, uint32_t place, float *restrict y,
                         uint32_t *restrict places) {
    if (!places) {
        for (size_t o = 0; o < count; o++) {
            const float v = x[o * stride];
            y[o] = v > y[o] || v != v ? v : y[o];
        }
        return;
    }
    for (size_t o = 0; o < count; o++) {
        const float v = x[o * stride], largest = y[o];
        const bool takes = (v > largest) | ((v != v) & (largest == largest)) | (places[o] == NOWHERE);
        y[o] = takes ? v : largest;
        places[o] = takes ? place : places[o];
    }
}

// Whether there is one window, which is the whole input.
INLINED bool is_global(const struct consilium_window *w) {
    bool global = volume(w->out) == 1;
    for (int d = 0; d < 3; d++) global &= w->kernel[d] == w->in[d] && w->pad[d] == 0 && w->dilation[d] == 1;
    return global;
}

INLINED void global_max(size_t count, const float *x, float *y, uint32_t *place) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (x[i] > x[best] || (x[i] != x[i] && x[best] == x[best])) best = i;
    *y = x[best];
    if (place) *place = (uint32_t)best;
}

CLONED void consilium_max_pool_forward(const struct consilium_window *w, size_t channels, const float *x, float *y,
                                       uint32_t *places) {
    const size_t positions = volume(w->out), stride = w->stride[2];
    if (is_global(w)) {
        for (size_t c = 0; c < channels; c++)
            global_max(volume(w->in), x + c * volume(w->in), y + c, places ? places + c : NULL);
        return;
    }
    for (size_t c = 0; c < channels; c++, x += volume(w->in), y += positions) {
        for (size_t p = 0; p < positions; p++) y[p] = -INFINITY;
        if (places) memset(places, 0xff, positions * sizeof *places);
        WINDOW_ROWS(w, const size_t count = inner.end - inner.first; const size_t to = row + inner.first;
                    const float *from = x + input_row + shift;
                    uint32_t *to_places = places ? places + to : NULL;
                    if (stride == 1) take_larger(count, 1, from, (uint32_t)place, y + to, to_places);
                    else if (stride == 2) take_larger(count, 2, from, (uint32_t)place, y + to, to_places);
                    else take_larger(count, stride, from, (uint32_t)place, y + to, to_places);)
        if (places) places += positions;
    }
}

// How far a place of the window lies behind the window's first.
INLINED size_t offset_of(const struct consilium_window *w, size_t place) {
    const size_t at0 = place / w->kernel[2] / w->kernel[1], at1 = place / w->kernel[2] % w->kernel[1];
    return (at0 * w->dilation[0] * w->in[1] + at1 * w->dilation[1]) * w->in[2] + place % w->kernel[2] * w->dilation[2];
}

void consilium_max_pool_backward(const struct consilium_window *w, size_t channels, const float *dy,
                                 const uint32_t *places, float *dx) {
    enum { TABLE = 1024 };
    const size_t kernel = volume(w->kernel);
    size_t offsets[TABLE];
    for (size_t place = 0; place < kernel && place < TABLE; place++) offsets[place] = offset_of(w, place);
    memset(dx, 0, channels * volume(w->in) * sizeof(float));
    for (size_t c = 0; c < channels; c++, dx += volume(w->in))
        for (size_t o0 = 0; o0 < w->out[0]; o0++)
            for (size_t o1 = 0; o1 < w->out[1]; o1++) {
                // Modulo 2⁶⁴: a window may begin in the padding before the first input.
                size_t start = ((o0 * w->stride[0] - w->pad[0]) * w->in[1] + o1 * w->stride[1] - w->pad[1]) * w->in[2] -
                               w->pad[2];
                for (size_t o2 = 0; o2 < w->out[2]; o2++, start += w->stride[2]) {
                    const uint32_t place = *places++;
                    const float d = *dy++;
                    if (place < TABLE && place < kernel) {
                        dx[start + offsets[place]] += d;
                    } else if (place < kernel) {
                        dx[start + offset_of(w, place)] += d;
                    }
                }
            }
}

INLINED size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// How many inputs the window of output o has along one dimension.
INLINED size_t inputs_of(const struct consilium_window *w, int dimension, size_t o) {
    const size_t start = o * w->stride[dimension], pad = w->pad[dimension], step = w->dilation[dimension];
    const size_t beyond = w->in[dimension] + pad;
    const size_t before = start >= pad ? 0 : smaller((pad - start + step - 1) / step, w->kernel[dimension]);
    const size_t until = start >= beyond ? 0 : smaller((beyond - start - 1) / step + 1, w->kernel[dimension]);
    return until > before ? until - before : 0;
}

// Divides the window sums of outputs first ..< end of a row by what their mean is taken over. A window without inputs
// has sum 0, whatever it is divided by.
INLINED void divide_row(const struct consilium_window *w, bool counts_padding, size_t outer, float *sums, size_t first,
                        size_t end) {
    const size_t full = w->kernel[2];
    // Outputs inner ..< beyond have the full window of inputs along the row.
    const size_t inner = counts_padding ? 0 : outputs_with_input(w, 2, 0).first;
    const size_t beyond = counts_padding ? w->out[2] : outputs_with_input(w, 2, full - 1).end;
    const float whole = (float)(counts_padding ? volume(w->kernel) : larger(outer * full, 1));
    size_t o = first;
    for (; o < end && o < inner; o++) sums[o - first] /= (float)larger(outer * inputs_of(w, 2, o), 1);
    const size_t last = smaller(end, beyond);
    for (; o < last; o++) sums[o - first] /= whole;
    for (; o < end; o++) sums[o - first] /= (float)larger(outer * inputs_of(w, 2, o), 1);
}

INLINED size_t outer_inputs(const struct consilium_window *w, size_t row) {
    return inputs_of(w, 0, row / w->out[1]) * inputs_of(w, 1, row % w->out[1]);
}

INLINED void add_inputs(size_t count, size_t stride, const float *restrict x, float *restrict y) {
    for (size_t o = 0; o < count; o++) y[o] += x[o * stride];
}

CLONED void consilium_average_pool_forward(const struct consilium_window *w, size_t channels, bool counts_padding,
                                           const float *x, float *y) {
    const size_t positions = volume(w->out), stride = w->stride[2], inputs = volume(w->in);
    for (size_t c = 0; c < channels; c++, x += inputs, y += positions) {
        if (is_global(w)) {
            *y = (float)(sum_of(x, inputs) / (double)inputs);
            continue;
        }
        memset(y, 0, positions * sizeof(float));
        WINDOW_ROWS(w, const size_t count = inner.end - inner.first;
                    const float *from = x + input_row + shift;
                    float *to = y + row + inner.first;
                    if (stride == 1) add_inputs(count, 1, from, to);
                    else if (stride == 2) add_inputs(count, 2, from, to);
                    else add_inputs(count, stride, from, to);)
        for (size_t row = 0; row < w->out[0] * w->out[1]; row++)
            divide_row(w, counts_padding, outer_inputs(w, row), y + row * w->out[2], 0, w->out[2]);
    }
}

// Output rows outside, here, in strips, so that each gradient is divided once.
CLONED void consilium_average_pool_backward(const struct consilium_window *w, size_t channels, bool counts_padding,
                                            const float *dy, float *dx) {
    enum { STRIP = 256 };
    const size_t stride = w->stride[2], inputs = volume(w->in);
    float share[STRIP];
    memset(dx, 0, channels * inputs * sizeof(float));
    for (size_t row = 0, rows = channels * w->out[0] * w->out[1]; row < rows; row++, dy += w->out[2]) {
        const size_t outer_row = row % (w->out[0] * w->out[1]), outer = outer_inputs(w, outer_row);
        float *plane = dx + row / (w->out[0] * w->out[1]) * inputs;
        for (size_t start = 0; start < w->out[2]; start += STRIP) {
            const size_t end = smaller(w->out[2], start + STRIP);
            memcpy(share, dy + start, (end - start) * sizeof(float));
            divide_row(w, counts_padding, outer, share, start, end);
            for (size_t place = 0; place < volume(w->kernel); place++) {
                const size_t at2 = place % w->kernel[2], at1 = place / w->kernel[2] % w->kernel[1];
                const size_t i0 = input_of(w, 0, outer_row / w->out[1], place / w->kernel[2] / w->kernel[1]);
                const size_t i1 = input_of(w, 1, outer_row % w->out[1], at1);
                if (i0 >= w->in[0] || i1 >= w->in[1]) continue;  // in the padding, if need be modulo 2⁶⁴
                const struct range inner = outputs_with_input(w, 2, at2);
                const size_t first = inner.first > start ? inner.first : start, last = smaller(inner.end, end);
                if (first >= last) continue;
                float *to = plane + (i0 * w->in[1] + i1) * w->in[2] + input_of(w, 2, first, at2);
                for (size_t o = first; o < last; o++) to[(o - first) * stride] += share[o - start];
            }
        }
    }
}
