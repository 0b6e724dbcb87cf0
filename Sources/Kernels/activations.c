// SPDX-License-Identifier: Apache-2.0
// Activations of any layer, forward and backward; kinds and formulas stand in kernels_layers.h.

#include "inlined.h"
#include "kernels_layers.h"

// Φ(−|x|) = t·P(t)·e, with e = e^(−x²/2) and t = 1/(1 + 0.21·|x|). The form is Hastings' (Abramowitz and Stegun,
// 7.1.26); the nine coefficients are fitted anew to the relative error, which is 1.6e-8 for |x| up to 14, so that the
// small values keep their digits too. In float32 rounding adds 2e-7, and x²/2 units of it far out.
INLINED void normal_tail(const float16 *x, float16 *tail, float16 *e) {
    *e = EXPONENTIAL(-0.5f * *x * *x);
    const float16 t = 1.0f / (1.0f + 0.21f * __builtin_elementwise_abs(*x));
    float16 p = -0.07165554945201602f;
    p = p * t + 0.2835848101795428f;
    p = p * t - 0.3302454550083153f;
    p = p * t + 0.3493916909386557f;
    p = p * t - 0.09391854741686416f;
    p = p * t + 0.12486976698060345f;
    p = p * t + 0.0691929689445816f;
    p = p * t + 0.08506873836140819f;
    p = p * t + 0.0837115832584331f;
    *tail = p * t * *e;
}

// x·Φ(x).
INLINED void gelu(float16 *x) {
    float16 tail, e;
    normal_tail(x, &tail, &e);
    *x = *x * (*x < 0.0f ? tail : 1.0f - tail);
}

// Φ(x) + x·φ(x).
INLINED void gelu_slope(float16 *x) {
    float16 tail, e;
    normal_tail(x, &tail, &e);
    *x = (*x < 0.0f ? tail : 1.0f - tail) + *x * (0.3989422804014327f * e);
}

// ½·x·(1 + tanh u) = x·σ(2u) with u = √(2/π)·(x + 0.044715·x³).
INLINED void gelu_tanh(float16 *x) {
    const float16 s = *x * *x;
    *x = *x * SIGMOID(1.5957691216057308f * *x * (1.0f + 0.044715f * s));
}

INLINED void gelu_tanh_slope(float16 *x) {
    const float16 s = *x * *x;
    const float16 share = SIGMOID(1.5957691216057308f * *x * (1.0f + 0.044715f * s));
    *x = share + *x * share * (1.0f - share) * (1.5957691216057308f * (1.0f + 0.134145f * s));
}

INLINED void silu_slope(float16 *x) {
    const float16 share = SIGMOID(*x);
    *x = share * (1.0f + *x * (1.0f - share));
}

// eˣ − 1 for x ≤ 0, where q alone is left when the power of two is 1, so that nothing cancels.
INLINED void exponential_less_one(float16 *x) {
    float16 q, scale;
    exponential_parts(x, &q, &scale);
    *x = q * scale + (scale - 1.0f);
}

CLONED void consilium_activate(int kind, float parameter, size_t count, const float *x, float *y) {
#define EACH(...) SIXTEENS(count, const float16 v = LOAD(x + i); STORE(y + i, __VA_ARGS__);)
    switch (kind) {
    case CONSILIUM_RELU: EACH(v < 0.0f ? (float16)0.0f : v); break;
    case CONSILIUM_LEAKY_RELU: EACH(v > 0.0f ? v : v * parameter); break;
    case CONSILIUM_ELU: EACH(v > 0.0f ? v : parameter * APPLY(exponential_less_one, v)); break;
    case CONSILIUM_GELU: EACH(APPLY(gelu, v)); break;
    case CONSILIUM_GELU_TANH: EACH(APPLY(gelu_tanh, v)); break;
    case CONSILIUM_SILU: EACH(v * SIGMOID(v)); break;
    case CONSILIUM_TANH: EACH(HYPERBOLIC_TANGENT(v)); break;
    case CONSILIUM_SIGMOID: EACH(SIGMOID(v)); break;
    default:
        if (x != y) memmove(y, x, count * sizeof(float));
    }
#undef EACH
}

CLONED void consilium_activate_backward(int kind, float parameter, size_t count, const float *v, const float *dy,
                                        float *dx) {
#define EACH(...)                                                                                                      \
    SIXTEENS(count, const float16 w = LOAD(v + i); const float16 d = LOAD(dy + i); STORE(dx + i, __VA_ARGS__);)
    switch (kind) {
    case CONSILIUM_RELU: EACH(w > 0.0f ? d : (float16)0.0f); break;
    case CONSILIUM_LEAKY_RELU: EACH(w > 0.0f ? d : d * parameter); break;
    case CONSILIUM_ELU: EACH(w > 0.0f ? d : d * (w + parameter)); break;
    case CONSILIUM_GELU: EACH(d * APPLY(gelu_slope, w)); break;
    case CONSILIUM_GELU_TANH: EACH(d * APPLY(gelu_tanh_slope, w)); break;
    case CONSILIUM_SILU: EACH(d * APPLY(silu_slope, w)); break;
    case CONSILIUM_TANH: EACH(d * (1.0f - w * w)); break;
    case CONSILIUM_SIGMOID: EACH(d * (w * (1.0f - w))); break;
    default:
        if (dy != dx) memmove(dx, dy, count * sizeof(float));
    }
#undef EACH
}
