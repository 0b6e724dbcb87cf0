// SPDX-License-Identifier: Apache-2.0
// Softmax cross entropy over rows and over planes, and Dice losses; the formulas stand in kernels_losses.h.

#include "kernels_losses.h"

#include "loss_parts.h"
#include "softmax.h"

// What a row, or each of sixteen positions, multiplies: dz[c] = scale·factor·(p[c] − hit·[c = t] − share·w[c]).
struct slope {
    float16 factor, hit, share;
};

// From l = −log p of the target, p, the rest 1 − p and the weight of the target: the loss but for the smoothed part,
// and the factors of the gradient.
INLINED void cross_entropy_terms(const double16 *l, const float16 *p, const float16 *rest, const float16 *weight,
                                 const struct consilium_cross_entropy *s, size_t classes, double16 *loss,
                                 struct slope *slope) {
    const float keep = 1.0f - s->smoothing, spread = s->smoothing / (float)classes;
    // A = (1−ε)·w[t] + ε/K·W, hit = (1−ε)·w[t]/A, share = ε/K/A
    slope->factor = keep * *weight + spread * (float)s->weight_sum;
    const float16 inverse = slope->factor > 0.0f ? 1.0f / slope->factor : (float16)0.0f;
    slope->hit = s->smoothing == 0.0f ? (float16)1.0f : keep * *weight * inverse;
    slope->share = spread * inverse;
    *loss = DOUBLES(keep * *weight) * *l;
    if (s->gamma == 0.0f) return;
    // f = (1−p)^γ: loss = w·f·l; ∂(f·l)/∂l = f·(1 + γ·l·p/(1−p))
    float16 f = *rest;
    power_of(&f, s->gamma);
    const float16 focus = f > 0.0f ? f * (1.0f + s->gamma * FLOATS(*l) * *p / *rest) : (float16)0.0f;
    slope->factor *= focus;
    *loss *= DOUBLES(f);
}

// ---- rows --------------------------------------------------------------------------------------------------------

// A group of rows on its way: one lane each.
struct group {
    float largest[GROUP_ROWS], picked[GROUP_ROWS];
    double sum[GROUP_ROWS];
};

// Below a vector's width: exponentials of all rows at once, sums in order.
INLINED void narrow_exponentials(size_t rows, size_t columns, const float *z, float *e, struct group *g) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = z + r * columns;
        float largest = x[0];
        for (size_t j = 1; j < columns; j++) largest = x[j] > largest ? x[j] : largest;
        for (size_t j = 0; j < columns; j++) e[r * columns + j] = x[j] - largest;
        g->largest[r] = largest;
    }
    SIXTEENS(rows * columns, STORE(e + i, EXPONENTIAL(LOAD(e + i))););
    for (size_t r = 0; r < rows; r++) {
        float sum = 0.0f;
        for (size_t j = 0; j < columns; j++) sum += e[r * columns + j];
        g->sum[r] = (double)sum;
    }
}

INLINED void wide_exponentials(size_t rows, size_t columns, const float *z, const float *targets, float *e,
                               struct group *g) {
    for (size_t r = 0; r < rows; r++)
        g->largest[r] = targets[r] < 0.0f ? 0.0f : largest_of(1.0f, z + r * columns, columns);
    for (size_t r = 0; r < rows; r++)
        if (targets[r] >= 0.0f)
            g->sum[r] = exponentials(1.0f, g->largest[r], z + r * columns, columns, e + r * columns);
}

// dz from the exponentials of one row.
INLINED void row_slope(size_t columns, size_t target, float factor, float hit, float share, float inverse,
                       const float *weights, float *dz) {
    const float at_target = factor * (dz[target] * inverse - hit - share * (weights ? weights[target] : 1.0f));
    if (weights)
        SIXTEENS(columns, STORE(dz + i, factor * (LOAD(dz + i) * inverse - share * LOAD(weights + i))););
    else
        SIXTEENS(columns, STORE(dz + i, factor * (LOAD(dz + i) * inverse - share)););
    dz[target] = at_target;
}

// Σ w[c]·l[c] over the classes, with l[c] = log_sum − z[c].
INLINED double smoothed_loss(size_t columns, double log_sum, const float *z, const struct consilium_cross_entropy *s) {
    const double picked = s->weights ? sum_of_products(s->weights, z, columns) : sum_of(z, columns);
    return (double)(s->smoothing / (float)columns) * (s->weight_sum * log_sum - picked);
}

