// SPDX-License-Identifier: Apache-2.0
// Losses of values one by one: sigmoid cross entropy, survival, regression; the formulas stand in kernels_losses.h.

#include "kernels_losses.h"

#include "loss_parts.h"

// ---- logistic ----------------------------------------------------------------------------------------------------

// The loss of one z and its derivative, where neither z nor t is a NaN that counts.
INLINED void sigmoid_term(const float16 *z, const float16 *t, float weight, float gamma, double16 *loss,
                          float16 *slope) {
    struct logistic l;
    logistic_of(z, &l);
    const float16 ones = 1.0f;
    if (weight == 1.0f) {
        // max(0, z) + log(1 + e^−|z|) − t·z
        *loss = RISING(*z) + l.tail - DOUBLES(*t) * DOUBLES(*z);
        *slope = l.p - *t;
    } else {
        *loss = DOUBLES(weight * *t) * (FALLING(*z) + l.tail) + DOUBLES(ones - *t) * (RISING(*z) + l.tail);
        *slope = (ones - *t) * l.p - weight * *t * l.q;
    }
    if (gamma == 0.0f) return;
    // c the cross entropy: loss = m^γ·c; slope = m^γ·(c′ + γ·c·m′/m) with m′ = p·q·(1 − 2t)
    const float16 m = l.p * (ones - *t) + l.q * *t;
    float16 factor = m;
    power_of(&factor, gamma);
    const float16 share = factor > 0.0f ? l.p * l.q * (ones - 2.0f * *t) / m : (float16)0.0f;
    *slope = factor * (*slope + gamma * FLOATS(*loss) * share);
    *loss *= DOUBLES(factor);
}

CLONED double consilium_sigmoid_cross_entropy(size_t count, const float *z, const float *targets, float positive_weight,
                                              float gamma, float scale, float *dz) {
    const float missing = __builtin_nanf("");
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        double16 sum = 0.0;
        SIXTEENS(length, const float16 t = LOAD_OR(targets + start + i, missing);
                 const float16 counted = t == t ? (float16)1.0f : (float16)0.0f;
                 const float16 x = t == t ? LOAD(z + start + i) : (float16)0.0f;
                 const float16 y = t == t ? t : (float16)0.0f; double16 loss; float16 slope;
                 sigmoid_term(&x, &y, positive_weight, gamma, &loss, &slope); sum += loss * DOUBLES(counted);
                 STORE(dz + start + i, t == t ? slope * scale : (float16)0.0f););
        total += SUM_OF_SIXTEEN(sum);
    }
    return total;
}

// A logit of −100 for a missing lane adds nothing: e^−100 is 0 in these loops.
static const float NOTHING = -100.0f;

CLONED double consilium_discrete_survival(size_t rows, size_t intervals, const float *z, const float *targets,
                                          float scale, float *dz) {
    double total = 0.0;
    memset(dz, 0, rows * intervals * sizeof(float));
    for (size_t row = 0; row < rows; row++, z += intervals, dz += intervals, targets += 2) {
        const size_t interval = (size_t)targets[0];
        const bool has_event = targets[1] > 0.0f;
        const size_t length = interval + (has_event ? 1 : 0);
        double16 sum = 0.0;
        SIXTEENS(length, const float16 x = LOAD_OR(z + i, NOTHING); struct logistic l; logistic_of(&x, &l);
                 sum += RISING(x) + l.tail; STORE(dz + i, l.p * scale););
        total += SUM_OF_SIXTEEN(sum);
        if (!has_event) continue;
        // log(1+e⁻ᶻ) = log(1+eᶻ) − z, with the slope −1/(1+eᶻ)
        const float16 x = -z[interval];
        struct logistic l;
        logistic_of(&x, &l);
        total -= (double)z[interval];
        dz[interval] = -l.p.x * scale;
    }
    return total;
}

// ---- regression --------------------------------------------------------------------------------------------------

// Σ of `loss` over the elements, with the statements before it in scope; dz = `slope`.
#define REGRESSION(missing_z, loss, slope, ...)                                                                        \
    SUM_BLOCKS(count, start, length) {                                                                                 \
        double16 sum = 0.0;                                                                                            \
        SIXTEENS(length, const float16 x = LOAD_OR(z + start + i, missing_z);                                          \
                 const float16 t = LOAD(targets + start + i); __VA_ARGS__ sum += (loss);                               \
                 STORE(dz + start + i, slope););                                                                       \
        total += SUM_OF_SIXTEEN(sum);                                                                                  \
    }

CLONED double consilium_regression_loss(int kind, float parameter, size_t count, const float *z, const float *targets,
                                        float scale, float *dz) {
    double total = 0.0;
    switch (kind) {
    case CONSILIUM_SQUARED:
        REGRESSION(0.0f, DOUBLES(d) * DOUBLES(d), d * (2.0f * scale), const float16 d = x - t;)
        break;
    case CONSILIUM_ABSOLUTE:
        REGRESSION(0.0f, DOUBLES(__builtin_elementwise_abs(d)),
                   d > 0.0f ? (float16)scale : d < 0.0f ? (float16)-scale : d * scale, const float16 d = x - t;)
        break;
    case CONSILIUM_HUBER:
        // c the difference cut off at δ: loss = c·(d − c/2)
        REGRESSION(0.0f, DOUBLES(c) * (DOUBLES(d) - 0.5 * DOUBLES(c)), c * scale, const float16 d = x - t;
                   const float16 above = d > parameter ? (float16)parameter : d;
                   const float16 c = above < -parameter ? (float16)-parameter : above;)
        break;
    default:
        REGRESSION(NOTHING, DOUBLES(rate) - DOUBLES(t) * DOUBLES(x), (rate - t) * scale,
                   const float16 rate = EXPONENTIAL(x);)
    }
    return total;
}

CLONED void consilium_exponential(size_t count, float *z) {
    SIXTEENS(count, STORE(z + i, EXPONENTIAL(LOAD(z + i))););
}
