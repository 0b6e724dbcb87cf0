// SPDX-License-Identifier: Apache-2.0
// Layer normalisation and group normalisation; the formulas stand in kernels_layers.h.

#include "inlined.h"
#include "kernels_layers.h"

INLINED float one_over_root(double variance, float epsilon) {
    return (float)(1.0 / __builtin_elementwise_sqrt(variance + (double)epsilon));
}

// ---- layer norm --------------------------------------------------------------------------------------------------

CLONED void consilium_layer_norm(size_t rows, size_t width, float epsilon, const float *x, const float *weight,
                                 const float *bias, float *y, float *statistics) {
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        const float mean = (float)(sum_of(x, width) / (double)width);
        const float factor = one_over_root(squares_about(mean, x, width) / (double)width, epsilon);
        SIXTEENS(width, STORE(y + i, (LOAD(x + i) - mean) * factor * LOAD(weight + i) + LOAD(bias + i)););
        if (statistics) statistics[2 * row] = mean, statistics[2 * row + 1] = factor;
    }
}

// `rows` rows at once, so that dweight and dbias are fetched and stored once for all of them.
INLINED void layer_norm_backward(size_t rows, size_t width, const float *x, const float *weight,
                                 const float *statistics, const float *dy, float *dx, float *dweight, float *dbias) {
    float direct[4], along[4];  // of each row: the means of dy·weight and of dy·weight·x̂
    for (size_t row = 0; row < rows; row++) {
        const float mean = statistics[2 * row], factor = statistics[2 * row + 1];
        double direct_sum = 0.0, along_sum = 0.0;
        SUM_BLOCKS(width, start, length) {
            const float *xs = x + row * width + start, *ds = dy + row * width + start;
            float16 a = 0.0f, b = 0.0f;
            SIXTEENS(length, const float16 g = LOAD(ds + i) * LOAD(weight + start + i); a += g;
                     b += g * ((LOAD(xs + i) - mean) * factor););
            direct_sum += (double)sum_of_lanes(&a), along_sum += (double)sum_of_lanes(&b);
        }
        direct[row] = (float)(direct_sum / (double)width), along[row] = (float)(along_sum / (double)width);
    }
    SIXTEENS(
        width, const float16 w = LOAD(weight + i); float16 a = 0.0f; float16 b = 0.0f;
        for (size_t row = 0; row < rows; row++) {
            const float factor = statistics[2 * row + 1];
            const size_t at = row * width + i;
            const float16 centered = (LOAD(x + at) - statistics[2 * row]) * factor, d = LOAD(dy + at);
            STORE(dx + at, factor * (d * w - (direct[row] + centered * along[row])));
            a += d * centered, b += d;
        } if (dweight) {
            STORE(dweight + i, LOAD(dweight + i) + a);
            STORE(dbias + i, LOAD(dbias + i) + b);
        });
}

CLONED void consilium_layer_norm_backward(size_t rows, size_t width, const float *x, const float *weight,
                                          const float *statistics, const float *dy, float *dx, float *dweight,
                                          float *dbias) {
    if (!dbias) dweight = NULL;
    for (; rows >= 4; rows -= 4, x += 4 * width, dy += 4 * width, dx += 4 * width, statistics += 8)
        layer_norm_backward(4, width, x, weight, statistics, dy, dx, dweight, dbias);
    for (; rows > 0; rows--, x += width, dy += width, dx += width, statistics += 2)
        layer_norm_backward(1, width, x, weight, statistics, dy, dx, dweight, dbias);
}

// ---- group norm --------------------------------------------------------------------------------------------------
//
// Groups are worked on in runs: the fewest groups that fill whole blocks of channels. In plain memory that is one
// group; of blocked memory at most 16 groups. Sums are first taken per channel.

struct run {
    size_t channels, groups, group_channels, positions, block;
};

static struct run run_of(size_t channels, size_t positions, size_t groups, size_t block) {
    struct run run = {channels / groups, 1, channels / groups, positions, block};
    while (run.channels % block != 0) run.channels += run.group_channels, run.groups++;
    return run;
}

