// SPDX-License-Identifier: Apache-2.0
// The calls that differ between oneDNN 2.x and 3.x, the engine, and the one-thread rule.

#include "library.h"

#include "onednn_shim.h"

#ifdef CONSILIUM_ONEDNN

#include <pthread.h>
#include <stdlib.h>

#define IS_THREE (DNNL_VERSION_MAJOR >= 3)

// ---- engine and threads ----------------------------------------------------------------------------------------

static dnnl_engine_t engine;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void make_engine(void) {
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) engine = NULL;
}

// With one OpenMP thread the library runs its loops in the caller, without entering a parallel region; libgomp then
// never starts a pool. A build on another threading library has no such switch per thread and is left as it is.
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
extern void omp_set_num_threads(int count);
#endif

void cdnn_use_one_thread(void) {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    static _Thread_local bool is_done;
    if (is_done) return;
    omp_set_num_threads(1);
    is_done = true;
#endif
}

dnnl_engine_t cdnn_engine(void) {
    cdnn_use_one_thread();
    pthread_once(&engine_once, make_engine);
    return engine;
}

// ---- memory descriptors ----------------------------------------------------------------------------------------

cdnn_desc cdnn_desc_with_tag(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
#if IS_THREE
    cdnn_desc desc = NULL;
    return dnnl_memory_desc_create_with_tag(&desc, rank, dims, type, tag) == dnnl_success ? desc : NULL;
#else
    cdnn_desc desc = malloc(sizeof *desc);
    if (desc && dnnl_memory_desc_init_by_tag(desc, rank, dims, type, tag) == dnnl_success) return desc;
    free(desc);
    return NULL;
#endif
}

cdnn_desc cdnn_desc_with_strides(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides) {
#if IS_THREE
    cdnn_desc desc = NULL;
    return dnnl_memory_desc_create_with_strides(&desc, rank, dims, type, strides) == dnnl_success ? desc : NULL;
#else
    cdnn_desc desc = malloc(sizeof *desc);
    if (desc && dnnl_memory_desc_init_by_strides(desc, rank, dims, type, strides) == dnnl_success) return desc;
    free(desc);
    return NULL;
#endif
}

void cdnn_desc_free(cdnn_desc desc) {
#if IS_THREE
    if (desc) dnnl_memory_desc_destroy(desc);
#else
    free(desc);
#endif
}

// ---- memory ----------------------------------------------------------------------------------------------------

dnnl_memory_t cdnn_memory(cdnn_desc_view desc, bool is_read) {
    dnnl_memory_t memory = NULL;
#if IS_THREE
    (void)is_read;
#else
    // 2.x writes zeros into the padding of a memory object whenever its handle is set, also of one that is only read.
    // That costs time and is a race between workers that share packed weights. A primitive takes shapes from its own
    // description, so a memory object that calls the padding a part of the tensor makes it leave the bytes alone.
    dnnl_memory_desc_t whole = *desc;
    if (is_read && whole.format_kind == dnnl_blocked) {
        for (int i = 0; i < whole.ndims; i++) whole.dims[i] = whole.padded_dims[i];
        desc = &whole;
    }
#endif
    return dnnl_memory_create(&memory, desc, engine, DNNL_MEMORY_NONE) == dnnl_success ? memory : NULL;
}

bool cdnn_set_memory(dnnl_memory_t memory, void *handle, dnnl_stream_t stream) {
#if IS_THREE
    (void)stream;
    return dnnl_memory_set_data_handle(memory, handle) == dnnl_success;
#else
    return dnnl_memory_set_data_handle_v2(memory, handle, stream) == dnnl_success;
#endif
}

// ---- primitive descriptions ------------------------------------------------------------------------------------

dnnl_primitive_desc_t cdnn_describe_matmul(cdnn_desc_view a, cdnn_desc_view w, cdnn_desc_view bias, cdnn_desc_view c,
                                           const_dnnl_primitive_attr_t attributes) {
    dnnl_primitive_desc_t result = NULL;
    if (!a || !w || !c || !attributes) return NULL;
#if IS_THREE
    dnnl_status_t status = dnnl_matmul_primitive_desc_create(&result, engine, a, w, bias, c, attributes);
#else
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, w, bias, c);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&result, &operation, attributes, engine, NULL);
#endif
    return status == dnnl_success ? result : NULL;
}

