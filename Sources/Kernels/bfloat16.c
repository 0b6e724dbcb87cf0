// SPDX-License-Identifier: Apache-2.0
// Conversion from float32 to bfloat16, the same bits on every processor.
//
// In integers: the instruction that some processors have makes subnormal numbers zero, and measured it is faster only on
// what lies in the first-level cache.

#include "inlined.h"
#include "kernels_dense.h"

typedef uint16_t halves16 __attribute__((ext_vector_type(16)));

// Half of the lowest kept bit, less one unless that bit is set, carries into it exactly when rounding goes up.
INLINED void round_to_halves(halves16 *y, const float16 *x) {
    bits16 v;
    memcpy(&v, x, sizeof v);
    const bits16 rounded = v + 0x7fffu + (v >> 16 & 1u);
    // The quiet bit keeps a NaN one whose payload lies in the lost half; the addition could also carry into its sign.
    const bits16 is_nan = (bits16)((v & 0x7fffffffu) > 0x7f800000u);
    const bits16 kept = (rounded & ~is_nan) | ((v | 0x400000u) & is_nan);
    *y = __builtin_convertvector(kept >> 16, halves16);
}

CLONED void consilium_to_bfloat16(size_t count, const float *x, uint16_t *y) {
    SIXTEENS(count, const float16 v = LOAD(x + i); halves16 h; round_to_halves(&h, &v);
             if (n == 16) memcpy(y + i, &h, sizeof h);
             else for (size_t l = 0; l < n; l++) y[i + l] = h[l];);
}
