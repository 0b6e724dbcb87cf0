// SPDX-License-Identifier: Apache-2.0
// What the loops of the float32 kernels share: vectors of 16 floats, sums in a fixed order, exponential functions.
//
// Loops are written with vectors of 16 floats, which the compiler cuts into what the processor has: one register of
// AVX-512, two of AVX2, four of baseline x86-64. The lanes are part of the definition of every sum, so that all
// versions of a loop, and all machines, give the same bits. No product is fused with a sum for the same reason;
// measured, fusing gains 4 % on a 13-64-32-2 perceptron and nothing on wider ones, which wait for memory.

#ifndef CONSILIUM_INLINED_H
#define CONSILIUM_INLINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONED
#endif
#define INLINED static inline __attribute__((always_inline))

typedef float float16 __attribute__((ext_vector_type(16)));
typedef float float8 __attribute__((ext_vector_type(8)));
typedef float float4 __attribute__((ext_vector_type(4)));
typedef uint32_t bits16 __attribute__((ext_vector_type(16)));
typedef double double16 __attribute__((ext_vector_type(16)));
typedef double double8 __attribute__((ext_vector_type(8)));
typedef double double4 __attribute__((ext_vector_type(4)));

// ---- sixteen elements at a time ----------------------------------------------------------------------------------

// Runs the statements for i = 0, 16, …; LOAD and STORE in them take the `n` elements that are left, which is the
// constant 16 except in a last, separate copy of the statements.
#define SIXTEENS(count, ...)                                                                                           \
    do {                                                                                                               \
        const size_t count_ = (count), whole_ = count_ & ~(size_t)15;                                                  \
        for (size_t i = 0; i < whole_; i += 16) {                                                                      \
            enum { n = 16 };                                                                                           \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
        if (count_ & 15) {                                                                                             \
            const size_t i = whole_, n = count_ & 15;                                                                  \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    } while (0)

// Vectors go in and out of functions by pointer: by value, clang refuses the call, because its convention depends on
// the registers of the processor; these macros make expressions of them.
#define APPLY(function, x) ({ float16 v_ = (x); function(&v_); v_; })
#define LOAD_OR(p, fill) ({ float16 v_; load(&v_, (p), n, (fill)); v_; })
#define LOAD(p) LOAD_OR(p, 0.0f)
#define STORE(p, x) ({ const float16 v_ = (x); store((p), &v_, n); })
#define EXPONENTIAL(x) APPLY(exponential, x)
#define HYPERBOLIC_TANGENT(x) APPLY(hyperbolic_tangent, x)
#define SIGMOID(x) APPLY(sigmoid, x)

// The loop pragmas make masked loads and stores; without them the loops are unrolled into branches. Builds that count
// coverage or check memory do not vectorise them, and need not say so.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
INLINED void load(float16 *v, const float *p, size_t n, float fill) {
    if (n == 16) {
        memcpy(v, p, sizeof *v);
        return;
    }
    float lanes[16];
    const uint32_t end = (uint32_t)n;
#pragma clang loop vectorize(assume_safety) vectorize_width(16) unroll(disable)
    for (uint32_t l = 0; l < 16; l++) lanes[l] = l < end ? p[l] : fill;
    memcpy(v, lanes, sizeof *v);
}

INLINED void store(float *p, const float16 *v, size_t n) {
    if (n == 16) {
        memcpy(p, v, sizeof *v);
        return;
    }
    float lanes[16];
    memcpy(lanes, v, sizeof *v);
    const uint32_t end = (uint32_t)n;
#pragma clang loop vectorize(assume_safety) vectorize_width(16) unroll(disable)
    for (uint32_t l = 0; l < 16; l++)
        if (l < end) p[l] = lanes[l];
}
#pragma clang diagnostic pop

// ---- sums --------------------------------------------------------------------------------------------------------

// Long sums are taken in blocks, 64 elements to a lane, and the blocks added up in double.
enum { SUM_BLOCK = 1024 };
#define SUM_BLOCKS(count, start, length)                                                                               \
    for (size_t start = 0, length; start < (count) && (length = smaller((count) - start, SUM_BLOCK), true);            \
         start += SUM_BLOCK)

INLINED size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

INLINED float sum_of_lanes(const float16 *v) {
    const float8 eight = v->lo + v->hi;
    const float4 four = eight.lo + eight.hi;
    return (four.x + four.z) + (four.y + four.w);
}

// The largest lane; a NaN may be passed over.
INLINED float largest_lane(const float16 *v) {
    const float8 eight = v->lo > v->hi ? v->lo : v->hi;
    const float4 four = eight.lo > eight.hi ? eight.lo : eight.hi;
    const float a = four.x > four.z ? four.x : four.z, b = four.y > four.w ? four.y : four.w;
    return a > b ? a : b;
}

// The sum of sixteen doubles.
#define SUM_OF_SIXTEEN(sum)                                                                                            \
    ({                                                                                                                 \
        const double8 eight = (sum).lo + (sum).hi;                                                                     \
        const double4 four = eight.lo + eight.hi;                                                                      \
        (four.x + four.z) + (four.y + four.w);                                                                         \
    })

// Two vectors of lanes: one addition would wait for the one before.
INLINED double sum_of(const float *x, size_t count) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        const float *p = x + start;
        float16 a = 0.0f, b = 0.0f, u, v;
        for (; length >= 32; length -= 32, p += 32) {
            load(&u, p, 16, 0.0f), load(&v, p + 16, 16, 0.0f);
            a += u, b += v;
        }
        SIXTEENS(length, a += LOAD(p + i););
        a += b;
        total += (double)sum_of_lanes(&a);
    }
    return total;
}