// The group within the run of each of 16 channels from `channel` on.
INLINED void groups_of_lanes(const struct run *run, size_t channel, uint8_t groups[16]) {
    size_t group = channel / run->group_channels, next = (group + 1) * run->group_channels;
    for (size_t l = 0; l < 16; l++) {
        if (channel + l == next) group++, next += run->group_channels;
        groups[l] = (uint8_t)group;
    }
}

// Adds the lanes, one of each channel, to the sums of their groups.
INLINED void add_lanes(const uint8_t groups[16], const double16 *lanes, double *sums) {
    double values[16];
    memcpy(values, lanes, sizeof values);
    for (size_t l = 0; l < 16; l++) sums[groups[l]] += values[l];
}

INLINED void fill_lanes(const uint8_t groups[16], const float *of_group, float16 *lanes) {
    float values[16];
    for (size_t l = 0; l < 16; l++) values[l] = of_group[groups[l]];
    memcpy(lanes, values, sizeof *lanes);
}

// Means of a run's groups when `means` is NULL; their mean squares about the means else.
INLINED void group_moments(const struct run *run, const float *x, const float *means, double *moments) {
    for (size_t group = 0; group < run->groups; group++) moments[group] = 0.0;
    const size_t count = run->group_channels * run->positions;
    if (run->block == 1) {
        moments[0] = means ? squares_about(means[0], x, count) : sum_of(x, count);
    } else {
        for (size_t channel = 0; channel < run->channels; channel += 16) {
            const float *block = x + channel * run->positions;
            uint8_t lanes[16];
            double16 total = 0.0;
            float16 center = 0.0f;
            groups_of_lanes(run, channel, lanes);
            if (means) fill_lanes(lanes, means, &center);
            for (size_t start = 0; start < run->positions; start += 64) {
                const size_t end = smaller(run->positions, start + 64), n = 16;
                float16 sum = 0.0f;
                for (size_t p = start; p < end; p++) {
                    const float16 v = LOAD(block + 16 * p) - center;
                    sum += means ? v * v : v;
                }
                total += __builtin_convertvector(sum, double16);
            }
            add_lanes(lanes, &total, moments);
        }
    }
    for (size_t group = 0; group < run->groups; group++) moments[group] /= (double)count;
}

CLONED void consilium_group_norm(size_t channels, size_t positions, size_t groups, size_t block, float epsilon,
                                 const float *x, const float *weight, const float *bias, float *y,
                                 float *statistics) {
    const struct run run = run_of(channels, positions, groups, block);
    for (size_t first = 0; first < channels; first += run.channels, x += run.channels * positions,
                y += run.channels * positions, weight += run.channels, bias += run.channels) {
        double moments[16];
        float means[16], factors[16];
        group_moments(&run, x, NULL, moments);
        for (size_t group = 0; group < run.groups; group++) means[group] = (float)moments[group];
        group_moments(&run, x, means, moments);
        for (size_t group = 0; group < run.groups; group++) factors[group] = one_over_root(moments[group], epsilon);
        for (size_t channel = 0; channel < run.channels; channel += block) {
            const float *from = x + channel * positions;
            float *to = y + channel * positions;
            if (block == 1) {
                const float mean = means[0], scale = factors[0] * weight[channel], offset = bias[channel];
                SIXTEENS(positions, STORE(to + i, (LOAD(from + i) - mean) * scale + offset););
                continue;
            }
            const size_t n = 16;
            uint8_t lanes[16];
            float16 mean, scale;
            groups_of_lanes(&run, channel, lanes);
            fill_lanes(lanes, means, &mean), fill_lanes(lanes, factors, &scale);
            const float16 offset = LOAD(bias + channel);
            scale *= LOAD(weight + channel);
            for (size_t p = 0; p < positions; p++)
                STORE(to + 16 * p, (LOAD(from + 16 * p) - mean) * scale + offset);
        }
        for (size_t group = 0; statistics && group < run.groups; group++, statistics += 2)
            statistics[0] = means[group], statistics[1] = factors[group];
    }
}

// Of one channel, or of 16 in lanes: Σ dy and Σ dy·x̂ over positions.
INLINED void plain_gradient_sums(size_t positions, const float *x, float mean, float factor, const float *dy,
                                 double *direct, double *along) {
    *direct = 0.0, *along = 0.0;
    SUM_BLOCKS(positions, start, length) {
        float16 a = 0.0f, b = 0.0f;
        SIXTEENS(length, const float16 d = LOAD(dy + start + i); a += d; b += d * (LOAD(x + start + i) - mean););
        *direct += (double)sum_of_lanes(&a), *along += (double)sum_of_lanes(&b);
    }
    *along *= (double)factor;
}

