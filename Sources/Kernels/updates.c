// SPDX-License-Identifier: Apache-2.0
// Float32 steps of optimisers; the formulas stand in kernels_updates.h, plain Swift oracles in the tests.

#include "kernels_updates.h"

#include "inlined.h"

#define SQUARE_ROOT(x) __builtin_elementwise_sqrt(x)

CLONED void consilium_sgd_step(size_t count, float *restrict w, const float *restrict g, float *restrict velocity,
                               float scale, float rate, float momentum, bool nesterov, float decay) {
    if (velocity == NULL) {
        for (size_t i = 0; i < count; i++) w[i] -= rate * (scale * g[i] + decay * w[i]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const float d = scale * g[i] + decay * w[i];
        velocity[i] = momentum * velocity[i] + d;
        w[i] -= rate * (nesterov ? d + momentum * velocity[i] : velocity[i]);
    }
}

INLINED void update_moments(float d, float *m, float *v, const struct consilium_adam *s) {
    *m = s->beta1 * *m + s->complement1 * d;
    *v = s->beta2 * *v + s->complement2 * d * d;
}

CLONED void consilium_adam_step(size_t count, float *restrict w, const float *restrict g, float *restrict m,
                                float *restrict v, float *restrict largest, struct consilium_adam s) {
    if (largest == NULL) {
        for (size_t i = 0; i < count; i++) {
            update_moments(s.scale * g[i] + s.l2_decay * w[i], &m[i], &v[i], &s);
            const float root = SQUARE_ROOT(v[i]) * s.second_correction + s.epsilon;
            w[i] = s.weight_factor * w[i] - s.step_size * m[i] / root;
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        update_moments(s.scale * g[i] + s.l2_decay * w[i], &m[i], &v[i], &s);
        largest[i] = largest[i] > v[i] ? largest[i] : v[i];  // a NaN of v stays
        const float root = SQUARE_ROOT(largest[i]) * s.second_correction + s.epsilon;
        w[i] = s.weight_factor * w[i] - s.step_size * m[i] / root;
    }
}

// Missing lanes are zero: so are their moments and, as ε is positive, what they add.
CLONED void consilium_lamb_moments(size_t count, const float *restrict w, const float *restrict g, float *restrict m,
                                   float *restrict v, struct consilium_adam s, float decay, double *restrict sums) {
    sums[0] = 0.0, sums[1] = 0.0;
    SUM_BLOCKS(count, start, length) {
        double16 weights = 0.0, steps = 0.0;
        SIXTEENS(length, const size_t p = start + i; const float16 old = LOAD(w + p);
                 const float16 d = s.scale * LOAD(g + p);
                 const float16 first = s.beta1 * LOAD(m + p) + s.complement1 * d;
                 const float16 second = s.beta2 * LOAD(v + p) + s.complement2 * d * d; STORE(m + p, first);
                 STORE(v + p, second);
                 const float16 r = s.step_size * first / (SQUARE_ROOT(second) * s.second_correction + s.epsilon);
                 const double16 step = __builtin_convertvector(r + decay * old, double16);
                 const double16 weight = __builtin_convertvector(old, double16); weights += weight * weight;
                 steps += step * step;);
        sums[0] += SUM_OF_SIXTEEN(weights);
        sums[1] += SUM_OF_SIXTEEN(steps);
    }
}

CLONED void consilium_lamb_step(size_t count, float *restrict w, const float *restrict m, const float *restrict v,
                                struct consilium_adam s, float decay, float rate) {
    for (size_t i = 0; i < count; i++) {
        const float r = s.step_size * m[i] / (SQUARE_ROOT(v[i]) * s.second_correction + s.epsilon);
        w[i] -= rate * (r + decay * w[i]);
    }
}

// One loop for each combination of what is kept; the flags are constants where it is inlined.
INLINED void rmsprop(size_t count, float *restrict w, const float *restrict g, float *restrict v, float *restrict mean,
                     float *restrict velocity, const struct consilium_rmsprop s, bool is_centered, bool has_velocity) {
    for (size_t i = 0; i < count; i++) {
        const float d = s.scale * g[i] + s.l2_decay * w[i];
        v[i] = s.alpha * v[i] + s.complement * d * d;
        float square = v[i];
        if (is_centered) {
            mean[i] += s.complement * (d - mean[i]);
            square -= mean[i] * mean[i];
            square = square < 0.0f ? 0.0f : square;  // by rounding
        }
        const float ratio = d / (SQUARE_ROOT(square) + s.epsilon);
        if (has_velocity) velocity[i] = s.momentum * velocity[i] + ratio;
        w[i] -= s.rate * (has_velocity ? velocity[i] : ratio);
    }
}

CLONED void consilium_rmsprop_step(size_t count, float *w, const float *g, float *v, float *mean, float *velocity,
                                   struct consilium_rmsprop s) {
    if (mean == NULL && velocity == NULL)
        rmsprop(count, w, g, v, NULL, NULL, s, false, false);
    else if (mean == NULL)
        rmsprop(count, w, g, v, NULL, velocity, s, false, true);
    else if (velocity == NULL)
        rmsprop(count, w, g, v, mean, NULL, s, true, false);
    else
        rmsprop(count, w, g, v, mean, velocity, s, true, true);
}

CLONED void consilium_adagrad_step(size_t count, float *restrict w, const float *restrict g, float *restrict sum,
                                   float scale, float decay, float rate, float epsilon) {
    for (size_t i = 0; i < count; i++) {
        const float d = scale * g[i] + decay * w[i];
        sum[i] += d * d;
        w[i] -= rate * d / (SQUARE_ROOT(sum[i]) + epsilon);
    }
}

CLONED void consilium_move_towards(size_t count, float share, const float *restrict x, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] += share * (x[i] - y[i]);
}
