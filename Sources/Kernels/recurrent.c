// SPDX-License-Identifier: Apache-2.0
// Gates of LSTM and GRU cells, forward and backward, one step of time; the formulas stand in kernels_layers.h.
//
// In every loop all of an element's inputs are read before anything of it is written: outputs may take the place of
// inputs of the same shape.

#include "inlined.h"
#include "kernels_layers.h"

INLINED void keep_row(size_t width, const float *from, float *to) {
    if (from != to) memcpy(to, from, width * sizeof(float));
}

CLONED void consilium_lstm_gates(size_t rows, size_t width, float *gates, const float *c_before, const float *h_before,
                                 const uint8_t *is_live, float *c, float *tanh_c, float *h) {
    for (size_t row = 0; row < rows; row++) {
        float *i_gate = gates + 4 * row * width, *f_gate = i_gate + width, *g_gate = f_gate + width;
        float *o_gate = g_gate + width;
        const size_t at = row * width;
        if (is_live && !is_live[row]) {
            keep_row(width, c_before + at, c + at), keep_row(width, h_before + at, h + at);
            memset(tanh_c + at, 0, width * sizeof(float));
            continue;
        }
        SIXTEENS(width, const float16 input = SIGMOID(LOAD(i_gate + i));
                 const float16 forget = SIGMOID(LOAD(f_gate + i));
                 const float16 cell = HYPERBOLIC_TANGENT(LOAD(g_gate + i));
                 const float16 output = SIGMOID(LOAD(o_gate + i));
                 const float16 next = forget * LOAD(c_before + at + i) + input * cell;
                 const float16 squashed = HYPERBOLIC_TANGENT(next);
                 STORE(i_gate + i, input); STORE(f_gate + i, forget); STORE(g_gate + i, cell);
                 STORE(o_gate + i, output); STORE(c + at + i, next); STORE(tanh_c + at + i, squashed);
                 STORE(h + at + i, output * squashed););
    }
}

CLONED void consilium_lstm_gates_backward(size_t rows, size_t width, const float *gates, const float *c_before,
                                          const float *tanh_c, const uint8_t *is_live, float *dh, float *dc,
                                          float *dgates) {
    for (size_t row = 0; row < rows; row++) {
        const float *i_gate = gates + 4 * row * width, *f_gate = i_gate + width, *g_gate = f_gate + width;
        const float *o_gate = g_gate + width;
        float *di = dgates + 4 * row * width, *df = di + width, *dg = df + width, *d_o = dg + width;
        const size_t at = row * width;
        if (is_live && !is_live[row]) {
            memset(di, 0, 4 * width * sizeof(float));
            continue;
        }
        SIXTEENS(width, const float16 input = LOAD(i_gate + i); const float16 forget = LOAD(f_gate + i);
                 const float16 cell = LOAD(g_gate + i); const float16 output = LOAD(o_gate + i);
                 const float16 squashed = LOAD(tanh_c + at + i); const float16 before = LOAD(c_before + at + i);
                 const float16 d = LOAD(dh + at + i);
                 const float16 dnext = LOAD(dc + at + i) + d * output * (1.0f - squashed * squashed);
                 STORE(di + i, dnext * cell * (input * (1.0f - input)));
                 STORE(df + i, dnext * before * (forget * (1.0f - forget)));
                 STORE(dg + i, dnext * input * (1.0f - cell * cell));
                 STORE(d_o + i, d * squashed * (output * (1.0f - output)));
                 STORE(dc + at + i, dnext * forget); STORE(dh + at + i, (float16)0.0f););
    }
}

CLONED void consilium_gru_gates(size_t rows, size_t width, float *input, const float *hidden, const float *h_before,
                                const uint8_t *is_live, float *h) {
    for (size_t row = 0; row < rows; row++) {
        float *r_gate = input + 3 * row * width, *z_gate = r_gate + width, *n_gate = z_gate + width;
        const float *r_hidden = hidden + 3 * row * width, *z_hidden = r_hidden + width, *n_hidden = z_hidden + width;
        const size_t at = row * width;
        if (is_live && !is_live[row]) {
            keep_row(width, h_before + at, h + at);
            continue;
        }
        SIXTEENS(width, const float16 reset = SIGMOID(LOAD(r_gate + i) + LOAD(r_hidden + i));
                 const float16 update = SIGMOID(LOAD(z_gate + i) + LOAD(z_hidden + i));
                 const float16 fresh = HYPERBOLIC_TANGENT(LOAD(n_gate + i) + reset * LOAD(n_hidden + i));
                 const float16 next = (1.0f - update) * fresh + update * LOAD(h_before + at + i);
                 STORE(r_gate + i, reset); STORE(z_gate + i, update); STORE(n_gate + i, fresh);
                 STORE(h + at + i, next););
    }
}

CLONED void consilium_gru_gates_backward(size_t rows, size_t width, const float *gates, const float *hidden_new,
                                         size_t hidden_stride, const float *h_before, const uint8_t *is_live,
                                         float *dh, float *dinput, float *dhidden) {
    for (size_t row = 0; row < rows; row++) {
        const float *r_gate = gates + 3 * row * width, *z_gate = r_gate + width, *n_gate = z_gate + width;
        const float *n_hidden = hidden_new + row * hidden_stride;
        float *to_input = dinput + 3 * row * width, *to_hidden = dhidden + 3 * row * width;
        const size_t at = row * width;
        if (is_live && !is_live[row]) {
            memset(to_input, 0, 3 * width * sizeof(float)), memset(to_hidden, 0, 3 * width * sizeof(float));
            continue;
        }
        SIXTEENS(width, const float16 reset = LOAD(r_gate + i); const float16 update = LOAD(z_gate + i);
                 const float16 fresh = LOAD(n_gate + i); const float16 recurrent = LOAD(n_hidden + i);
                 const float16 before = LOAD(h_before + at + i); const float16 d = LOAD(dh + at + i);
                 const float16 dnew = d * (1.0f - update) * (1.0f - fresh * fresh);
                 const float16 dreset = dnew * recurrent * (reset * (1.0f - reset));
                 const float16 dupdate = d * (before - fresh) * (update * (1.0f - update));
                 STORE(to_input + i, dreset); STORE(to_input + width + i, dupdate);
                 STORE(to_input + 2 * width + i, dnew); STORE(to_hidden + i, dreset);
                 STORE(to_hidden + width + i, dupdate); STORE(to_hidden + 2 * width + i, reset * dnew);
                 STORE(dh + at + i, d * update););
    }
}
