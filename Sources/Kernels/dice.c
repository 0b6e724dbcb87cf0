// SPDX-License-Identifier: Apache-2.0
// Dice losses of one example; the formulas stand in kernels_losses.h.

#include "kernels_losses.h"

#include "loss_parts.h"

// With N = 2·Σ p·t + s and D = Σ p + Σ t + s: the loss 1 − N/D has the slope (N/D − 2·t)/D for p.
struct overlap {
    double both, either;
};
#define NUMERATOR(o) (2.0 * (o).both + (double)s.smoothing)
#define DENOMINATOR(o) ((o).either + (double)s.smoothing)

// p ← softmax of the classes; 0 for ignored positions. Returns the sum of their cross entropies, and how many count.
INLINED double dice_probabilities(size_t classes, size_t positions, const float *z, const float *targets, float *p,
                                  size_t *counted) {
    const struct consilium_cross_entropy plain = {.weight_sum = (double)classes, .scale = 1.0f};
    // dz of the cross entropy is p − [c = t], and 0 where ignored.
    const double loss = consilium_softmax_cross_entropy_planes(classes, positions, z, targets, plain, p);
    *counted = 0;
    for (size_t i = 0; i < positions; i++) *counted += targets[i] >= 0.0f;
    return loss;
}

CLONED double consilium_softmax_dice(size_t classes, size_t positions, const float *z, const float *targets,
                                     struct consilium_dice s, float *dz) {
    float factor[CONSILIUM_DICE_CLASSES], offset[CONSILIUM_DICE_CLASSES];
    size_t counted;
    // dz holds r = p − [c = t] until the last loop.
    const double entropy = dice_probabilities(classes, positions, z, targets, dz, &counted);
    double total = counted > 0 ? (double)s.cross_entropy * entropy / (double)counted : 0.0, dice = 0.0;
    const double share = 1.0 / (double)(classes - s.first_class);
    for (size_t c = 0; c < classes; c++) {
        double16 both = 0.0, either = 0.0;
        SIXTEENS(positions, const float16 t = LOAD_OR(targets + i, -1.0f);
                 const float16 hit = t == (float)c ? (float16)1.0f : (float16)0.0f;
                 const float16 p = LOAD(dz + c * positions + i) + hit; both += DOUBLES(p * hit);
                 either += DOUBLES(p) + DOUBLES(hit););
        const struct overlap o = {SUM_OF_SIXTEEN(both), SUM_OF_SIXTEEN(either)};
        const bool takes_part = c >= s.first_class;
        if (takes_part) dice += share * NUMERATOR(o) / DENOMINATOR(o);
        factor[c] = takes_part ? (float)(-2.0 * share / DENOMINATOR(o)) : 0.0f;
        offset[c] = takes_part ? (float)(share * NUMERATOR(o) / (DENOMINATOR(o) * DENOMINATOR(o))) : 0.0f;
    }
    const float entropy_share = counted > 0 ? s.cross_entropy / (float)counted : 0.0f;
    // dp[c] = factor[c]·[c = t] + offset[c]; dz[c] = p[c]·(dp[c] − Σ p·dp) + λ/n·(p[c] − [c = t])
    SIXTEENS(positions, const float16 t = LOAD_OR(targets + i, -1.0f); float16 mean = 0.0f;
             for (size_t c = 0; c < classes; c++) {
                 const float16 hit = t == (float)c ? (float16)1.0f : (float16)0.0f;
                 mean += (LOAD(dz + c * positions + i) + hit) * (factor[c] * hit + offset[c]);
             } for (size_t c = 0; c < classes; c++) {
                 const float16 hit = t == (float)c ? (float16)1.0f : (float16)0.0f;
                 const float16 r = LOAD(dz + c * positions + i);
                 const float16 d = (r + hit) * (factor[c] * hit + offset[c] - mean) + entropy_share * r;
                 STORE(dz + c * positions + i, t >= 0.0f ? d * s.scale : (float16)0.0f);
             });
    return counted > 0 ? total + (1.0 - dice) : 0.0;
}

CLONED double consilium_sigmoid_dice(size_t positions, const float *z, const float *targets, struct consilium_dice s,
                                     float *dz) {
    const float missing = __builtin_nanf("");
    double16 both = 0.0, either = 0.0, entropies = 0.0, places = 0.0;
    SIXTEENS(positions, const float16 t = LOAD_OR(targets + i, missing);
             const float16 counted = t == t ? (float16)1.0f : (float16)0.0f;
             const float16 y = t == t ? t : (float16)0.0f;
             const float16 x = t == t ? LOAD(z + i) : (float16)0.0f; struct logistic l; logistic_of(&x, &l);
             both += DOUBLES(l.p * y); either += DOUBLES(counted) * (DOUBLES(l.p) + DOUBLES(y));
             entropies += DOUBLES(counted) * (RISING(x) + l.tail - DOUBLES(y) * DOUBLES(x));
             places += DOUBLES(counted););
    const struct overlap o = {SUM_OF_SIXTEEN(both), SUM_OF_SIXTEEN(either)};
    const double count = SUM_OF_SIXTEEN(places);
    const float factor = (float)(-2.0 / DENOMINATOR(o));
    const float offset = (float)(NUMERATOR(o) / (DENOMINATOR(o) * DENOMINATOR(o)));
    const float entropy_share = count > 0.0 ? s.cross_entropy / (float)count : 0.0f;
    // dz = p·(1−p)·(factor·t + offset) + λ/n·(p − t)
    SIXTEENS(positions, const float16 t = LOAD_OR(targets + i, missing); const float16 x = LOAD(z + i);
             struct logistic l; logistic_of(&x, &l);
             const float16 d = l.p * l.q * (factor * t + offset) + entropy_share * (l.p - t);
             STORE(dz + i, t == t ? d * s.scale : (float16)0.0f););
    if (count == 0.0) return 0.0;
    return 1.0 - NUMERATOR(o) / DENOMINATOR(o) + (double)s.cross_entropy * SUM_OF_SIXTEEN(entropies) / count;
}
