// SPDX-License-Identifier: Apache-2.0
// Scanning of tables: bytes to rows of fields, and columns of fields to numbers or short codes.
//
// Every function is pure but for the state it is handed, allocates nothing and may run on any thread. Text is UTF-8.
// All buffers of table bytes are followed by at least CONSILIUM_SCAN_SLACK readable bytes, whatever they hold.
#ifndef CONSILIUM_KERNELS_SCAN_H
#define CONSILIUM_KERNELS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSILIUM_SCAN_SLACK 64
/// Set in a field's end when the field holds doubled quotes.
#define CONSILIUM_FIELD_HAS_DOUBLED_QUOTES 0x80000000u

/// Why the row scanner returned. Rows completed before are in the output whatever the reason.
enum consilium_scan_status {
    /// The bytes end within a row, or with one; `position` is the start of the row to go on with.
    CONSILIUM_SCAN_NEEDS_BYTES = 0,
    /// `row_capacity` rows are complete.
    CONSILIUM_SCAN_FULL = 1,
    /// The row before `position` has `fields` fields instead of `columns`; it began on line `problem_line`.
    CONSILIUM_SCAN_RAGGED = 2,
    /// A zero byte on line `problem_line`.
    CONSILIUM_SCAN_ZERO_BYTE = 3,
    /// Text between a closing quote and the next separator on line `problem_line`.
    CONSILIUM_SCAN_TEXT_AFTER_QUOTE = 4,
    /// A row of unknown width has more than `columns` fields.
    CONSILIUM_SCAN_TOO_WIDE = 5,
};

/// Where the row scanner stands between two calls.
struct consilium_row_scanner {
    /// The next byte to read: always the start of a row.
    size_t position;
    /// The line of `position` in the file, from one.
    uint64_t line;
    uint64_t problem_line;
    uint32_t fields;
    uint8_t separator;
    /// The last row ended with a carriage return, so a line feed at `position` belongs to it.
    bool after_carriage_return;
};

/// Splits bytes into rows of exactly `columns` fields and skips blank lines.
///
/// Rules: RFC 4180 with LF, CRLF or CR as the row end; a quote opens a quoted field only where nothing but blanks
/// precede it in the field, elsewhere it is text. A field's bytes are [start, end), without the outer quotes.
/// With `any_width`, one row of up to `columns` fields is taken and its width is left in `fields`.
/// Shapes: starts, ends [row_capacity, columns], row-major; lines [row_capacity], the line each row began on.
/// Returns the status; `*rows` rows were completed. Requires count < 2^31.
enum consilium_scan_status consilium_scan_rows(
    struct consilium_row_scanner *scanner, const uint8_t *bytes, size_t count, uint32_t columns, bool any_width,
    size_t row_capacity, uint32_t *starts, uint32_t *ends, uint32_t *lines, size_t *rows);

/// What a field of a number column holds.
enum consilium_field_kind {
    CONSILIUM_FIELD_NUMBER = 0,
    CONSILIUM_FIELD_EMPTY = 1,
    /// Text, or a number too long for the exact fast path: ask the slow parser.
    CONSILIUM_FIELD_OTHER = 2,
};

/// Reads one column of decimal numbers: blanks, sign, digits with one `mark`, exponent, blanks.
///
/// Source: Clinger 1990, "How to read floating point numbers accurately", fast path: a mantissa up to 2^53 times or
/// over a power of ten up to 10^22 is rounded once, hence exact. Everything else is CONSILIUM_FIELD_OTHER.
/// Shapes: field i is [starts[i * stride], ends[i * stride]), i < count; values, kinds [count].
void consilium_parse_decimals(
    const uint8_t *bytes, const uint32_t *starts, const uint32_t *ends, size_t stride, size_t count, uint8_t mark,
    double *values, uint8_t *kinds);

/// Packs fields of up to 7 bytes, trimmed of blanks, into one word: the bytes from the low end, the length on top.
///
/// An empty field is 0; a longer field, or one with doubled quotes, is CONSILIUM_UNPACKABLE_FIELD.
/// Shapes: as for consilium_parse_decimals; words [count].
void consilium_pack_fields(
    const uint8_t *bytes, const uint32_t *starts, const uint32_t *ends, size_t stride, size_t count, uint64_t *words);

#define CONSILIUM_UNPACKABLE_FIELD 0xFFFFFFFFFFFFFFFFull

/// Where a check of UTF-8 stands between two calls; all zero at the start of a text.
struct consilium_utf8_state {
    /// Continuation bytes still due.
    uint8_t due;
    /// The range of the next continuation byte, when `due` is not zero.
    uint8_t lowest;
    uint8_t highest;
};

/// Checks a piece of a text that may end within a character. Source: Unicode 15, table 3-7.
/// Returns the offset of the first wrong byte, or `count` when all is well so far.
size_t consilium_check_utf8(struct consilium_utf8_state *state, const uint8_t *bytes, size_t count);

#endif
