// SPDX-License-Identifier: Apache-2.0
// Float32 loops of losses: each returns the sum of the losses in double, and overwrites dz with scale·∂Σ/∂z.
//
// Every loop is compiled for AVX-512, AVX2 and baseline x86-64 and chosen when the program starts; sums are always
// taken in the same order, so the results are the same bits on every machine. An ignored target has no loss and a gradient of
// zero, whatever z and scale are. Callers check the shapes and the targets.

#ifndef CONSILIUM_KERNELS_LOSSES_H
#define CONSILIUM_KERNELS_LOSSES_H

#include <stdbool.h>
#include <stddef.h>

/// The options of a softmax cross entropy over K classes.
struct consilium_cross_entropy {
    /// A weight w for each class; NULL: all are 1.
    const float *weights;
    /// W = Σ w.
    double weight_sum;
    /// ε: the loss is (1−ε)·w[t]·l[t] + ε/K·Σ w[c]·l[c], with l[c] = −log softmax(z)[c].
    float smoothing;
    /// γ: the loss is w[t]·(1−p)^γ·l[t], with p = softmax(z)[t]; 0 where smoothing is not.
    float gamma;
    float scale;
};

/// Rows z [rows, columns], one class per row in `targets` [rows]; a negative one is ignored.
double consilium_softmax_cross_entropy(size_t rows, size_t columns, const float *z, const float *targets,
                                       struct consilium_cross_entropy s, float *dz);

/// The same with classes as planes: z [classes, positions], one class per position in `targets` [positions].
double consilium_softmax_cross_entropy_planes(size_t classes, size_t positions, const float *z, const float *targets,
                                              struct consilium_cross_entropy s, float *dz);

/// In place, z [classes, positions]: softmax over the classes of each position.
void consilium_softmax_planes(size_t classes, size_t positions, float *z);

/// Σ m^γ·(w·t·log(1+e⁻ᶻ) + (1−t)·log(1+eᶻ)) with p = 1/(1+e⁻ᶻ), m = p·(1−t) + (1−p)·t, for targets t in 0…1; a NaN is
/// ignored. With w = 1 and γ = 0: the cross entropy log(1+eᶻ) − t·z.
double consilium_sigmoid_cross_entropy(size_t count, const float *z, const float *targets, float positive_weight,
                                       float gamma, float scale, float *dz);

/// Rows z [rows, intervals] of hazard logits, targets [rows, 2] of an interval k and an event e, 0 or 1:
/// Σ over i < k of log(1+e^z[i]), and log(1+e^−z[k]) where e is 1.
double consilium_discrete_survival(size_t rows, size_t intervals, const float *z, const float *targets, float scale,
                                   float *dz);

/// What `consilium_regression_loss` sums, with d = z − t.
enum consilium_regression {
    CONSILIUM_SQUARED = 0,  // d²
    CONSILIUM_ABSOLUTE,     // |d|, slope 0 at 0
    CONSILIUM_HUBER,        // d²/2 to |d| = δ = `parameter`, then δ·(|d| − δ/2)
    CONSILIUM_POISSON,      // eᶻ − t·z
};
double consilium_regression_loss(int kind, float parameter, size_t count, const float *z, const float *targets,
                                 float scale, float *dz);

/// The options of a Dice loss.
struct consilium_dice {
    /// s, positive: added to numerator and denominator.
    float smoothing;
    /// λ: λ times the mean cross entropy of the positions is added.
    float cross_entropy;
    /// Classes below this one have no Dice term: 1 leaves out a background.
    size_t first_class;
    float scale;
};
enum { CONSILIUM_DICE_CLASSES = 256 };

/// One example: 1 − the mean over classes of (2·Σ p·t + s)/(Σ p + Σ t + s), sums over the positions.
/// z [classes, positions] with 2 to 256 classes, p = softmax over classes, one class per position in `targets`; a
/// negative one is ignored.
double consilium_softmax_dice(size_t classes, size_t positions, const float *z, const float *targets,
                              struct consilium_dice s, float *dz);
/// The same for one class: p = 1/(1+e⁻ᶻ), targets t in 0…1; a NaN is ignored.
double consilium_sigmoid_dice(size_t positions, const float *z, const float *targets, struct consilium_dice s,
                              float *dz);

/// z ← eᶻ.
void consilium_exponential(size_t count, float *z);

#endif