dnnl_primitive_desc_t cdnn_describe_convolution(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, cdnn_desc_view x,
                                                cdnn_desc_view w, cdnn_desc_view bias, cdnn_desc_view y,
                                                const struct cdnn_window *window, const_dnnl_primitive_desc_t hint,
                                                const_dnnl_primitive_attr_t attributes) {
    dnnl_primitive_desc_t result = NULL;
    if (!x || !w || !y || !attributes || (pass != dnnl_forward_training && !hint)) return NULL;
    const dnnl_dim_t *stride = window->stride, *dilation = window->dilation;
    const dnnl_dim_t *before = window->before, *after = window->after;
    dnnl_status_t status;
#if IS_THREE
    if (pass == dnnl_backward_data)
        status = dnnl_convolution_backward_data_primitive_desc_create(
            &result, engine, algorithm, x, w, y, stride, dilation, before, after, hint, attributes);
    else if (pass == dnnl_backward_weights)
        status = dnnl_convolution_backward_weights_primitive_desc_create(
            &result, engine, algorithm, x, w, bias, y, stride, dilation, before, after, hint, attributes);
    else
        status = dnnl_convolution_forward_primitive_desc_create(
            &result, engine, pass, algorithm, x, w, bias, y, stride, dilation, before, after, attributes);
#else
    dnnl_convolution_desc_t operation;
    if (pass == dnnl_backward_data)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &operation, algorithm, x, w, y, stride, dilation, before, after);
    else if (pass == dnnl_backward_weights)
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &operation, algorithm, x, w, bias, y, stride, dilation, before, after);
    else
        status = dnnl_dilated_convolution_forward_desc_init(
            &operation, pass, algorithm, x, w, bias, y, stride, dilation, before, after);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&result, &operation, attributes, engine, hint);
#endif
    return status == dnnl_success ? result : NULL;
}

dnnl_primitive_desc_t cdnn_describe_pooling(dnnl_prop_kind_t pass, dnnl_alg_kind_t algorithm, cdnn_desc_view x,
                                            cdnn_desc_view y, const struct cdnn_window *window,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attributes) {
    dnnl_primitive_desc_t result = NULL;
    if (!x || !y || !attributes || (pass == dnnl_backward_data && !hint)) return NULL;
    const dnnl_dim_t *stride = window->stride, *kernel = window->kernel;
    const dnnl_dim_t *before = window->before, *after = window->after;
    dnnl_status_t status;
#if IS_THREE
    if (pass == dnnl_backward_data)
        status = dnnl_pooling_backward_primitive_desc_create(
            &result, engine, algorithm, x, y, stride, kernel, window->dilation, before, after, hint, attributes);
    else
        status = dnnl_pooling_forward_primitive_desc_create(
            &result, engine, pass, algorithm, x, y, stride, kernel, window->dilation, before, after, attributes);
#else
    dnnl_pooling_desc_t operation;
    if (pass == dnnl_backward_data)
        status = dnnl_pooling_backward_desc_init(&operation, algorithm, x, y, stride, kernel, before, after);
    else
        status = dnnl_pooling_forward_desc_init(&operation, pass, algorithm, x, y, stride, kernel, before, after);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&result, &operation, attributes, engine, hint);
#endif
    return status == dnnl_success ? result : NULL;
}

dnnl_primitive_desc_t cdnn_describe_reorder(cdnn_desc_view source, cdnn_desc_view target,
                                            const_dnnl_primitive_attr_t attributes) {
    dnnl_primitive_desc_t result = NULL;
    if (!source || !target || !attributes) return NULL;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&result, source, engine, target, engine, attributes);
    return status == dnnl_success ? result : NULL;
}

// ---- attributes ------------------------------------------------------------------------------------------------

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
#if IS_THREE
    return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
#else
    return dnnl_post_ops_append_sum(operations, 1);
#endif
}

static dnnl_status_t append_relu(dnnl_post_ops_t operations) {
#if IS_THREE
    return dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0);
#else
    return dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0);
#endif
}

dnnl_primitive_attr_t cdnn_attributes(bool accumulate, int activation) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t operations = NULL;
    if (activation != CONSILIUM_DNN_LINEAR && activation != CONSILIUM_DNN_RELU) return NULL;
    // Scratch memory of the library's own belongs to the thread that created the primitive, and is allocated.
    bool is_good = dnnl_primitive_attr_create(&attributes) == dnnl_success &&
                   dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success;
    if (accumulate || activation == CONSILIUM_DNN_RELU) {
        is_good = is_good && dnnl_post_ops_create(&operations) == dnnl_success;
        if (accumulate) is_good = is_good && append_sum(operations) == dnnl_success;
        if (activation == CONSILIUM_DNN_RELU) is_good = is_good && append_relu(operations) == dnnl_success;
        is_good = is_good && dnnl_primitive_attr_set_post_ops(attributes, operations) == dnnl_success;
        if (operations) dnnl_post_ops_destroy(operations);
    }
    if (!is_good && attributes) {
        dnnl_primitive_attr_destroy(attributes);
        attributes = NULL;
    }
    return attributes;
}

// ---- names -----------------------------------------------------------------------------------------------------

dnnl_data_type_t cdnn_type(int type) {
    switch (type) {
    case CONSILIUM_DNN_FLOAT32: return dnnl_f32;
    case CONSILIUM_DNN_BFLOAT16: return dnnl_bf16;
    default: return dnnl_data_type_undef;
    }
}

dnnl_format_tag_t cdnn_activation_tag(int layout, int spatial) {
    static const dnnl_format_tag_t tags[2][3] = {{dnnl_ncw, dnnl_nchw, dnnl_ncdhw},
                                                 {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c}};
    if (spatial < 1 || spatial > 3 || (layout != CONSILIUM_DNN_PLAIN && layout != CONSILIUM_DNN_BLOCKED))
        return dnnl_format_tag_undef;
    return tags[layout == CONSILIUM_DNN_BLOCKED][spatial - 1];
}

#endif
