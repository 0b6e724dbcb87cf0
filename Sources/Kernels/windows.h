// SPDX-License-Identifier: Apache-2.0
// Where the windows of convolutions and poolings lie.

#ifndef CONSILIUM_WINDOWS_H
#define CONSILIUM_WINDOWS_H

#include "inlined.h"
#include "kernels_spatial.h"

struct range {
    size_t first, end;
};

// The output positions along one dimension whose input `at` places into the window exists, padding left out.
INLINED struct range outputs_with_input(const struct consilium_window *w, int dimension, size_t at) {
    const size_t offset = at * w->dilation[dimension], pad = w->pad[dimension], stride = w->stride[dimension];
    const size_t out = w->out[dimension], beyond = w->in[dimension] + pad;  // o·stride + offset in pad ..< beyond
    const size_t first = offset >= pad ? 0 : smaller((pad - offset + stride - 1) / stride, out);
    const size_t end = offset >= beyond ? 0 : smaller((beyond - offset - 1) / stride + 1, out);
    return (struct range){first, end > first ? end : first};
}

// The input position, for an output of that range.
INLINED size_t input_of(const struct consilium_window *w, int dimension, size_t output, size_t at) {
    return output * w->stride[dimension] + at * w->dilation[dimension] - w->pad[dimension];
}

INLINED size_t volume(const size_t size[3]) { return size[0] * size[1] * size[2]; }

// Runs the statements for every place of the window and every pair of outer output positions it has inputs for:
// `inner` are the outputs of an innermost row that have an input at the place; `row` and `input_row` number the first
// element of the output's and the input's row, and input_row + shift is the input of output row + inner.first.
#define WINDOW_ROWS(w, ...)                                                                                            \
    for (size_t place = 0, at0 = 0; at0 < (w)->kernel[0]; at0++)                                                       \
        for (size_t at1 = 0; at1 < (w)->kernel[1]; at1++)                                                              \
            for (size_t at2 = 0; at2 < (w)->kernel[2]; at2++, place++) {                                               \
                const struct range r0 = outputs_with_input((w), 0, at0), r1 = outputs_with_input((w), 1, at1);         \
                const struct range inner = outputs_with_input((w), 2, at2);                                            \
                if (inner.first == inner.end) continue;                                                                \
                const size_t shift = input_of((w), 2, inner.first, at2);                                               \
                for (size_t o0 = r0.first; o0 < r0.end; o0++)                                                          \
                    for (size_t o1 = r1.first; o1 < r1.end; o1++) {                                                    \
                        const size_t row = (o0 * (w)->out[1] + o1) * (w)->out[2];                                      \
                        const size_t input_row = (input_of((w), 0, o0, at0) * (w)->in[1] +                             \
                                                  input_of((w), 1, o1, at1)) * (w)->in[2];                             \
                        __VA_ARGS__                                                                                    \
                    }                                                                                                  \
            }

#endif
