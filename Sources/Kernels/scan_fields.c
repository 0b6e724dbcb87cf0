// SPDX-License-Identifier: Apache-2.0
// Columns of fields to numbers and short codes, and the check that a text is UTF-8.
#include "kernels_scan.h"

#include <string.h>

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }
static inline bool is_digit(uint8_t byte) { return (uint8_t)(byte - '0') <= 9; }

static inline enum consilium_field_kind parse_decimal(
    const uint8_t *next, const uint8_t *end, uint8_t mark, double *value) {
    while (next < end && is_blank(*next)) next++;
    while (next < end && is_blank(end[-1])) end--;
    if (next == end) return CONSILIUM_FIELD_EMPTY;
    bool is_negative = *next == '-';
    if (is_negative || *next == '+') next++;

    uint64_t mantissa = 0;
    int exponent = 0;
    const uint8_t *digits = next;
    while (next < end && is_digit(*next)) mantissa = mantissa * 10 + (uint64_t)(*next++ - '0');
    long count = next - digits;
    if (next < end && *next == mark) {
        const uint8_t *fraction = ++next;
        while (next < end && is_digit(*next)) mantissa = mantissa * 10 + (uint64_t)(*next++ - '0');
        exponent = (int)(fraction - next);
        count += next - fraction;
    }
    // Up to 18 digits cannot have overflowed the mantissa.
    if (count == 0 || count > 18) return CONSILIUM_FIELD_OTHER;

    if (next < end && (*next | 0x20) == 'e') {
        next++;
        bool is_small = next < end && *next == '-';
        if (next < end && (*next == '-' || *next == '+')) next++;
        if (next == end || end - next > 4) return CONSILIUM_FIELD_OTHER;
        int written = 0;
        while (next < end && is_digit(*next)) written = written * 10 + (*next++ - '0');
        exponent += is_small ? -written : written;
    }
    if (next != end || mantissa > (UINT64_C(1) << 53) || exponent < -22 || exponent > 22) return CONSILIUM_FIELD_OTHER;
    double magnitude = (double)mantissa;
    magnitude = exponent < 0 ? magnitude / powers_of_ten[-exponent] : magnitude * powers_of_ten[exponent];
    *value = is_negative ? -magnitude : magnitude;
    return CONSILIUM_FIELD_NUMBER;
}

void consilium_parse_decimals(
    const uint8_t *bytes, const uint32_t *starts, const uint32_t *ends, size_t stride, size_t count, uint8_t mark,
    double *values, uint8_t *kinds) {
    for (size_t i = 0; i < count; i++) {
        uint32_t end = ends[i * stride];
        values[i] = 0;
        kinds[i] = end & CONSILIUM_FIELD_HAS_DOUBLED_QUOTES
            ? CONSILIUM_FIELD_OTHER
            : parse_decimal(bytes + starts[i * stride], bytes + end, mark, &values[i]);
    }
}

void consilium_pack_fields(
    const uint8_t *bytes, const uint32_t *starts, const uint32_t *ends, size_t stride, size_t count, uint64_t *words) {
    for (size_t i = 0; i < count; i++) {
        size_t start = starts[i * stride], end = ends[i * stride];
        if (end & CONSILIUM_FIELD_HAS_DOUBLED_QUOTES) {
            words[i] = CONSILIUM_UNPACKABLE_FIELD;
            continue;
        }
        while (start < end && is_blank(bytes[start])) start++;
        while (start < end && is_blank(bytes[end - 1])) end--;
        size_t length = end - start;
        if (length > 7) {
            words[i] = CONSILIUM_UNPACKABLE_FIELD;
            continue;
        }
        // Reads past the field, which the slack allows; the mask drops what does not belong to it.
        uint64_t word;
        memcpy(&word, bytes + start, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        words[i] = (word & ((UINT64_C(1) << (8 * length)) - 1)) | (uint64_t)length << 56;
    }
}

/// The first offset from `at` on that holds a byte above 0x7f, or `count`.
static size_t skip_ascii(const uint8_t *bytes, size_t at, size_t count) {
    for (; at + 64 <= count; at += 64) {
        uint8_t all = 0;
        for (size_t i = 0; i < 64; i++) all |= bytes[at + i];
        if (all & 0x80) break;
    }
    while (at < count && bytes[at] < 0x80) at++;
    return at;
}

size_t consilium_check_utf8(struct consilium_utf8_state *state, const uint8_t *bytes, size_t count) {
    size_t at = 0;
    while (at < count) {
        if (state->due == 0) {
            at = skip_ascii(bytes, at, count);
            if (at == count) break;
            uint8_t byte = bytes[at];
            state->lowest = 0x80;
            state->highest = 0xBF;
            if (byte >= 0xC2 && byte <= 0xDF) {
                state->due = 1;
            } else if (byte >= 0xE0 && byte <= 0xEF) {
                state->due = 2;
                if (byte == 0xE0) state->lowest = 0xA0;   // no overlong forms
                if (byte == 0xED) state->highest = 0x9F;  // no surrogates
            } else if (byte >= 0xF0 && byte <= 0xF4) {
                state->due = 3;
                if (byte == 0xF0) state->lowest = 0x90;
                if (byte == 0xF4) state->highest = 0x8F;  // nothing above U+10FFFF
            } else {
                return at;
            }
        } else {
            if (bytes[at] < state->lowest || bytes[at] > state->highest) return at;
            state->due--;
            state->lowest = 0x80;
            state->highest = 0xBF;
        }
        at++;
    }
    return count;
}
