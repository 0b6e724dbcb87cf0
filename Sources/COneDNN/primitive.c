// SPDX-License-Identifier: Apache-2.0
// Assembling, executing and destroying primitives; packing of weights.

#include "primitive.h"

#ifdef CONSILIUM_ONEDNN

#include <stdio.h>
#include <stdlib.h>

/// Ends the program: the shim was called against its rules, or the library ran out of memory; results would be wrong.
static _Noreturn void fail(const char *what) {
    fprintf(stderr, "COneDNN: %s\n", what);
    abort();
}

/// Adds one memory object for an argument of the description; true when there is none.
static bool add_memory(consilium_dnn_primitive *self, int slot, struct cdnn_buffer buffer) {
    cdnn_desc_view desc = dnnl_primitive_desc_query_md(self->description, dnnl_query_exec_arg_md, buffer.argument);
    size_t bytes = desc ? dnnl_memory_desc_get_size(desc) : 0;
    if (bytes == 0) return true;
    if (buffer.argument == DNNL_ARG_SCRATCHPAD) self->scratch_bytes = bytes;
    if (buffer.argument == DNNL_ARG_WORKSPACE) self->workspace_bytes = bytes;
    self->memories[slot] = cdnn_memory(desc, buffer.is_read);
    if (!self->memories[slot]) return false;
    self->arguments[self->argument_count].arg = buffer.argument;
    self->arguments[self->argument_count].memory = self->memories[slot];
    self->argument_count++;
    return true;
}

consilium_dnn_primitive *cdnn_assemble(dnnl_primitive_desc_t description, const struct cdnn_buffer *buffers,
                                       int count) {
    if (!description) return NULL;
    consilium_dnn_primitive *self = calloc(1, sizeof *self);
    if (!self) {
        dnnl_primitive_desc_destroy(description);
        return NULL;
    }
    self->description = description;
    self->buffer_count = count;
    bool is_good = dnnl_primitive_create(&self->primitive, description) == dnnl_success &&
                   dnnl_stream_create(&self->stream, cdnn_engine(), dnnl_stream_in_order) == dnnl_success &&
                   dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &self->implementation) ==
                       dnnl_success;
    for (int i = 0; i < count && is_good; i++) is_good = add_memory(self, i, buffers[i]);
    is_good = is_good && add_memory(self, count, (struct cdnn_buffer){DNNL_ARG_SCRATCHPAD, false});
    if (!is_good) {
        consilium_dnn_destroy(self);
        return NULL;
    }
    return self;
}

void consilium_dnn_destroy(consilium_dnn_primitive *self) {
    if (!self) return;
    consilium_dnn_destroy(self->reorder);
    free(self->reorder_scratch);
    for (int i = 0; i <= CDNN_MOST_BUFFERS; i++)
        if (self->memories[i]) dnnl_memory_destroy(self->memories[i]);
    if (self->stream) dnnl_stream_destroy(self->stream);
    if (self->primitive) dnnl_primitive_destroy(self->primitive);
    dnnl_primitive_desc_destroy(self->description);
    free(self);
}

// ---- execution -------------------------------------------------------------------------------------------------

static void set(consilium_dnn_primitive *self, int slot, void *handle) {
    // In a steady step most buffers stay where they are, and 2.x zeroes the padding of a target whose handle is set.
    if (!self->memories[slot] || self->handles[slot] == handle) return;
    if (!handle) fail("a buffer is missing");
    if (!cdnn_set_memory(self->memories[slot], handle, self->stream)) fail("a buffer was refused");
    self->handles[slot] = handle;
}

void consilium_dnn_execute(consilium_dnn_primitive *self, void *const *buffers, void *scratch) {
    cdnn_use_one_thread();
    for (int i = 0; i < self->buffer_count; i++) set(self, i, buffers[i]);
    set(self, self->buffer_count, scratch);
    if (dnnl_primitive_execute(self->primitive, self->stream, self->argument_count, self->arguments) != dnnl_success ||
        dnnl_stream_wait(self->stream) != dnnl_success)
        fail("a primitive failed");
}

// ---- packing ---------------------------------------------------------------------------------------------------

static cdnn_desc_view packed_desc(const consilium_dnn_primitive *self) {
    return dnnl_primitive_desc_query_md(self->description, dnnl_query_exec_arg_md, self->packed_argument);
}

consilium_dnn_primitive *cdnn_with_packing(consilium_dnn_primitive *self, int packed, cdnn_desc_view plain) {
    if (!self) return NULL;
    self->packed_argument = packed;
    cdnn_desc_view desc = packed_desc(self);
    self->packed_bytes = dnnl_memory_desc_get_size(desc);
    self->reorder = packed == DNNL_ARG_DIFF_WEIGHTS ? cdnn_make_reorder(desc, plain) : cdnn_make_reorder(plain, desc);
    if (self->reorder && self->reorder->scratch_bytes > 0) {
        // A few kilobytes at most; asking the caller for it would complicate every call of pack.
        size_t bytes = (self->reorder->scratch_bytes + 63) / 64 * 64;
        self->reorder_scratch = aligned_alloc(64, bytes);
    }
    if (!self->reorder || (self->reorder->scratch_bytes > 0 && !self->reorder_scratch)) {
        consilium_dnn_destroy(self);
        return NULL;
    }
    return self;
}

void consilium_dnn_pack(consilium_dnn_primitive *self, const float *plain, void *packed) {
    if (!self->reorder || self->packed_argument != DNNL_ARG_WEIGHTS) fail("this primitive packs no weights");
    void *buffers[] = {(void *)plain, packed};
    consilium_dnn_execute(self->reorder, buffers, self->reorder_scratch);
}

void consilium_dnn_unpack(consilium_dnn_primitive *self, const void *packed, float *plain) {
    if (!self->reorder || self->packed_argument != DNNL_ARG_DIFF_WEIGHTS) fail("this primitive unpacks no gradient");
    void *buffers[] = {(void *)packed, plain};
    consilium_dnn_execute(self->reorder, buffers, self->reorder_scratch);
}

bool consilium_dnn_packs_alike(const consilium_dnn_primitive *a, const consilium_dnn_primitive *b) {
    return a->reorder && b->reorder && dnnl_memory_desc_equal(packed_desc(a), packed_desc(b)) != 0;
}

// ---- questions -------------------------------------------------------------------------------------------------

size_t consilium_dnn_packed_bytes(const consilium_dnn_primitive *self) { return self->packed_bytes; }
size_t consilium_dnn_workspace_bytes(const consilium_dnn_primitive *self) { return self->workspace_bytes; }
size_t consilium_dnn_scratch_bytes(const consilium_dnn_primitive *self) { return self->scratch_bytes; }
const char *consilium_dnn_implementation(const consilium_dnn_primitive *self) { return self->implementation; }

#endif
