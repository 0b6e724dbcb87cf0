// SPDX-License-Identifier: Apache-2.0
// What every primitive of this module consists of, and how one is put together from the library's description.

#ifndef CONSILIUM_ONEDNN_PRIMITIVE_H
#define CONSILIUM_ONEDNN_PRIMITIVE_H
#ifdef CONSILIUM_ONEDNN

#include "library.h"
#include "onednn_shim.h"

enum { CDNN_MOST_BUFFERS = 4 };

struct consilium_dnn_primitive {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    // The caller's buffers in his order (absent ones NULL), then scratch; the handle each memory object holds now.
    dnnl_memory_t memories[CDNN_MOST_BUFFERS + 1];
    void *handles[CDNN_MOST_BUFFERS + 1];
    int buffer_count;
    // The same memory objects as the library takes them, absent ones left out.
    dnnl_exec_arg_t arguments[CDNN_MOST_BUFFERS + 1];
    int argument_count;
    size_t scratch_bytes, workspace_bytes, packed_bytes;
    const char *implementation;
    // Packed weights, or packed weight gradient: which argument, and the reorder from or to the plain form.
    int packed_argument;
    consilium_dnn_primitive *reorder;
    void *reorder_scratch;
};

/// One buffer of a primitive: the library's number of the argument, and whether the primitive only reads it.
struct cdnn_buffer {
    int argument;
    bool is_read;
};

/// Makes a primitive of a description (NULL: fails), which it takes over, also when it fails. An argument that the
/// description does not have becomes an absent buffer.
consilium_dnn_primitive *cdnn_assemble(dnnl_primitive_desc_t description, const struct cdnn_buffer *buffers, int count);

/// Gives the primitive (NULL: fails) its reorder between `plain` and its argument `packed`, which is weights (packing)
/// or a gradient of weights (unpacking). Takes the primitive over; on failure destroys it and returns NULL.
consilium_dnn_primitive *cdnn_with_packing(consilium_dnn_primitive *primitive, int packed, cdnn_desc_view plain);

consilium_dnn_primitive *cdnn_make_reorder(cdnn_desc_view source, cdnn_desc_view target);

#endif
#endif