// Σ (x − center)².
INLINED double squares_about(float center, const float *x, size_t count) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        const float *p = x + start;
        float16 a = 0.0f, b = 0.0f, u, v;
        for (; length >= 32; length -= 32, p += 32) {
            load(&u, p, 16, 0.0f), load(&v, p + 16, 16, 0.0f);
            u -= center, v -= center;
            a += u * u, b += v * v;
        }
        SIXTEENS(length, const float16 d = LOAD_OR(p + i, center) - center; a += d * d;);
        a += b;
        total += (double)sum_of_lanes(&a);
    }
    return total;
}

// Σ a·b.
INLINED double sum_of_products(const float *a, const float *b, size_t count) {
    double total = 0.0;
    SUM_BLOCKS(count, start, length) {
        float16 sum = 0.0f;
        SIXTEENS(length, sum += LOAD(a + start + i) * LOAD(b + start + i););
        total += (double)sum_of_lanes(&sum);
    }
    return total;
}

// ---- exponential functions ---------------------------------------------------------------------------------------

// eˣ = scale·(q + 1), by a polynomial on [−½ ln 2, ½ ln 2] (Cephes expf.c, Moshier); written out because a call of the
// C library's expf keeps a loop from being vectorised. x is first bounded to −87.3 … 88; a NaN makes q a NaN.
INLINED void exponential_parts(const float16 *x, float16 *q, float16 *scale) {
    float16 bounded = *x < -87.3f ? (float16)-87.3f : *x;
    bounded = bounded > 88.0f ? (float16)88.0f : bounded;
    const float round = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer held in the low bits
    const float16 shifted = bounded * 1.44269504f + round;
    const float16 power = shifted - round;
    const float16 r = (bounded - power * 0.693359375f) + power * 2.12194440e-4f;
    float16 p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    *q = p * r * r + r;
    bits16 bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;  // the addition's high bits leave with the shift
    memcpy(scale, &bits, sizeof bits);
}

// x ← eˣ to about two units in the last place: 0 below −87.3, the largest finite power above 88; a NaN stays a NaN.
INLINED void exponential(float16 *x) {
    float16 q, scale;
    exponential_parts(x, &q, &scale);
    *x = *x < -87.3f ? (float16)0.0f : (q + 1.0f) * scale;
}

// x ← tanh x: odd polynomial near zero (Cephes tanhf.c), 1 − 2/(e²ˣ+1) elsewhere, where nothing cancels.
INLINED void hyperbolic_tangent(float16 *x) {
    const float16 s = *x * *x;
    float16 p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    const float16 near = p * s * *x + *x;
    const float16 far = 1.0f - 2.0f / (EXPONENTIAL(2.0f * *x) + 1.0f);
    *x = s < 0.390625f ? near : far;
}

// x ← 1/(1 + e⁻ˣ), as e⁻ˡˣˡ/(1 + e⁻ˡˣˡ) below zero, which falls to 0 and stays exact on the way.
INLINED void sigmoid(float16 *x) {
    const float16 e = EXPONENTIAL(-__builtin_elementwise_abs(*x));
    *x = (*x < 0.0f ? e : (float16)1.0f) / (1.0f + e);
}

#endif