INLINED void blocked_gradient_sums(size_t positions, const float *x, const float16 *mean, const float16 *factor,
                                   const float *dy, double16 *direct, double16 *along) {
    *direct = 0.0, *along = 0.0;
    for (size_t start = 0; start < positions; start += 64) {
        const size_t end = smaller(positions, start + 64), n = 16;
        float16 a = 0.0f, b = 0.0f;
        for (size_t p = start; p < end; p++) {
            const float16 d = LOAD(dy + 16 * p);
            a += d, b += d * (LOAD(x + 16 * p) - *mean);
        }
        *direct += __builtin_convertvector(a, double16), *along += __builtin_convertvector(b, double16);
    }
    *along *= __builtin_convertvector(*factor, double16);
}

CLONED void consilium_group_norm_backward(size_t channels, size_t positions, size_t groups, size_t block,
                                          const float *x, const float *weight, const float *statistics,
                                          const float *dy, float *dx, float *dweight, float *dbias) {
    const struct run run = run_of(channels, positions, groups, block);
    const double count = (double)(run.group_channels * positions);
    const size_t n = 16;
    if (!dbias) dweight = NULL;
    for (size_t first = 0; first < channels; first += run.channels, statistics += 2 * run.groups) {
        double direct[16] = {0.0}, along[16] = {0.0};
        float means[16], factors[16], direct_means[16], along_means[16];
        for (size_t group = 0; group < run.groups; group++)
            means[group] = statistics[2 * group], factors[group] = statistics[2 * group + 1];
        for (size_t channel = 0; channel < run.channels; channel += block) {
            const size_t c = first + channel, at = c * positions;
            if (block == 1) {
                double a, b;
                plain_gradient_sums(positions, x + at, means[0], factors[0], dy + at, &a, &b);
                direct[0] += a * (double)weight[c], along[0] += b * (double)weight[c];
                if (dweight) dweight[c] += (float)b, dbias[c] += (float)a;
                continue;
            }
            uint8_t lanes[16];
            float16 mean, factor;
            double16 a, b;
            groups_of_lanes(&run, channel, lanes);
            fill_lanes(lanes, means, &mean), fill_lanes(lanes, factors, &factor);
            blocked_gradient_sums(positions, x + at, &mean, &factor, dy + at, &a, &b);
            if (dweight) {
                STORE(dweight + c, LOAD(dweight + c) + __builtin_convertvector(b, float16));
                STORE(dbias + c, LOAD(dbias + c) + __builtin_convertvector(a, float16));
            }
            const float16 w = LOAD(weight + c);
            a *= __builtin_convertvector(w, double16), b *= __builtin_convertvector(w, double16);
            add_lanes(lanes, &a, direct), add_lanes(lanes, &b, along);
        }
        for (size_t group = 0; group < run.groups; group++) {
            direct_means[group] = (float)(direct[group] / count);
            along_means[group] = (float)(along[group] / count);
        }
        for (size_t channel = 0; channel < run.channels; channel += block) {
            const size_t c = first + channel, at = c * positions;
            if (block == 1) {
                const float mean = means[0], factor = factors[0], w = weight[c];
                const float d = direct_means[0], f = along_means[0] * factor;
                SIXTEENS(positions,
                         const float16 share = LOAD(dy + at + i) * w - (d + (LOAD(x + at + i) - mean) * f);
                         STORE(dx + at + i, factor * share););
                continue;
            }
            uint8_t lanes[16];
            float16 mean, factor, d, f;
            groups_of_lanes(&run, channel, lanes);
            fill_lanes(lanes, means, &mean), fill_lanes(lanes, factors, &factor);
            fill_lanes(lanes, direct_means, &d), fill_lanes(lanes, along_means, &f);
            f *= factor;
            const float16 w = LOAD(weight + c);
            for (size_t p = at; p < at + 16 * positions; p += 16)
                STORE(dx + p, factor * (LOAD(dy + p) * w - (d + (LOAD(x + p) - mean) * f)));
        }
    }
}
