// SPDX-License-Identifier: Apache-2.0
// Everything in which oneDNN 2.x and 3.x differ, behind one set of functions for the other files of this module.

#ifndef CONSILIUM_ONEDNN_LIBRARY_H
#define CONSILIUM_ONEDNN_LIBRARY_H
#ifdef CONSILIUM_ONEDNN

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

/// A memory descriptor that this module owns, and one that is only looked at. 2.x has an open struct, 3.x a handle;
/// as an owned pointer both look the same.
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t cdnn_desc;
typedef const_dnnl_memory_desc_t cdnn_desc_view;
#else
typedef dnnl_memory_desc_t *cdnn_desc;
typedef const dnnl_memory_desc_t *cdnn_desc_view;
#endif

/// The extents that a convolution or a pooling adds to its tensors, one entry for each spatial dimension.
struct cdnn_window {
    dnnl_dims_t kernel, stride, dilation, before, after;  // dilation 0: dense
};

/// The processor's engine, or NULL. Also makes the calling thread one that OpenMP gives no helpers, which the library
/// reads when it describes, creates and executes a primitive; every way into the library starts here.
dnnl_engine_t cdnn_engine(void);
void cdnn_use_one_thread(void);

// The functions below return NULL on any failure, also when a descriptor they are given is NULL.

cdnn_desc cdnn_desc_with_tag(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
cdnn_desc cdnn_desc_with_strides(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides);
void cdnn_desc_free(cdnn_desc desc);

/// `bias` may be NULL: none.
dnnl_primitive_desc_t cdnn_describe_matmul(cdnn_desc_view a, cdnn_desc_view w, cdnn_desc_view bias, cdnn_desc_view c,
                                           const_dnnl_primitive_attr_t attributes);
/// `pass` is forward training, backward data or backward weights; x, w, bias and y are the gradients where it makes or
/// takes those. The backward passes need the forward description as `hint`.
dnnl_primitive_desc_t cdnn_describe_convolution(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, cdnn_desc_view x,
                                                cdnn_desc_view w, cdnn_desc_view bias, cdnn_desc_view y,
                                                const struct cdnn_window *window, const_dnnl_primitive_desc_t hint,
                                                const_dnnl_primitive_attr_t attributes);
/// `pass` is forward training, forward inference or backward data.
dnnl_primitive_desc_t cdnn_describe_pooling(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, cdnn_desc_view x,
                                            cdnn_desc_view y, const struct cdnn_window *window,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attributes);
dnnl_primitive_desc_t cdnn_describe_reorder(cdnn_desc_view source, cdnn_desc_view target,
                                            const_dnnl_primitive_attr_t attributes);

/// Attributes of every primitive here: scratch memory from the caller; then, on request, the old target is added to
/// the result, and ReLU applied.
dnnl_primitive_attr_t cdnn_attributes(bool accumulate, int activation);

/// A memory object without memory; `is_read` says that the primitive only reads it.
dnnl_memory_t cdnn_memory(cdnn_desc_view desc, bool is_read);
bool cdnn_set_memory(dnnl_memory_t memory, void *handle, dnnl_stream_t stream);

/// The library's type for one of ours, `dnnl_data_type_undef` for an unknown one (which no primitive takes).
dnnl_data_type_t cdnn_type(int type);
/// The format of activations with `spatial` dimensions, `dnnl_format_tag_undef` for what is unknown.
dnnl_format_tag_t cdnn_activation_tag(int layout, int spatial);

#endif
#endif
