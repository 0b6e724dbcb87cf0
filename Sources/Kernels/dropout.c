// SPDX-License-Identifier: Apache-2.0
// Dropout by a hash of key and element number, so that nothing is stored between forward and backward.
//
// The definition, in unsigned arithmetic modulo 2⁶⁴ (seed) and 2³² (the rest). For element e, with e = 2³²·high + low:
//
//     mix(z):  z ^= z >> 30;  z *= 0xbf58476d1ce4e5b9;  z ^= z >> 27;  z *= 0x94d049bb133111eb;  z ^= z >> 31
//     seed = mix(mix(key + G) + high·G)        G = 0x9e3779b97f4a7c15
//     x = low + (seed mod 2³²)
//     x ^= x >> 17;  x *= 0xed5ad4bb
//     x ^= x >> 11;  x += seed div 2³²;  x *= 0xac4c1b51
//     x ^= x >> 15;  x *= 0x31848bab
//     x ^= x >> 14
//     e becomes zero if x < threshold.
//
// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's constants); the 32-bit rounds are
// Wellons' triple32 with half of the seed added in the middle: keys that differ in the lower half only would otherwise
// visit the same decisions from another start.

#include "inlined.h"
#include "kernels_layers.h"

INLINED uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

INLINED uint64_t seed_of(uint64_t key, uint64_t element) {
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    return mix(mix(key + golden) + (element >> 32) * golden);
}

// For one number and for sixteen.
#define HASH(x, seed)                                                                                                  \
    do {                                                                                                               \
        x += (uint32_t)(seed);                                                                                         \
        x ^= x >> 17, x *= 0xed5ad4bbu;                                                                                \
        x ^= x >> 11, x += (uint32_t)((seed) >> 32), x *= 0xac4c1b51u;                                                 \
        x ^= x >> 15, x *= 0x31848babu;                                                                                \
        x ^= x >> 14;                                                                                                  \
    } while (0)

CLONED void consilium_dropout(size_t count, uint64_t key, uint64_t first, uint32_t threshold, float scale,
                              const float *x, float *y) {
    const bits16 steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    while (count > 0) {
        // Up to where the upper half of the element's number changes.
        const uint64_t same = (1ull << 32) - (uint32_t)first;
        const size_t length = same < count ? (size_t)same : count;
        const uint64_t seed = seed_of(key, first);
        const uint32_t low = (uint32_t)first;
        SIXTEENS(length, bits16 hash = steps + (low + (uint32_t)i); HASH(hash, seed);
                 const float16 v = LOAD(x + i) * scale; STORE(y + i, hash < threshold ? (float16)0.0f : v););
        count -= length, x += length, y += length, first += length;
    }
}

CLONED void consilium_dropout_rows(size_t rows, size_t width, uint64_t key, uint64_t first, uint32_t threshold,
                                   float scale, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        const uint64_t seed = seed_of(key, first + row);
        uint32_t hash = (uint32_t)(first + row);
        HASH(hash, seed);
        if (hash < threshold)
            memset(y, 0, width * sizeof(float));
        else
            SIXTEENS(width, STORE(y + i, LOAD(x + i) * scale););
    }
}
