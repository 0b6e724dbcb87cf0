// SPDX-License-Identifier: Apache-2.0
// Hot loops of the ring arithmetic: quantise, pack, add packed, restore.
#include "kernels_ring.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the packed form is little-endian and read with plain loads"
#endif

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

// A fused multiply-add would round differently from the Swift twin on machines that have one.
#pragma STDC FP_CONTRACT OFF

// Short enough for 32-bit counters that vectorise, long enough that their sum costs nothing.
enum { QUANTIZE_PIECE = 4096 };

CLONES
struct consilium_quantize_counts consilium_ring_quantize(
    const float *restrict values, const uint32_t *restrict draws, uint32_t *restrict out, size_t count,
    double clip, double scale, int32_t limit, uint32_t weight) {
    struct consilium_quantize_counts counts = {0, 0};
    for (size_t start = 0; start < count; start += QUANTIZE_PIECE) {
        const size_t end = count - start < QUANTIZE_PIECE ? count : start + QUANTIZE_PIECE;
        uint32_t beyond = 0, non_finite = 0;
        for (size_t i = start; i < end; i++) {
            const float raw = values[i];
            const uint32_t finite = fabsf(raw) <= FLT_MAX;
            const double x = finite ? (double)raw : 0.0;
            const double upper = x > clip ? clip : x;
            const double clamped = upper < -clip ? -clip : upper;
            non_finite += 1 - finite;
            beyond += clamped != x;
            const double y = clamped * scale;
            const double below = floor(y);
            const double fraction = (y - below) * 4294967296.0;
            int32_t k = (int32_t)below + ((double)draws[i] < fraction);
            k = k > limit ? limit : k;
            k = k < -limit ? -limit : k;
            out[i] = (uint32_t)k * weight;
        }
        counts.clipped += beyond;
        counts.non_finite += non_finite;
    }
    return counts;
}

// Thirty-two elements are exactly `bits` 32-bit words, so with a constant width every shift is a constant.
static inline __attribute__((always_inline)) void pack32(
    const uint32_t *restrict elements, uint8_t *restrict bytes, const unsigned bits) {
    const uint32_t mask = bits == 32 ? 0xFFFFFFFFu : (1u << bits) - 1;
    uint32_t words[32] = {0};
#pragma clang loop unroll(full)
    for (unsigned i = 0; i < 32; i++) {
        const unsigned word = i * bits / 32, shift = i * bits % 32;
        const uint32_t element = elements[i] & mask;
        words[word] |= element << shift;
        if (shift + bits > 32) words[word + 1] |= element >> (32 - shift);
    }
    memcpy(bytes, words, 4 * bits);
}

static void pack_tail(const uint32_t *elements, size_t count, unsigned bits, uint8_t *bytes) {
    const uint64_t mask = (1ull << bits) - 1;
    uint64_t pending = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        pending |= (elements[i] & mask) << held;
        for (held += bits; held >= 8; held -= 8) {
            *bytes++ = (uint8_t)pending;
            pending >>= 8;
        }
    }
    if (held > 0) *bytes = (uint8_t)pending;
}

#define PACK_WIDTH(B)                                                                   \
    case B:                                                                             \
        for (size_t i = 0; i < groups; i++) pack32(elements + 32 * i, bytes + 4 * B * i, B); \
        break;

void consilium_ring_pack(
    const uint32_t *restrict elements, size_t count, unsigned bits, uint8_t *restrict bytes) {
    const size_t groups = count / 32;
    switch (bits) {
        PACK_WIDTH(1) PACK_WIDTH(2) PACK_WIDTH(3) PACK_WIDTH(4) PACK_WIDTH(5) PACK_WIDTH(6) PACK_WIDTH(7)
        PACK_WIDTH(8) PACK_WIDTH(9) PACK_WIDTH(10) PACK_WIDTH(11) PACK_WIDTH(12) PACK_WIDTH(13) PACK_WIDTH(14)
        PACK_WIDTH(15) PACK_WIDTH(16) PACK_WIDTH(17) PACK_WIDTH(18) PACK_WIDTH(19) PACK_WIDTH(20) PACK_WIDTH(21)
        PACK_WIDTH(22) PACK_WIDTH(23) PACK_WIDTH(24) PACK_WIDTH(25) PACK_WIDTH(26) PACK_WIDTH(27) PACK_WIDTH(28)
        PACK_WIDTH(29) PACK_WIDTH(30) PACK_WIDTH(31) PACK_WIDTH(32)
    }
    pack_tail(elements + 32 * groups, count % 32, bits, bytes + 4 * (size_t)bits * groups);
}

// An element and the bits before it in its first byte are at most 7 + 32 bits: one unaligned 8-byte load holds them.
static inline uint32_t element_at(const uint8_t *bytes, size_t bit, uint64_t mask) {
    uint64_t word;
    memcpy(&word, bytes + bit / 8, 8);
    return (uint32_t)((word >> (bit % 8)) & mask);
}

void consilium_ring_unpack_add(
    const uint8_t *restrict bytes, size_t count, unsigned bits, uint32_t *restrict accumulators) {
    const uint64_t mask = (1ull << bits) - 1;
    const size_t length = (count * bits + 7) / 8;
    size_t i = 0;
    // Eight elements are `bits` bytes; the last load of a group starts at most at byte 7 * bits / 8 of it.
    if (length >= bits + 8) {
        const size_t groups = (length - 8) / bits < count / 8 ? (length - 8) / bits : count / 8;
        for (size_t group = 0; group < groups; group++, i += 8) {
            const uint8_t *base = bytes + group * bits;
            for (unsigned lane = 0; lane < 8; lane++) {
                accumulators[i + lane] += element_at(base, lane * bits, mask);
            }
        }
    }
    for (; i < count; i++) {
        const size_t bit = i * bits, first = bit / 8;
        uint8_t window[8] = {0};
        memcpy(window, bytes + first, length - first < 8 ? length - first : 8);
        accumulators[i] += element_at(window, bit % 8, mask);
    }
}

// Mask words are added as they come from the cipher: the loads need no alignment, the machine is little-endian.
#define ADD_WORDS(NAME, TYPE, OPERATION)                                                   \
    CLONES                                                                                 \
    void NAME(TYPE *restrict accumulators, const uint8_t *restrict bytes, size_t count) {  \
        for (size_t i = 0; i < count; i++) {                                               \
            TYPE word;                                                                     \
            memcpy(&word, bytes + sizeof word * i, sizeof word);                           \
            accumulators[i] OPERATION word;                                                \
        }                                                                                  \
    }

ADD_WORDS(consilium_ring_add_words, uint32_t, +=)
ADD_WORDS(consilium_ring_subtract_words, uint32_t, -=)
ADD_WORDS(consilium_ring_add_words64, uint64_t, +=)
ADD_WORDS(consilium_ring_subtract_words64, uint64_t, -=)

CLONES
void consilium_ring_dequantize(
    const uint32_t *restrict elements, size_t count, unsigned bits, double factor, float *restrict out) {
    const unsigned unused = 32 - bits;
    for (size_t i = 0; i < count; i++) {
        const int32_t element = (int32_t)(elements[i] << unused) >> unused;
        out[i] = (float)(element * factor);
    }
}

CLONES
void consilium_ring_dequantize64(
    const uint64_t *restrict elements, size_t count, double factor, float *restrict out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)((double)(int64_t)elements[i] * factor);
    }
}
