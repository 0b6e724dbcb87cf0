// SPDX-License-Identifier: Apache-2.0
// Splits the bytes of a table into rows of fields, 64 bytes at a time, with one slow path for quotes.
#include "kernels_scan.h"

#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#define CONSILIUM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CONSILIUM_CLONES
#endif

typedef uint8_t word_bytes __attribute__((ext_vector_type(64)));
typedef bool word_flags __attribute__((ext_vector_type(64)));

/// Bit i says that byte i of the 64 at `bytes` equals `wanted`.
static inline __attribute__((always_inline)) uint64_t equal_mask(const uint8_t *bytes, uint8_t wanted) {
    word_bytes word;
    memcpy(&word, bytes, sizeof word);
    word_flags flags = __builtin_convertvector(word == (word_bytes)wanted, word_flags);
    uint64_t mask;
    memcpy(&mask, &flags, sizeof mask);
    return mask;
}

enum field_state { UNQUOTED, QUOTED, QUOTE_IN_QUOTED, AFTER_QUOTE };

/// The row being read and where its fields go.
struct row {
    size_t first_byte;
    size_t field_start;
    size_t quoted_end;
    uint64_t line;
    uint32_t fields;
    enum field_state state;
    bool has_doubled_quotes;
    bool has_quotes;
};

struct output {
    uint32_t *starts, *ends, *lines;
    size_t row_capacity, rows;
    uint32_t columns;
    bool any_width;
};

static inline __attribute__((always_inline)) bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

static bool are_blank(const uint8_t *bytes, size_t from, size_t to) {
    while (from < to && is_blank(bytes[from])) from++;
    return from == to;
}

static inline __attribute__((always_inline)) void start_row(struct row *row, size_t at, uint64_t line) {
    *row = (struct row){.first_byte = at, .field_start = at, .line = line};
}

/// Ends the field at byte `at` (a separator or a row end).
static inline __attribute__((always_inline)) void end_field(struct row *row, struct output *output, size_t at) {
    if (row->fields < output->columns) {
        size_t slot = output->rows * output->columns + row->fields;
        output->starts[slot] = (uint32_t)row->field_start;
        output->ends[slot] = row->state == UNQUOTED
            ? (uint32_t)at
            : (uint32_t)row->quoted_end | (row->has_doubled_quotes ? CONSILIUM_FIELD_HAS_DOUBLED_QUOTES : 0);
    }
    row->fields++;
    row->field_start = at + 1;
    row->state = UNQUOTED;
    row->has_doubled_quotes = false;
}

/// Ends the row at byte `at`, a line feed or carriage return. True when the scan has to stop with `*status`.
static inline __attribute__((always_inline)) bool end_row(
    struct consilium_row_scanner *scanner, struct row *row, struct output *output, const uint8_t *bytes, size_t at,
    enum consilium_scan_status *status) {
    bool is_carriage_return = bytes[at] == '\r';
    if (at == row->first_byte && !is_carriage_return && scanner->after_carriage_return) {
        scanner->after_carriage_return = false;  // the second half of CRLF
        start_row(row, at + 1, scanner->line);
        scanner->position = at + 1;
        return false;
    }
    end_field(row, output, at);
    bool is_blank_line = !row->has_quotes && row->fields == 1 && are_blank(bytes, row->first_byte, at);
    uint64_t begun = row->line;
    scanner->after_carriage_return = is_carriage_return;
    scanner->line++;
    scanner->position = at + 1;
    uint32_t fields = row->fields;
    start_row(row, at + 1, scanner->line);
    if (is_blank_line) return false;
    scanner->fields = fields;
    if (output->any_width ? fields > output->columns : fields != output->columns) {
        scanner->problem_line = begun;
        *status = output->any_width ? CONSILIUM_SCAN_TOO_WIDE : CONSILIUM_SCAN_RAGGED;
        return true;
    }
    output->lines[output->rows++] = (uint32_t)begun;
    *status = CONSILIUM_SCAN_FULL;
    return output->any_width || output->rows == output->row_capacity;
}

/// Reads one byte where quotes are about. True when the scan has to stop with `*status`.
static bool read_byte(
    struct consilium_row_scanner *scanner, struct row *row, struct output *output, const uint8_t *bytes, size_t at,
    enum consilium_scan_status *status) {
    uint8_t byte = bytes[at];
    if (byte == 0) {
        scanner->problem_line = scanner->line;
        *status = CONSILIUM_SCAN_ZERO_BYTE;
        return true;
    }
    if (row->state == QUOTED) {
        if (byte == '"') {
            row->quoted_end = at;
            row->state = QUOTE_IN_QUOTED;
        } else if (byte == '\n' || (byte == '\r' && bytes[at + 1] != '\n')) {
            scanner->line++;
        }
        return false;
    }
    if (row->state == QUOTE_IN_QUOTED && byte == '"') {
        row->has_doubled_quotes = true;
        row->state = QUOTED;
        return false;
    }
    if (byte == scanner->separator) {
        end_field(row, output, at);
        return false;
    }
    if (byte == '\n' || byte == '\r') return end_row(scanner, row, output, bytes, at, status);
    if (row->state == UNQUOTED) {
        if (byte == '"' && are_blank(bytes, row->field_start, at)) {
            row->field_start = at + 1;
            row->has_quotes = true;
            row->state = QUOTED;
        }
        return false;
    }
    row->state = AFTER_QUOTE;
    if (is_blank(byte)) return false;
    scanner->problem_line = scanner->line;
    *status = CONSILIUM_SCAN_TEXT_AFTER_QUOTE;
    return true;
}

CONSILIUM_CLONES
enum consilium_scan_status consilium_scan_rows(
    struct consilium_row_scanner *scanner, const uint8_t *bytes, size_t count, uint32_t columns, bool any_width,
    size_t row_capacity, uint32_t *starts, uint32_t *ends, uint32_t *lines, size_t *rows) {
    struct output output = {starts, ends, lines, row_capacity, 0, columns, any_width};
    struct row row;
    enum consilium_scan_status status = CONSILIUM_SCAN_NEEDS_BYTES;
    bool stops = false;
    start_row(&row, scanner->position, scanner->line);
    for (size_t base = scanner->position; base < count && !stops; base += 64) {
        const uint8_t *word = bytes + base;
        uint64_t valid = count - base >= 64 ? UINT64_MAX : (UINT64_C(1) << (count - base)) - 1;
        uint64_t row_ends = (equal_mask(word, '\n') | equal_mask(word, '\r')) & valid;
        uint64_t specials = (equal_mask(word, scanner->separator) & valid) | row_ends;
        uint64_t rare = (equal_mask(word, '"') | equal_mask(word, 0)) & valid;
        if (__builtin_expect(rare != 0 || row.state != UNQUOTED, 0)) {
            for (size_t at = base; at < base + 64 && at < count && !stops; at++)
                stops = read_byte(scanner, &row, &output, bytes, at, &status);
        } else {
            for (; specials != 0 && !stops; specials &= specials - 1) {
                unsigned bit = (unsigned)__builtin_ctzll(specials);
                if ((row_ends >> bit) & 1)
                    stops = end_row(scanner, &row, &output, bytes, base + bit, &status);
                else
                    end_field(&row, &output, base + bit);
            }
        }
        if (any_width && row.fields > columns) {
            scanner->problem_line = row.line;
            status = CONSILIUM_SCAN_TOO_WIDE;
            stops = true;
        }
    }
    if (!stops) {
        status = CONSILIUM_SCAN_NEEDS_BYTES;
        scanner->line = row.line;  // the unfinished row is read again
    }
    *rows = output.rows;
    return status;
}
