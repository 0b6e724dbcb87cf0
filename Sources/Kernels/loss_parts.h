// SPDX-License-Identifier: Apache-2.0
// What the loops of the losses share: logarithms of sixteen doubles, and powers below one.

#ifndef CONSILIUM_LOSS_PARTS_H
#define CONSILIUM_LOSS_PARTS_H

#include "inlined.h"

typedef uint64_t wide16 __attribute__((ext_vector_type(16)));

#define DOUBLES(x) __builtin_convertvector((x), double16)
#define FLOATS(x) __builtin_convertvector((x), float16)
#define APPLY_WIDE(function, x) ({ double16 w_ = (x); function(&w_); w_; })
#define NATURAL_LOGARITHM(x) APPLY_WIDE(natural_logarithm, x)
#define LOG_ONE_PLUS(x) APPLY_WIDE(log_one_plus, x)

// 2·artanh(s) for |s| ≤ 1/3, by its series.
INLINED void twice_area_tangent(double16 *s) {
    const double16 square = *s * *s;
    double16 series = 0.0;
    for (int k = 31; k >= 1; k -= 2) series = series * square + 1.0 / k;
    *s = 2.0 * *s * series;
}

// ln x for normal x > 0, or a NaN: x = 2ᵉ·m with √½ ≤ m < √2, ln m = 2·artanh((m−1)/(m+1)).
INLINED void natural_logarithm(double16 *x) {
    wide16 bits;
    memcpy(&bits, x, sizeof bits);
    // 1024 is added to the power, so that the shift meets no negative number.
    const wide16 moved = bits - 0x3fe6a09e667f3bcdu + (1024ull << 52);
    const double16 power = __builtin_convertvector(moved >> 52, double16) - 1024.0;
    bits -= (moved & 0xfff0000000000000u) - (1024ull << 52);
    double16 m;
    memcpy(&m, &bits, sizeof m);
    double16 s = (m - 1.0) / (m + 1.0);
    twice_area_tangent(&s);
    *x = power * 0.6931471805599453 + s + (*x - *x);
}

// ln(1 + x) for 0 ≤ x ≤ 1.
INLINED void log_one_plus(double16 *x) {
    double16 s = *x / (2.0 + *x);
    twice_area_tangent(&s);
    *x = s;
}

// m ← m^γ for 0 ≤ m ≤ 1 and γ > 0; what has no normal number becomes 0.
INLINED void power_of(float16 *m, float gamma) {
    const float16 bounded = *m < 1.17549435e-38f ? (float16)1.17549435e-38f : *m;
    const float16 exponent = FLOATS((double)gamma * NATURAL_LOGARITHM(DOUBLES(bounded)));
    *m = *m < 1.17549435e-38f ? (float16)0.0f : EXPONENTIAL(exponent);
}

// The parts of a logistic function: p = 1/(1+e⁻ᶻ), q = 1 − p, and tail = log(1 + e^−|z|).
struct logistic {
    float16 p, q;
    double16 tail;
};
INLINED void logistic_of(const float16 *z, struct logistic *l) {
    const float16 e = EXPONENTIAL(-__builtin_elementwise_abs(*z));
    const float16 large = 1.0f / (1.0f + e), small = e / (1.0f + e);
    l->p = *z < 0.0f ? small : large;
    l->q = *z < 0.0f ? large : small;
    l->tail = LOG_ONE_PLUS(DOUBLES(e));
}

// max(0, z) and max(0, −z), exactly.
#define RISING(z) DOUBLES((z) > 0.0f ? (z) : (float16)0.0f)
#define FALLING(z) DOUBLES((z) < 0.0f ? -(z) : (float16)0.0f)

#endif
