// SPDX-License-Identifier: Apache-2.0
// Float32 steps of optimisers, and averages of parameters.
//
// Every element is computed by itself and nothing is fused, so that a vector may be cut into ranges at will and the
// bits stay the same. Each step first takes d = scale·g + decay·w; a scale of 1 changes no bit. Callers check the shapes.

#ifndef CONSILIUM_KERNELS_UPDATES_H
#define CONSILIUM_KERNELS_UPDATES_H

#include <stdbool.h>
#include <stddef.h>

/// Stochastic gradient descent as PyTorch defines it:
/// v = momentum·v + d; w −= rate·(nesterov ? d + momentum·v : v).
/// `velocity` may be NULL when momentum is zero.
void consilium_sgd_step(size_t count, float *w, const float *g, float *velocity, float scale, float rate,
                        float momentum, bool nesterov, float decay);

/// The constants of one step of Adam, AdamW or LAMB.
struct consilium_adam {
    /// Factor on the gradient.
    float scale;
    /// Added to the gradient as decay·w (Adam).
    float l2_decay;
    /// Factor on w before the step, 1 − rate·decay (AdamW); 1 for Adam.
    float weight_factor;
    /// β and 1 − β, each rounded by itself: 1 − 0.999 taken in float32 would be wrong in the fifth digit.
    float beta1, complement1, beta2, complement2;
    float epsilon;
    /// rate / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ) of this step t.
    float step_size, second_correction;
};

/// m = β₁m + (1−β₁)d; v = β₂v + (1−β₂)d²; w = factor·w − step·m / (√u·correction + ε), where u = v or, where `largest`
/// is not NULL (AMSGrad), u = largest = max(largest, v).
void consilium_adam_step(size_t count, float *w, const float *g, float *m, float *v, float *largest,
                         struct consilium_adam s);

/// LAMB before its step: m and v as for Adam; sums[0] = Σ w² and sums[1] = Σ (r + decay·w)² of these elements, with
/// r = step·m / (√v·correction + ε). `s.step_size` is 1 / (1 − β₁ᵗ), without the rate.
void consilium_lamb_moments(size_t count, const float *w, const float *g, float *m, float *v, struct consilium_adam s,
                            float decay, double *sums);
/// w −= rate·(r + decay·w).
void consilium_lamb_step(size_t count, float *w, const float *m, const float *v, struct consilium_adam s, float decay,
                         float rate);

/// The constants of one step of RMSprop.
struct consilium_rmsprop {
    float scale, l2_decay, rate;
    /// α and 1 − α, each rounded by itself.
    float alpha, complement;
    float momentum, epsilon;
};

/// v = αv + (1−α)d²; u = √v, or, where `mean` is not NULL (centred), mean += (1−α)(d − mean), u = √max(v − mean², 0);
/// w −= rate·d/(u + ε), or, where `velocity` is not NULL, velocity = momentum·velocity + d/(u + ε), w −= rate·velocity.
void consilium_rmsprop_step(size_t count, float *w, const float *g, float *v, float *mean, float *velocity,
                            struct consilium_rmsprop s);

/// Adagrad: sum += d²; w −= rate·d / (√sum + ε).
void consilium_adagrad_step(size_t count, float *w, const float *g, float *sum, float scale, float decay, float rate,
                            float epsilon);

/// y += share·(x − y).
void consilium_move_towards(size_t count, float share, const float *x, float *y);

#endif
