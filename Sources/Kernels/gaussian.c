// SPDX-License-Identifier: Apache-2.0
// Normal random numbers from uniform bits.

#include "inlined.h"
#include "kernels_layers.h"

typedef int32_t int16v __attribute__((ext_vector_type(16)));

// x ← ln x of positive normal numbers, by Cephes logf.c (Moshier).
INLINED void natural_logarithm(float16 *x) {
    bits16 bits;
    memcpy(&bits, x, sizeof bits);
    int16v exponent = __builtin_convertvector(bits >> 23, int16v) - 126;
    bits = (bits & 0x007FFFFFu) | 0x3F000000u;  // the mantissa in ½ … 1
    float16 m;
    memcpy(&m, &bits, sizeof m);
    const int16v small = m < 0.707106781f;  // −1 where true
    exponent += small;
    m = (small ? m + m : m) - 1.0f;
    const float16 e = __builtin_convertvector(exponent, float16), z = m * m;
    float16 p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    *x = m + (p * m * z - 2.12194440e-4f * e - 0.5f * z) + 0.693359375f * e;
}

// Box & Muller 1958: 32 uniform words give 32 normal numbers, the first 16 words the radius, the others the angle.
INLINED void box_muller(const uint32_t *words, float16 *first, float16 *second) {
    bits16 radius, angle;
    memcpy(&radius, words, sizeof radius);
    memcpy(&angle, words + 16, sizeof angle);
    // Uniform on (0, 1]: half a step above the integers, the largest rounds to 1.
    float16 u = (__builtin_convertvector(radius, float16) + 0.5f) * 0x1p-32f;
    natural_logarithm(&u);
    const float16 r = __builtin_elementwise_sqrt(__builtin_elementwise_max(u * -2.0f, (float16)0.0f));
    // The nearest quarter turn, and what is left of the angle, within ±π/4.
    const bits16 quarter = (angle + 0x20000000u) >> 30;
    int16v rest;
    const bits16 left = angle - (quarter << 30);
    memcpy(&rest, &left, sizeof rest);
    const float16 x = __builtin_convertvector(rest, float16) * 1.46291807927e-9f, z = x * x;  // 2π/2³²
    const float16 sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
    const float16 cosine =
        ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    const bits16 odd = (bits16)((quarter & 1u) == 1u), upper = (bits16)((quarter & 2u) == 2u);
    const float16 c = odd ? -sine : cosine, s = odd ? cosine : sine;
    *first = r * (upper ? -c : c);
    *second = r * (upper ? -s : s);
}

CLONED void consilium_add_gaussian(size_t count, const uint32_t *words, float deviation, float *y) {
    for (size_t start = 0; start < count; start += 32) {
        float16 first, second;
        box_muller(words + start, &first, &second);
        float *p = y + start;
        SIXTEENS(smaller(count - start, 16), STORE(p + i, LOAD(p + i) + first * deviation););
        if (count - start > 16) {
            p += 16;
            SIXTEENS(smaller(count - start - 16, 16), STORE(p + i, LOAD(p + i) + second * deviation););
        }
    }
}