CLONED double consilium_softmax_cross_entropy(size_t rows, size_t columns, const float *z, const float *targets,
                                              struct consilium_cross_entropy s, float *dz) {
    double total = 0.0;
    struct group g;
    for (size_t rows_here; rows > 0; rows -= rows_here, z += rows_here * columns, dz += rows_here * columns,
                                     targets += rows_here) {
        rows_here = group_of(rows, columns);
        for (size_t r = 0; r < GROUP_ROWS; r++) g.sum[r] = 1.0, g.largest[r] = 0.0f, g.picked[r] = 1.0f;
        if (columns < 16)
            narrow_exponentials(rows_here, columns, z, dz, &g);
        else
            wide_exponentials(rows_here, columns, z, targets, dz, &g);
        float16 logit = 0.0f, weight = 1.0f;
        for (size_t r = 0; r < rows_here; r++) {
            if (targets[r] < 0.0f) continue;
            const size_t target = (size_t)targets[r];
            logit[r] = z[r * columns + target];
            g.picked[r] = dz[r * columns + target];
            if (s.weights) weight[r] = s.weights[target];
        }
        double16 sum;
        float16 largest, picked;
        memcpy(&sum, g.sum, sizeof sum), memcpy(&largest, g.largest, sizeof largest);
        memcpy(&picked, g.picked, sizeof picked);
        const double16 log_sum = DOUBLES(largest) + NATURAL_LOGARITHM(sum), l = log_sum - DOUBLES(logit);
        const float16 p = FLOATS(DOUBLES(picked) / sum), rest = FLOATS((sum - DOUBLES(picked)) / sum);
        const float16 inverse = FLOATS(1.0 / sum);
        double16 loss;
        struct slope slope;
        cross_entropy_terms(&l, &p, &rest, &weight, &s, columns, &loss, &slope);
        const float16 factor = slope.factor * s.scale;
        for (size_t r = 0; r < rows_here; r++) {
            float *row = dz + r * columns;
            if (targets[r] < 0.0f) {
                memset(row, 0, columns * sizeof(float));
                continue;
            }
            total += loss[r];
            if (s.smoothing != 0.0f) total += smoothed_loss(columns, log_sum[r], z + r * columns, &s);
            row_slope(columns, (size_t)targets[r], factor[r], slope.hit[r], slope.share[r], inverse[r], s.weights, row);
        }
    }
    return total;
}

// ---- planes ------------------------------------------------------------------------------------------------------

// Sixteen positions of z [classes, positions] whose first is at `z`, n of them there.
struct planes {
    size_t classes, positions, n;
};

// e[c] = e^(z[c] − largest) for each class; returns the largest logits and the sums.
INLINED void plane_exponentials(struct planes shape, const float *z, float *e, float16 *largest, float16 *sum) {
    const size_t n = shape.n;
    *largest = -INFINITY, *sum = 0.0f;
    for (size_t c = 0; c < shape.classes; c++) {
        const float16 v = LOAD(z + c * shape.positions);
        *largest = v > *largest ? v : *largest;
    }
    for (size_t c = 0; c < shape.classes; c++) {
        const float16 v = EXPONENTIAL(LOAD(z + c * shape.positions) - *largest);
        *sum += v;
        STORE(e + c * shape.positions, v);
    }
}

CLONED void consilium_softmax_planes(size_t classes, size_t positions, float *z) {
    SIXTEENS(positions, const struct planes shape = {classes, positions, n}; float16 largest, sum;
             plane_exponentials(shape, z + i, z + i, &largest, &sum); for (size_t c = 0; c < classes; c++) {
                 float *p = z + c * positions + i;
                 STORE(p, LOAD(p) / sum);
             });
}

// The cross entropy of sixteen positions with targets t, negative where ignored or missing.
INLINED double plane_cross_entropy(struct planes shape, const float *z, const float16 *t,
                                   const struct consilium_cross_entropy *s, float *dz) {
    const size_t n = shape.n;
    float16 largest, sum, logit = 0.0f, picked = 1.0f, weight = 1.0f, weighted = 0.0f;
    plane_exponentials(shape, z, dz, &largest, &sum);
    for (size_t c = 0; c < shape.classes; c++) {
        const float16 v = LOAD(z + c * shape.positions), e = LOAD(dz + c * shape.positions);
        const float class_weight = s->weights ? s->weights[c] : 1.0f;
        logit = *t == (float)c ? v : logit;
        picked = *t == (float)c ? e : picked;
        weight = *t == (float)c ? (float16)class_weight : weight;
        weighted += class_weight * v;
    }
    const float16 counted = *t >= 0.0f ? (float16)1.0f : (float16)0.0f;
    const double16 log_sum = DOUBLES(largest) + NATURAL_LOGARITHM(DOUBLES(sum)), l = log_sum - DOUBLES(logit);
    const float16 p = picked / sum, rest = (sum - picked) / sum;
    double16 loss;
    struct slope slope;
    cross_entropy_terms(&l, &p, &rest, &weight, s, shape.classes, &loss, &slope);
    if (s->smoothing != 0.0f)
        loss += (double)(s->smoothing / (float)shape.classes) * (s->weight_sum * log_sum - DOUBLES(weighted));
    for (size_t c = 0; c < shape.classes; c++) {
        float *at = dz + c * shape.positions;
        const float16 hit = *t == (float)c ? slope.hit : (float16)0.0f;
        const float16 share = slope.share * (s->weights ? s->weights[c] : 1.0f);
        const float16 d = slope.factor * s->scale * (LOAD(at) / sum - hit - share);
        STORE(at, *t >= 0.0f ? d : (float16)0.0f);
    }
    // Ignored positions are left out by lane: their logits may be anything.
    double total = 0.0;
    for (size_t lane = 0; lane < n; lane++) total += counted[lane] > 0.0f ? loss[lane] : 0.0;
    return total;
}

CLONED double consilium_softmax_cross_entropy_planes(size_t classes, size_t positions, const float *z,
                                                     const float *targets, struct consilium_cross_entropy s,
                                                     float *dz) {
    double total = 0.0;
    SIXTEENS(positions, const struct planes shape = {classes, positions, n};
             const float16 t = LOAD_OR(targets + i, -1.0f);
             total += plane_cross_entropy(shape, z + i, &t, &s, dz + i););
    return total;
}
