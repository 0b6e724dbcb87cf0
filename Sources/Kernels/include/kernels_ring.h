// SPDX-License-Identifier: Apache-2.0
// Hot loops of the ring arithmetic: quantise, pack, add packed, restore. Each has a plain Swift twin as its oracle.
//
// Every function is pure, allocates nothing and may run on any thread. Buffers never overlap. Byte streams are
// little-endian: element i of a packed stream occupies bits [i * bits, (i + 1) * bits), least significant bit first.
#ifndef CONSILIUM_KERNELS_RING_H
#define CONSILIUM_KERNELS_RING_H

#include <stddef.h>
#include <stdint.h>

/// What quantising met on its way.
struct consilium_quantize_counts {
    /// Finite values beyond the clip, taken as the clip.
    uint64_t clipped;
    /// NaN and infinities, taken as zero.
    uint64_t non_finite;
};

/// Stochastically rounds `count` floats to fixed point and multiplies them by a weight, modulo 2^32.
///
/// y = clamp(x, -clip, clip) * scale in double; k = floor(y) + (draw / 2^32 < y - floor(y)), clamped to +-limit;
/// out = k * weight mod 2^32. Requires 0 < limit < 2^30 and clip * scale = limit up to rounding.
/// Shapes: values, draws, out [count].
struct consilium_quantize_counts consilium_ring_quantize(
    const float *values, const uint32_t *draws, uint32_t *out, size_t count,
    double clip, double scale, int32_t limit, uint32_t weight);

/// Packs the low `bits` (1...32) bits of each element; unused bits of the last byte are zero.
///
/// Shapes: elements [count], bytes [(count * bits + 7) / 8].
void consilium_ring_pack(const uint32_t *elements, size_t count, unsigned bits, uint8_t *bytes);

/// Adds packed elements of `bits` (1...32) bits to the accumulators, modulo 2^32. Reads no byte past the last element.
///
/// Shapes: bytes [(count * bits + 7) / 8], accumulators [count].
void consilium_ring_unpack_add(const uint8_t *bytes, size_t count, unsigned bits, uint32_t *accumulators);

/// Adds or subtracts little-endian words of 4 bytes, modulo 2^32. Shapes: bytes [4 * count], accumulators [count].
void consilium_ring_add_words(uint32_t *accumulators, const uint8_t *bytes, size_t count);
void consilium_ring_subtract_words(uint32_t *accumulators, const uint8_t *bytes, size_t count);

/// Adds or subtracts little-endian words of 8 bytes, packed elements or mask words, modulo 2^64.
///
/// Shapes: bytes [8 * count], accumulators [count].
void consilium_ring_add_words64(uint64_t *accumulators, const uint8_t *bytes, size_t count);
void consilium_ring_subtract_words64(uint64_t *accumulators, const uint8_t *bytes, size_t count);

/// out = (float)(factor * e), e = the low `bits` (1...32) bits of each element as a two's complement number.
///
/// Shapes: elements, out [count].
void consilium_ring_dequantize(
    const uint32_t *elements, size_t count, unsigned bits, double factor, float *out);

/// out = (float)(factor * (double)e), e = each element as a two's complement number. Shapes: elements, out [count].
void consilium_ring_dequantize64(const uint64_t *elements, size_t count, double factor, float *out);

#endif
